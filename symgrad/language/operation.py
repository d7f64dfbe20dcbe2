"""Operations that SymPy has no word for, as SymPy expressions that know their shape."""

from __future__ import annotations

from typing import Any, ClassVar

import sympy as sp
from sympy.printing.precedence import PRECEDENCE

from symgrad.language.row import TABLE
from symgrad.language.symbols import Let, anonymous
from symgrad.language.tensor import HEADS, Shaped, describe, sympify


class Attributes(sp.Atom):
    """An operation's attributes (axes, subscripts, ...) as a SymPy atom."""

    values: tuple[tuple[str, Any], ...]

    def __new__(cls, values: Any = ()) -> Attributes:
        self = super().__new__(cls)
        self.values = tuple(sorted(dict(values).items()))
        return self

    def __getnewargs__(self) -> tuple:
        return (self.values,)

    def _hashable_content(self) -> tuple:
        return (repr(self.values),)

    def sort_key(self, order: Any = None) -> tuple:
        return self.class_key(), (1, (repr(self.values),)), 1, sp.S.One

    def _sympystr(self, _: Any) -> str:
        return ", ".join(f"{k}={v}" for k, v in self.values)


class Operation(Shaped, sp.Expr):
    """A structured operation on tensors: real, commutative, opaque to assumption queries.

    Its arguments are the operands, each a symbol or a number (composite ones are named by an
    anonymous let), and the attributes last.
    """

    row: ClassVar[str]
    template: str = ""  # how it prints: "sum({0})"; by default like a call
    latex_template: str = ""
    level: ClassVar[int] = PRECEDENCE["Func"]

    is_commutative = is_real = is_extended_real = is_finite = is_complex = True
    is_number = is_symbol = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "row" in cls.__dict__:
            HEADS[cls] = cls.row

    def __new__(cls, *operands: Any, **attributes: Any) -> Operation:
        if operands and isinstance(operands[-1], Attributes):
            attributes = dict(operands[-1].values)
            operands = operands[:-1]
        named = [anonymous(sympify(x)) for x in operands]
        self = super().__new__(cls, *named, Attributes(attributes))
        facts = [_Facts(*describe(x)) for x in named]
        self.shape, self.dtype = TABLE[cls.row].infer(facts, attributes)
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return type(self), self.args

    @property
    def operands(self) -> tuple[sp.Expr, ...]:
        return self.args[:-1]

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.args[-1].values)

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Basic | None:
        if old not in self.operands:
            return None
        parts = (fitted(new, x) if x == old else x._subs(old, new) for x in self.operands)
        return self.func(*parts, self.args[-1])

    def _xreplace(self, rule: Any) -> tuple[sp.Basic, bool]:
        if self in rule:
            return rule[self], True
        parts = [
            (fitted(rule[x], x), True) if x in rule else x._xreplace(rule) for x in self.operands
        ]
        if not any(changed for _, changed in parts):
            return self, False
        return self.func(*(x for x, _ in parts), self.args[-1]), True

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        if s not in self.free_symbols:
            return sp.S.Zero
        from symgrad.calculus.gradient import gradient

        return gradient(self, s)

    def _eval_derivative_n_times(self, s: sp.Symbol, n: Any) -> sp.Expr:
        return self if n == 0 else sp.diff(self._eval_derivative(s), s, n - 1)

    def _print(self, printer: Any, template: str, level: int) -> str:
        shown = [shown_operand(printer, x, level) for x in self.operands]
        return template.format(*shown, all=", ".join(shown), **self.attributes)

    def _sympystr(self, printer: Any) -> str:
        template = self.template
        if not template:
            plain = [f"{k}={v}" for k, v in self.args[-1].values if v not in (False, None)]
            template = f"{self.row}({', '.join(['{all}', *plain])})"
        return self._print(printer, template, self._level(template))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        row = self.row.replace("_", r"\_")
        template = self.latex_template or (
            rf"\operatorname{{{{{row}}}}}\left({{all}}\right)"  # braces are doubled for format
        )
        text = self._print(printer, template, self._level(template))
        return rf"\left({text}\right)^{{{exp}}}" if exp else text

    def _level(self, template: str) -> int:
        return 0 if template.endswith(")") or self.level >= PRECEDENCE["Func"] else self.level

    @property
    def precedence(self) -> int:
        return self.level


def fitted(new: sp.Expr, old: sp.Expr) -> sp.Expr:
    """What may stand in an operand's place: of its shape, or a scalar, which is spread."""
    from symgrad.language.views import broadcast_to

    shape, wanted = describe(new)[0], describe(old)[0]
    if shape == wanted:
        return new
    if shape != ():
        raise ValueError(f"{old} has shape {wanted}, {new} has shape {shape}")
    return broadcast_to(new, wanted)


class _Facts:
    """Shape and kind of an operand, as `Row.infer` reads them."""

    def __init__(self, shape: tuple, kind: str) -> None:
        self.shape, self.kind = shape, kind


def shown_operand(printer: Any, x: sp.Expr, level: int) -> str:
    """An operand as text, anonymous lets by their definition, in parentheses where needed."""
    while isinstance(x, Let) and not x.name:
        x = x.definition
    return printer.parenthesize(x, level, strict=True) if level else printer._print(x)
