"""Capture: an expression becomes a block, one equation for each operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy as sp
from sympy.logic.boolalg import BooleanAtom

from symgrad.calculus.block import Block, Name, Operand
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.rewrite import Rewrite, by_operation, improved
from symgrad.language.garbage import rare_collections
from symgrad.language.operation import Operation
from symgrad.language.rewritten import REWRITTEN
from symgrad.language.row import TABLE
from symgrad.language.symbols import Dim, Let, TensorSymbol
from symgrad.language.tensor import HEADS, describe
from symgrad.language.walk import postorder

Roles = Mapping[sp.Symbol, str]
PER_SAMPLE = ("data", "length", "random")  # roles
ARITHMETIC = ("add", "mul", "pow")
EXACT = {float(k): k for k in (sp.S(2), -sp.S(2), sp.S(1), -sp.S(1), sp.S.Half, -sp.S.Half)}
MANY_FACTORS = 6  # each factor's derivative multiplies all the others


@rare_collections()
def capture(
    outputs: Mapping[str, sp.Expr],
    roles: Roles | None = None,
    independent: Iterable[sp.Symbol] = (),
) -> Block:
    """The block that computes the outputs.

    roles: the role of plain SymPy symbols, "data" where it is not said.
    independent: lets that are read as inputs, not computed.
    Raises TypeError or ValueError, naming what is not known and the remedy.
    """
    builder = Builder()
    names = capture_into(builder, outputs.values(), roles or {}, independent)
    names = [x if isinstance(x, Name) else builder.constant(x) for x in names]
    return builder.block(dict(zip(outputs, names, strict=True)))


def capture_into(
    builder: Builder,
    expressions: Iterable[sp.Expr],
    roles: Roles,
    independent: Iterable[sp.Symbol] = (),
    rewrites: Iterable[Rewrite] = (),
) -> list[Operand]:
    """Add the expressions' equations to a builder; return their operands.

    rewrites: apply to each equation as it is made, so that what follows builds on the result.
    """
    roots = list(expressions)
    reader = _Reader(builder, roles, frozenset(independent), by_operation(rewrites))
    order = list(postorder(roots, reader.children))
    for node in order:
        reader.memo[id(node)] = reader.read(node)
    reader.check_constants(roots)
    _check_names(builder)
    return [reader.shaped(reader.memo[id(root)], describe(root)[0]) for root in roots]


class _Reader:
    """Reads one node at a time; its children have been read."""

    def __init__(
        self,
        builder: Builder,
        roles: Roles,
        independent: frozenset,
        rewrites: Mapping[str, Sequence[Rewrite]],
    ) -> None:
        self.builder, self.roles, self.independent = builder, roles, independent
        self.rewrites = rewrites
        self.memo: dict[int, Operand] = {}
        self.complex: list[sp.Basic] = []  # constants, which only branches not taken may be made of
        self.below: dict[int, tuple] = {}

    def children(self, e: sp.Basic) -> tuple:
        """What must be read before a node; the same objects every time."""
        known = self.below.get(id(e))
        if known is None:
            known = self.below[id(e)] = self._children(e)
        return known

    def _children(self, e: sp.Basic) -> tuple:
        if isinstance(e, sp.Symbol):
            return (e.definition,) if self._is_defined(e) else ()
        if HEADS.get(type(e)) == "select":
            return tuple(x for pair in e.args for x in pair.args)
        rewritten = REWRITTEN.get(type(e))
        if rewritten is not None:
            return (rewritten(*e.args),)
        if isinstance(e, Operation):
            return e.operands
        if is_constant(e):
            return ()
        if type(e) not in HEADS:
            raise TypeError(unknown(e))
        return e.args

    def read(self, e: sp.Basic) -> Operand:
        if isinstance(e, sp.Symbol):
            return self._let(e) if self._is_defined(e) else self._input(e)
        parts = [self.memo[id(c)] for c in self.children(e)]
        if type(e) in REWRITTEN:
            return parts[0]
        if isinstance(e, Operation):
            return self._apply(e.row, parts, e.attributes)
        if not parts:
            return self._constant(e)
        operation = HEADS[type(e)]
        if operation == "select":
            return self._piecewise(parts)
        if operation == "heaviside":
            parts = parts[:1]
        return self._apply(operation, parts, {})

    def _constant(self, e: sp.Basic) -> sp.Basic:
        if not _is_complex(e):
            return e
        self.complex.append(e)
        return sp.nan

    def check_constants(self, roots: list[sp.Expr]) -> None:
        """Refuse complex numbers, but in branches: SymPy folded a function into them, which is
        NaN there as in NumPy."""
        if not self.complex:
            return
        always = set(map(id, postorder(roots, self._always)))
        for e in self.complex:
            if id(e) in always:
                raise ValueError(
                    f"the constant {e} is complex; symgrad's models are real"
                    + (" (a division by zero)" if e.has(sp.zoo) else "")
                )

    def _always(self, e: sp.Basic) -> tuple:
        """What is computed for a node whatever the data are: of a choice, the first condition."""
        return self.children(e)[1:2] if HEADS.get(type(e)) == "select" else self.children(e)

    def shaped(self, value: Operand, shape: tuple) -> Operand:
        """The value in an expression's shape, where identities (0 x = 0) left a number of it."""
        if getattr(value, "shape", ()) == shape:
            return value
        return self.builder.apply("broadcast_to", value, shape=shape).operand

    def _is_defined(self, e: sp.Symbol) -> bool:
        return isinstance(e, Let) and e not in self.independent

    def _let(self, let: Let) -> Operand:
        value = self.shaped(self.memo[id(let.definition)], let.shape)
        if let.name and isinstance(value, Name) and value not in self.builder.inputs.values():
            value.label = value.label or let.name
            self.builder.lets.setdefault(value, let)
        return value

    def _apply(self, operation: str, parts: list, attributes: dict) -> Operand:
        if operation == "expectation" and not _per_sample(parts[0]):
            return parts[0]  # E[c] = c
        if operation == "batch" and not _per_sample(parts[0]):
            raise ValueError(
                f"sg.batch stacks the mini-batch's values of something per sample; {parts[0]} is "
                "the same for every sample"
            )
        if operation in ARITHMETIC and any(x is sp.nan for x in parts):
            return sp.nan  # as of numbers: no derivative is taken of it
        if operation in ARITHMETIC and any(_is_float(x) for x in parts):
            parts = [_exact(x) for x in parts]
        if operation == "mul" and len(parts) > MANY_FACTORS:
            while len(parts) > 2:  # pairwise: the derivatives of long products stay simple
                parts = [self._pair(operation, parts[k : k + 2]) for k in range(0, len(parts), 2)]
        value = self.builder.apply(operation, *parts, **attributes)
        return improved(self.builder, value, self.rewrites).operand

    def _pair(self, operation: str, pair: list[Operand]) -> Operand:
        return self.builder.apply(operation, *pair).operand if len(pair) > 1 else pair[0]

    def _piecewise(self, parts: list[Operand]) -> Operand:
        """The first branch whose condition holds; NaN where none does, as in SymPy."""
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
        value: Any = sp.nan
        for x, condition in reversed(pairs):
            if condition == sp.true:
                value = x
            elif condition != sp.false:
                value = self.builder.apply("select", condition, x, value)
        return value.operand if isinstance(value, Value) else value

    def _input(self, symbol: sp.Symbol) -> Name:
        role = role_of(symbol, self.roles)
        shape = getattr(symbol, "shape", ())
        return self.builder.input(symbol, shape, per_sample=role in PER_SAMPLE)


