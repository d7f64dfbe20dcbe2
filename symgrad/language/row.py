"""The operation table: what a row holds, and how rows are registered.

Everything that symgrad knows of an operation stands in its row.  Capture, derive, the reference
target, lowering, printing and the tests read it; none of them knows an operation by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp

Kind = Literal[
    "pointwise", "reduction", "contraction", "view", "indexing", "level", "composite", "library",
    "random",
]  # fmt: skip
Result = Literal["float", "int", "bool", "same"]  # "same": int where every operand is int

TABLE: dict[str, Row] = {}


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a test may put an operation's operands: one (low, high) interval for each operand.

    positive: the first operand is a symmetric matrix whose eigenvalues are at least 1
    """

    intervals: tuple[tuple[float, float], ...] = ((-2.0, 2.0),)
    positive: bool = False

    def sample(self, rng: np.random.Generator, index: int, shape: tuple[int, ...]) -> np.ndarray:
        low, high = self.intervals[min(index, len(self.intervals) - 1)]
        values = rng.uniform(low, high, shape)
        if self.positive and index == 0:
            return values @ values.swapaxes(-1, -2) + np.eye(shape[-1])
        return values


@dataclass(frozen=True, slots=True)
class Row:
    """One operation.

    name:      the operation's name in a block
    kind:      how lowering and the reference target treat it; "library" is a routine on whole
               arrays (Cholesky, sort) that targets call; "random" is elementwise on integers
    numpy:     its meaning.  Elementwise rows take broadcast arrays.  The others take
               (lead, *arrays, **attributes) where `lead` is 1 when every array has the sample axis
               in front, else 0; axes in attributes count without it.  Contractions and indexing
               take a tuple of leads, one for each array
    pullback:  for each operand a function (g, y, *x, **attributes) -> adjoint of that operand, of
               y's shape for pointwise rows (derive sums what was broadcast), of the operand's
               shape for the others; None where there is none.  A variadic row has one function
               (i, g, y, *x, **attributes)
    shape:     (*shapes, **attributes) -> shape; None for pointwise rows, which broadcast
    head:      the SymPy class that stands for it in expressions
    result:    the kind of the result
    expand:    for kind "composite" (or a pointwise row without code in the targets): the same
               operation in primitive ones, stable, for lowering
    small:     for kind "library": up to so many rows a matrix is worked on by `expand` instead
    domain:    where tests evaluate it
    kinked:    True where its derivative jumps or vanishes piecewise
    guarded:   True (or true of its operands) where its value or derivative may be infinite or NaN
               at a finite operand: an adjoint that is 0 (a branch not taken) then stays 0
    """

    name: str
    kind: Kind
    numpy: Callable[..., Any]
    pullback: tuple[Callable[..., Any] | None, ...] = ()
    shape: Callable[..., tuple] | None = None
    head: Any = None
    result: Result = "float"
    expand: Callable[..., Any] | None = None
    domain: Domain = Domain()
    variadic: bool = False
    kinked: bool = False
    guarded: bool | Callable[..., bool] = False
    small: int = 0

    def infer(self, operands: Sequence[Any], attributes: dict[str, Any]) -> tuple[tuple, str]:
        """Shape and kind of the result; raises ValueError in prose where shapes do not fit."""
        shapes = [getattr(x, "shape", ()) for x in operands]
        shape = self.shape(*shapes, **attributes) if self.shape else broadcast(*shapes)
        if self.result != "same":
            return shape, self.result
        kinds = {kind_of(x) for x in operands} - {"bool"}  # a condition decides nothing
        return shape, "int" if kinds == {"int"} else "float"

    def may_be_infinite(self, operands: Sequence[Any]) -> bool:
        return self.guarded(*operands) if callable(self.guarded) else self.guarded

    def pull(self, i: int) -> Callable[..., Any] | None:
        """The pull-back to operand i, or None where none exists."""
        if self.variadic and self.pullback:
            rule: Any = self.pullback[0]
            return lambda g, y, *x, **attributes: rule(i, g, y, *x, **attributes)
        return self.pullback[i] if i < len(self.pullback) else None


def kind_of(operand: Any) -> str:
    """The kind of a block's operand or of an expression's: whole numbers are integers where 64 bits
    hold them and their opposites."""
    if isinstance(operand, sp.Integer):
        return "int" if abs(operand.p) < 2**63 else "float"
    if isinstance(operand, sp.Basic):  # SymPy's own `kind` is another thing
        return getattr(operand, "dtype", "float")
    return operand.kind


def broadcast(*shapes: tuple) -> tuple:
    """NumPy's broadcasting rule, for sizes that may be symbols."""
    if len(set(shapes)) == 1:
        return tuple(shapes[0])
    rank = max(map(len, shapes), default=0)
    result = []
    for sizes in zip(*((1,) * (rank - len(s)) + tuple(s) for s in shapes), strict=True):
        wide = {s for s in sizes if s != 1}
        if len(wide) > 1:
            raise ValueError("shapes " + ", ".join(map(str, shapes)) + " do not broadcast together")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def register(*rows: Row) -> None:
    for row in rows:
        if row.name in TABLE:
            raise ValueError(f"two rows are called {row.name!r}")
        TABLE[row.name] = row


class _Operations:
    """`op.exp(x)`: the operation `exp` on block values, for pull-backs and expansions."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *values, **attributes: _builder_of(values).apply(name, *values, **attributes)


def _builder_of(values: Sequence[Any]) -> Any:
    return next(v.builder for v in values if hasattr(v, "builder"))


op = _Operations()
