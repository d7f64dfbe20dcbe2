"""Matrix expressions over samples as tensors of one sample.

A matrix of shape (n, k), n counting the samples, is a vector of shape (k,) for each sample, and so
is one of shape (k, n); others are matrices.  Contracting n is `n E[...]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp
from sympy import MatrixExpr

from symgrad.language.contractions import einsum
from symgrad.language.indexing import take
from symgrad.language.matrix_algebra import is_one_by_one
from symgrad.language.matrix_forms import normal
from symgrad.language.matrix_functions import det, inv
from symgrad.language.matrix_nodes import VARIABLE, Elementwise, MatrixUnit
from symgrad.language.matrix_products import (
    ALL_PAIRS,
    Value,
    factors_of,
    fold,
    joined_over_samples,
    of_shape,
    scaled_rows,
    trace_of_product,
)
from symgrad.language.matrix_rules import leaves
from symgrad.language.matrix_sums import as_traces
from symgrad.language.symbols import anonymous, batch_size, constant
from symgrad.language.tensor import describe
from symgrad.language.views import broadcast_to, concatenate, reshape


class Conversion:
    """Reads one model's expressions; equal ones once.

    symbol: our tensor for a MatrixSymbol or a plain symbol.
    size: an int for a matrix's size, None for the number of samples.
    """

    def __init__(self, symbol: Callable[[Any], sp.Expr], size: Callable[[Any], Any]) -> None:
        self.symbol, self.size = symbol, size
        self.made: dict[sp.Basic, Value] = {}

    # ---- scalars

    def scalar(self, e: sp.Basic) -> sp.Expr:
        """A scalar expression, or a matrix of shape (1, 1), as a tensor expression of rank 0."""
        if isinstance(e, MatrixExpr):
            return self._trace(e)
        return e.xreplace({x: self._leaf(x) for x in leaves(e)})

    def _leaf(self, x: sp.Basic) -> sp.Expr:
        if isinstance(x, sp.Symbol):
            return self.symbol(x)
        if isinstance(x, MatrixExpr):
            return self._trace(x)
        if isinstance(x, sp.Trace):
            return self._trace(x.arg)
        if isinstance(x, sp.Sum):
            return self.scalar(normal(as_traces(x)))
        if isinstance(x, sp.Determinant):
            return det(self.matrix(x.arg).tensor)
        return self._element(*x.args)

    def _element(self, a: MatrixExpr, i: sp.Expr, j: sp.Expr) -> sp.Expr:
        value = self.matrix(a)
        if value.per_sample or not (i.is_Integer and j.is_Integer):
            raise ValueError(
                f"the element {a}[{i}, {j}] is not a number of the whole model: an element is "
                "taken with numbers as indices, of a matrix that does not count samples"
            )
        return take(value.tensor, (int(i), int(j)))

    def _trace(self, e: MatrixExpr) -> sp.Expr:
        if isinstance(e, sp.MatAdd):
            return sp.Add(*(self._trace(a) for a in e.args))
        if isinstance(e, sp.Identity):
            return sp.sympify(self.size(e.rows) or batch_size)
        c, factors = self._factors(e)
        if len(factors) > 1:
            return c * trace_of_product(factors)
        return c * einsum("ii->", factors[0].tensor)

    # ---- matrices

    def matrix(self, e: MatrixExpr) -> Value:
        if e not in self.made:
            shape = self.size(e.rows), self.size(e.cols)
            if shape == (None, None):
                raise ValueError(f"{e} of shape {e.shape} {ALL_PAIRS}")
            value = Value(self._tensor(e, shape), shape)
            self.made[e] = Value(of_shape(value.tensor, value.sizes), shape)
        return self.made[e]

    def _tensor(self, e: MatrixExpr, shape: tuple) -> sp.Expr:
        for cls in type(e).__mro__:
            if cls in TENSORS:
                return TENSORS[cls](self, e)
        fixed = _fixed(e, tuple(s for s in shape if s is not None))
        if fixed is None:
            raise TypeError(
                f"{type(e).__name__} in {e} can be read, but there is no kernel for it: known are "
                "products, sums, transposes, inverses, integer powers, Trace, Determinant, "
                "HadamardProduct, HadamardPower, applyfunc and matrices of numbers"
            )
        return constant(fixed)

    def product(self, e: sp.MatMul) -> sp.Expr:
        c, factors = self._factors(e)
        return c * fold(joined_over_samples(factors)).tensor

    def _factors(self, e: MatrixExpr) -> tuple[sp.Expr, list[Value]]:
        """The number in front of a product, and its matrices."""
        found = factors_of(e)
        matrices = [a for a in found if isinstance(a, MatrixExpr)]
        numbers = [self.scalar(a) for a in found if not isinstance(a, MatrixExpr)]
        return sp.Mul(*numbers), self._diagonals(matrices)

    def _diagonals(self, matrices: Sequence[MatrixExpr]) -> list[Value]:
        """The factors' values; diagonal matrices scale their neighbour."""
        if all(isinstance(a, sp.DiagMatrix) for a in matrices):
            return [self.matrix(a) for a in matrices]
        values: list[Value] = []
        waiting: Value | None = None
        for a in matrices:
            scale = isinstance(a, sp.DiagMatrix)
            value = self.matrix(a.args[0] if scale else a)
            if scale and values:
                values[-1] = scaled_rows(value, values[-1].T).T
            elif scale:
                waiting = value if waiting is None else scaled_rows(value, waiting)
            else:
                values.append(value if waiting is None else scaled_rows(waiting, value))
                waiting = None
        return values

    def power(self, e: sp.MatPow) -> sp.Expr:
        if is_one_by_one(e.base):
            return broadcast_to(self._trace(e.base) ** self.scalar(e.exp), (1, 1))
        if not e.exp.is_Integer:
            raise TypeError(f"{e}: a matrix's exponent is a whole number")
        base = self.matrix(e.base)
        base = Value(inv(base.tensor), base.shape) if e.exp < 0 else base
        return fold([base] * abs(int(e.exp))).tensor

    def sum(self, e: sp.MatAdd) -> sp.Expr:
        return sp.Add(*(self.matrix(a).tensor for a in e.args))

    def elements(self, e: MatrixExpr) -> sp.Expr:
        """HadamardProduct and HadamardPower: the same function of the operands' elements."""
        operands = [
            self.matrix(a).tensor if isinstance(a, MatrixExpr) else self.scalar(a) for a in e.args
        ]
        return (sp.Mul if isinstance(e, sp.HadamardProduct) else sp.Pow)(*operands)

    def function(self, e: Elementwise) -> sp.Expr:
        body = e.function.expr
        found = {x: self._leaf(x) for x in leaves(body) if x != VARIABLE}
        return body.xreplace({**found, VARIABLE: anonymous(self.matrix(e.expr).tensor)})


