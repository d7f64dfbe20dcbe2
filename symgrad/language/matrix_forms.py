"""Forms of matrix expressions: one for calculating, one for reading, and named parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import sympy as sp
from sympy import MatAdd, MatrixExpr, MatrixSymbol, Transpose
from sympy.core.cache import cacheit
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.slice import MatrixSlice

from symgrad.language.matrix_algebra import (
    add,
    apply_function,
    children,
    dot,
    elementwise_power,
    hadamard,
    power,
    product,
    trace,
    transpose,
    transposes,
)
from symgrad.language.matrix_nodes import Elementwise, MatrixUnit
from symgrad.language.walk import postorder

LONG = 12  # nodes of a matrix that gets a name where it is printed more than once


def _slice(a: MatrixExpr, rows: Sequence, cols: Sequence) -> MatrixExpr:
    """A[rows, cols] as a product with matrices of zeros and ones."""
    left, right = _selection(rows, a.rows), _selection(cols, a.cols)
    return product(*([transpose(left)] if left else []), a, *([right] if right else []))


def _selection(limits: Sequence, size: sp.Expr) -> MatrixExpr | None:
    """The columns of the identity that A*selection keeps; None for all of them."""
    first, last, step = limits
    if (first, last, step) == (0, size, 1):
        return None
    if last - first == 1:
        return MatrixUnit(size, 1, first, 0)
    if not all(sp.sympify(x).is_Integer for x in (*limits, size)):
        raise TypeError(f"a slice {first}:{last}:{step} of {size} rows or columns wants numbers")
    kept = range(int(first), int(last), int(step))
    return sp.Matrix(int(size), len(kept), lambda i, j: int(i == kept[j])).as_immutable()


# How a node is built again of its arguments.
NORMAL: dict[type, Callable[..., Any]] = {
    MatAdd: add, sp.MatMul: product, Transpose: transpose, sp.Adjoint: transpose,
    sp.HadamardProduct: hadamard, sp.HadamardPower: elementwise_power,
    sp.Trace: trace, sp.Inverse: power, sp.MatPow: power, MatrixSlice: _slice,
    ElementwiseApplyFunction: apply_function, sp.DotProduct: dot,
}  # fmt: skip


def normal(e: sp.Basic) -> sp.Basic:
    """An expression with all its matrices as `matrix_algebra` makes them."""
    made: dict[int, sp.Basic] = {}
    for node in postorder([e], children):
        parts = [made[id(x)] for x in children(node)]
        rule = next((NORMAL[c] for c in type(node).__mro__ if c in NORMAL), None)
        made[id(node)] = rule(*parts) if rule is not None else _rebuilt(node, parts)
    return made[id(e)]


def _rebuilt(e: sp.Basic, parts: list) -> sp.Basic:
    same = all(x is y for x, y in zip(parts, children(e), strict=True))
    return e if same else e.func(*parts)


@cacheit
def readable(e: sp.Basic) -> sp.Basic:
    """The same expression, sums and elementwise functions transposed as a whole where shorter."""
    if isinstance(e, MatAdd | sp.HadamardProduct | Elementwise):
        flipped = transpose(e)
        if transposes(flipped) + 1 < transposes(e):
            return Transpose(readable(flipped))
    return _rebuilt(e, [readable(x) for x in children(e)])


def named(
    expressions: Sequence[sp.Basic], taken: set[str]
) -> tuple[dict[MatrixSymbol, MatrixExpr], list[sp.Basic]]:
    """The expressions with names for long matrices that occur more than once, and their
    definitions, each after those that it uses."""
    known: dict[sp.Basic, sp.Basic] = {}

    def distinct(e: sp.Basic) -> list[sp.Basic]:
        return [known.setdefault(x, x) for x in children(e)]

    roots = [known.setdefault(e, e) for e in expressions]
    order = list(postorder(roots, distinct))
    uses = Counter([*roots, *(x for e in order for x in distinct(e))])
    names = (f"T{k}" for k in count(1) if f"T{k}" not in taken)
    definitions: dict[MatrixSymbol, MatrixExpr] = {}
    made: dict[sp.Basic, sp.Basic] = {}
    length: dict[sp.Basic, int] = {}
    for e in order:
        made[e] = _rebuilt(e, [made[x] for x in distinct(e)])
        length[e] = 1 if isinstance(e, sp.Lambda) else 1 + sum(length[x] for x in distinct(e))
        if isinstance(e, MatrixExpr) and uses[e] > 1 and length[e] > LONG:
            symbol = MatrixSymbol(next(names), *e.shape)
            definitions[symbol], made[e], length[e] = made[e], symbol, 1
    return definitions, [made[e] for e in roots]