def role_of(symbol: sp.Symbol, roles: Roles) -> str:
    """A symbol's role; a plain SymPy symbol is data where nothing else is said."""
    if isinstance(symbol, TensorSymbol | Dim):
        return symbol.role
    return roles.get(symbol, "data")


def is_constant(e: sp.Basic) -> bool:
    """Whether a node is a number in itself: 2, pi, sqrt(2), True."""
    if isinstance(e, BooleanAtom):
        return True
    return (
        isinstance(e, sp.Expr)
        and not isinstance(e, Operation)
        and (
            e.is_Number
            or e.is_NumberSymbol
            or e is sp.I
            or (bool(e.is_number) and not e.free_symbols)
        )
    )


def _is_complex(e: sp.Basic) -> bool:
    real = isinstance(e, BooleanAtom)
    return not real and (e.has(sp.I, sp.zoo) or e.is_extended_real is False)


def unknown(e: sp.Basic) -> str:
    """The error for something without a row, with the remedy."""
    kind = type(e).__name__
    if isinstance(e, sp.MatrixExpr | sp.MatrixBase):
        return (
            f"the matrix {e} cannot be mixed with symgrad tensors: write the whole model with "
            "MatrixSymbols, or all of it with sg.data and sg.parameter"
        )
    known = ", ".join(sorted(n for n in TABLE if TABLE[n].kind == "pointwise"))
    return (
        f"symgrad has no operation for {kind} in {str(e)[:200]}; rewrite it with known ones "
        f"(e.g. expression.rewrite or .doit()), or evaluate it outside the model. Known: {known}"
    )


def _is_float(x: Operand) -> bool:
    return isinstance(x, Name) and x.kind == "float"


def _exact(x: Operand) -> Operand:
    """1.0 beside what is no integer is 1: identities and stable forms speak of exact numbers."""
    return EXACT.get(float(x), x) if isinstance(x, sp.Float) else x


def _per_sample(x: Operand) -> bool:
    return isinstance(x, Name) and x.per_sample


def _check_names(builder: Builder) -> None:
    """Two different symbols of one name would be confused in data and parameters by name."""
    seen: dict[str, sp.Symbol] = {}
    for symbol in builder.inputs:
        if getattr(symbol, "role", "") in ("constant", "let", "batch_size", "step", "length"):
            continue
        other = seen.setdefault(symbol.name, symbol)
        if other is not symbol and other != symbol:
            first, second = sorted(map(specification, (symbol, other)))
            raise ValueError(
                f"two different symbols are called {symbol.name!r} ({first}, and {second}): share "
                "the Python variable (every call of sg.parameter makes a new one), or give them "
                "different names"
            )


def specification(symbol: sp.Symbol) -> str:
    """What a symbol is, for errors: `data of shape (3,), int`."""
    if not isinstance(symbol, TensorSymbol):
        return "plain symbol"
    value = f", {symbol.payload}" if symbol.role in ("hyper", "random") else ""
    return f"{symbol.role} of shape {symbol.shape}, {symbol.dtype}{value}"