def _fixed(e: MatrixExpr, sizes: tuple[int, ...]) -> np.ndarray | None:
    """A matrix of numbers, of one sample where it has the samples' axis."""
    if isinstance(e, sp.ZeroMatrix | sp.OneMatrix):
        return np.full(sizes, float(isinstance(e, sp.OneMatrix)))
    if isinstance(e, sp.Identity):
        return np.eye(sizes[0])
    if isinstance(e, MatrixUnit) and len(sizes) == 2:
        found = np.zeros(sizes)
        found[int(e.args[2]), int(e.args[3])] = 1.0
        return found
    return None


def _explicit(c: Conversion, e: sp.MatrixBase) -> sp.Expr:
    if None in (c.size(e.rows), c.size(e.cols)):
        raise ValueError(f"{e} has as many rows or columns as samples: data are MatrixSymbols")
    if all(x.is_number and x.is_real for x in e):
        return constant(np.array(e.evalf(17).tolist(), dtype=float))
    return reshape(concatenate([broadcast_to(c.scalar(normal(x)), (1,)) for x in e]), e.shape)


def _diagonal_of(c: Conversion, e: sp.DiagonalOf) -> sp.Expr:
    diagonal = einsum("ii->i", c.matrix(e.arg).tensor)
    return reshape(diagonal, (*describe(diagonal)[0], 1))


# fmt: off
TENSORS: dict[type, Callable[[Conversion, Any], sp.Expr]] = {
    sp.MatrixSymbol:    lambda c, e: c.symbol(e),
    sp.Transpose:       lambda c, e: c.matrix(e.arg).T.tensor,
    sp.MatAdd:          Conversion.sum,
    sp.MatMul:          Conversion.product,
    sp.MatPow:          Conversion.power,
    sp.HadamardProduct: Conversion.elements,
    sp.HadamardPower:   Conversion.elements,
    Elementwise:        Conversion.function,
    sp.MatrixBase:      _explicit,
    sp.DiagonalOf:      _diagonal_of,
    sp.DiagMatrix:      lambda c, e: c.matrix(e.args[0]).tensor * constant(np.eye(c.size(e.rows))),
    sp.DiagonalMatrix:  lambda c, e: c.matrix(e.arg).tensor * constant(np.eye(c.size(e.rows))),
}
# fmt: on
