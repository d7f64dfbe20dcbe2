"""`sg.custom`: an operation with the user's own derivative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgrad.language.digest import digest, expression_digests
from symgrad.language.operation import Operation
from symgrad.language.row import Row, register
from symgrad.language.symbols import TensorSymbol
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import broadcast_to


@dataclass(frozen=True)
class Rule:
    """A pull-back as expressions in symbols that stand for g, y and the operands.

    Equality rests on the digest of the expressions.
    """

    key: str
    symbols: tuple[TensorSymbol, ...] = field(compare=False, repr=False)
    adjoints: tuple[sp.Expr | None, ...] = field(compare=False, repr=False)

    def pull(self, i: int, g: Any, y: Any, *x: Any) -> Any:
        """The adjoint of operand i as a value of the block."""
        from symgrad.calculus.builder import Builder
        from symgrad.calculus.capture import capture_into
        from symgrad.calculus.splice import splice

        adjoint = self.adjoints[i]
        if adjoint is None:
            return None
        inner = Builder()
        (found,) = capture_into(inner, [adjoint], {})
        values = dict(zip(self.symbols, (g, y, *x), strict=True))
        known = {n: values[s] for s, n in inner.inputs.items() if s in values}
        return splice(inner, found, g.builder, known)


def _pull(i: int, g: Any, y: Any, *x: Any, rule: Rule) -> Any:
    return rule.pull(i - 1, g, y, *x[1:]) if i else None


register(
    Row("custom", "composite", lambda lead, y, *x, rule: y, (_pull,), variadic=True,
        shape=lambda y, *x, rule: y, expand=lambda y, *x, rule: y)
)  # fmt: skip


class Custom(Operation):
    """A value, its first operand, whose derivatives for the others are the user's."""

    row = "custom"

    def _sympystr(self, printer: Any) -> str:
        return self._print(printer, "{0}", 0)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = self._print(printer, "{0}", 0)
        return rf"\left({text}\right)^{{{exp}}}" if exp else text


def custom(forward: Callable[..., Any], pullback: Callable[..., Any]) -> Callable[..., sp.Expr]:
    """A function with the user's own derivative.

    forward(*x) gives the value, as an expression; pullback(g, y, *x) gives, from the adjoint g of
    the value y, the adjoint of each x (a list or tuple where there are several; None for one that
    has none), of its shape and as an expression too, so that it is compiled and differentiated
    like everything else.

    >>> import symgrad as sg
    >>> x = sg.data("x")
    >>> straight_through = sg.custom(sg.round, lambda g, y, x: g)
    >>> straight_through(x)
    round(x)
    >>> sg.gradient(3*straight_through(x), x)
    3
    """

    if not all(map(callable, (forward, pullback))):
        raise TypeError(f"sg.custom wants two functions, not {forward!r} and {pullback!r}")

    def function(*operands: Any) -> sp.Expr:
        values = [sympify(x) for x in operands]
        y = sympify(forward(*values))
        return Custom(y, *values, rule=_rule(pullback, y, values))

    return function


def _rule(pullback: Callable[..., Any], y: sp.Expr, values: list[sp.Expr]) -> Rule:
    """The pull-back, written once in symbols that stand for its arguments."""
    names = ("g", "y", *(f"x{k}" for k in range(len(values))))
    shapes = [describe(y)[0], *(describe(v)[0] for v in (y, *values))]
    symbols = tuple(_stand_in(n, s) for n, s in zip(names, shapes, strict=True))
    given = pullback(*symbols)
    given = tuple(given) if isinstance(given, list | tuple) else (given,)
    if len(given) != len(values):
        raise ValueError(
            f"a pull-back gives one adjoint for each operand: {len(values)} operands, {len(given)} "
            "adjoints"
        )
    adjoints = tuple(_fitted(a, s) for a, s in zip(given, symbols[2:], strict=True))
    digests = (str(a if a is None else expression_digests(a)) for a in adjoints)
    return Rule(digest(*shapes, *digests), symbols, adjoints)


def _stand_in(name: str, shape: tuple) -> TensorSymbol:
    key = digest("custom", name, shape)
    return TensorSymbol(name, shape, "float", "let", key, key)


def _fitted(adjoint: Any, x: TensorSymbol) -> sp.Expr | None:
    """An adjoint of its operand's shape; a number is meant for all elements."""
    if adjoint is None:
        return None
    adjoint = sympify(adjoint)
    shape = describe(adjoint)[0]
    if shape != x.shape and shape != ():
        raise ValueError(
            f"the adjoint {adjoint} of operand {x} has shape {shape}; the operand has {x.shape}"
        )
    return adjoint if shape == x.shape else broadcast_to(adjoint, x.shape)
