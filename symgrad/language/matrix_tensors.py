"""Matrix expressions over samples as tensors of one sample.

A matrix of shape (n, k), n counting the samples, is a vector of shape (k,) for each sample, and so
is one of shape (k, n); others are matrices.  Contracting n is `n E[...]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from sympy import MatrixExpr

from symgrad.language.contractions import Einsum, einsum, matmul, outer
from symgrad.language.indexing import take
from symgrad.language.levels import expectation
from symgrad.language.matrix_algebra import is_explicit, is_one_by_one, normal
from symgrad.language.matrix_functions import det, inv
from symgrad.language.matrix_nodes import VARIABLE, Elementwise, MatrixUnit
from symgrad.language.matrix_rules import leaves
from symgrad.language.matrix_sums import as_traces
from symgrad.language.reductions import sum as tensor_sum
from symgrad.language.symbols import anonymous, batch_size, constant
from symgrad.language.tensor import describe
from symgrad.language.views import TransposeAxes, broadcast_to, reshape, transpose


@dataclass(frozen=True)
class Value:
    """A matrix as a tensor.

    shape: the matrix's, sizes as ints; None stands for the number of samples.
    tensor: without the samples' axis.
    """

    tensor: sp.Expr
    shape: tuple[int | None, int | None]

    @property
    def per_sample(self) -> bool:
        return None in self.shape

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(s for s in self.shape if s is not None)

    @property
    def is_ones(self) -> bool:
        return _is_ones(self.tensor)

    @property
    def T(self) -> Value:
        return Value(self.tensor if self.per_sample else turned(self.tensor), self.shape[::-1])


def turned(t: sp.Expr) -> sp.Expr:
    """The transpose of a matrix, of a transpose the matrix itself."""
    return t.operands[0] if isinstance(t, TransposeAxes) else transpose(t)


def of_shape(t: sp.Expr, sizes: tuple[int, ...]) -> sp.Expr:
    """t with its shape, also where SymPy simplified its tensors away."""
    return t if describe(t)[0] == sizes else broadcast_to(t, sizes)


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
            return self.scalar(e.rows)
        c, factors = self._factors(e)
        if len(factors) > 1:
            return c * self._trace_of_product(factors)
        return c * einsum("ii->", factors[0].tensor)

    def _trace_of_product(self, factors: list[Value]) -> sp.Expr:
        """Trace(A*B) is the sum of A.T .* B; the samples' axis is turned to the front."""
        k = next((k for k, v in enumerate(factors) if v.shape[0] is None), 0)
        *front, last = self._joined_over_samples(factors[k:] + factors[:k])
        first = self._fold(front) if front else None
        if first is None:
            return einsum("ii->", last.tensor)
        total = _sum_of_products(first.T.tensor, last.tensor)
        return batch_size * expectation(total) if first.per_sample else total

    # ---- matrices

    def matrix(self, e: MatrixExpr) -> Value:
        if e not in self.made:
            shape = self.size(e.rows), self.size(e.cols)
            if shape == (None, None):
                raise ValueError(
                    f"{e} has the shape {e.shape} over the samples: every sample beside every "
                    "other, which mini-batches do not have. Contract the samples (X.T*X), or use "
                    "sg.batch in a model of sg.data and sg.parameter"
                )
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
        return c * self._fold(self._joined_over_samples(factors)).tensor

    def _factors(self, e: MatrixExpr) -> tuple[sp.Expr, list[Value]]:
        """The number in front of a product, and its matrices."""
        found = _factors(e)
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
                values[-1] = _scaled_rows(value, values[-1].T).T
            elif scale:
                waiting = value if waiting is None else _scaled_rows(value, waiting)
            else:
                values.append(value if waiting is None else _scaled_rows(waiting, value))
                waiting = None
        return values

    def _joined_over_samples(self, values: list[Value]) -> list[Value]:
        """Neighbours that meet at the samples' axis become one."""
        joined = values[:1]
        for v in values[1:]:
            joined[-1:] = [self._times(joined[-1], v)] if v.shape[0] is None else [joined[-1], v]
        return joined

    def _fold(self, values: list[Value]) -> Value:
        total = values[0]
        for v in values[1:]:
            total = self._times(total, v)
        return total

    def _times(self, a: Value, b: Value) -> Value:
        shape = (a.shape[0], b.shape[1])
        if shape == (None, None):
            raise ValueError(
                "a product has the number of samples in both its sizes: every sample beside every "
                "other, which mini-batches do not have. Contract the samples (X.T*X), or use "
                "sg.batch in a model of sg.data and sg.parameter"
            )
        if a.shape[1] is None:
            return Value(batch_size * _mean_of_outer(a, b), shape)
        if a.shape[0] is not None and b.shape[1] is None:
            return self._times(b.T, a.T).T
        if b.is_ones and b.shape[1] == 1:
            return Value(tensor_sum(a.tensor, axis=-1, keepdims=True), shape)
        if a.is_ones and a.sizes == (1,) and b.shape[0] == 1:  # a row for every sample
            row = b.tensor.operands[0] if isinstance(b.tensor, TransposeAxes) else b.tensor
            return Value(reshape(row, (b.shape[1],)), shape)
        if a.is_ones and a.shape[0] == 1:
            return Value(tensor_sum(b.tensor, axis=0, keepdims=True), shape)
        return Value(matmul(a.tensor, b.tensor), shape)

    def power(self, e: sp.MatPow) -> sp.Expr:
        if is_one_by_one(e.base):
            return broadcast_to(self._trace(e.base) ** self.scalar(e.exp), (1, 1))
        if not e.exp.is_Integer:
            raise TypeError(f"{e}: a matrix's exponent is a whole number")
        base = self.matrix(e.base)
        base = Value(inv(base.tensor), base.shape) if e.exp < 0 else base
        return self._fold([base] * abs(int(e.exp))).tensor

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


def _factors(e: sp.Basic) -> list[sp.Basic]:
    """A product's scalars and matrices; what meets at the samples only in parts, in these parts."""
    if isinstance(e, sp.MatMul):
        return [x for a in e.args for x in _factors(a)]
    if isinstance(e, sp.MatPow) and isinstance(e.base, sp.MatMul | sp.DiagMatrix):
        return _factors(e.base) * int(e.exp) if e.exp.is_Integer and e.exp > 0 else [e]
    if isinstance(e, sp.OneMatrix) and 1 not in e.shape:
        return [sp.OneMatrix(e.rows, 1), sp.OneMatrix(1, e.cols)]
    return [e]


def _is_ones(t: sp.Expr) -> bool:
    return getattr(t, "role", "") == "constant" and bool((np.asarray(t.value) == 1).all())


def _sum_of_products(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    if _is_ones(a) or _is_ones(b):
        return tensor_sum(b if _is_ones(a) else a)
    if a == b:
        return tensor_sum(anonymous(a) ** 2)
    axes = "ab"[: len(describe(a)[0])]
    return Einsum(a, b, subscripts=f"{axes},{axes}->")


def _mean_of_outer(a: Value, b: Value) -> sp.Expr:
    """E[a b^T] of a (k, n) and an (n, m) matrix."""
    shape = (*a.sizes, *b.sizes)
    if a.is_ones or b.is_ones:
        rest, ones = (b, a) if a.is_ones else (a, b)
        if ones.sizes == (1,):
            return reshape(expectation(rest.tensor), shape)
    return expectation(outer(a.tensor, b.tensor))


def _scaled_rows(scale: Value, a: Value) -> Value:
    """DiagMatrix(scale)*A for a scale of shape (k, 1), or (1, k)."""
    scale = scale if scale.shape[1] == 1 else scale.T
    factor = scale.tensor
    if a.per_sample and not scale.per_sample:
        factor = reshape(factor, scale.sizes[:1])
    return Value(of_shape(factor * a.tensor, a.sizes), a.shape)


def _fixed(e: MatrixExpr, sizes: tuple[int, ...]) -> np.ndarray | None:
    """A matrix of numbers, of one sample where it has the samples' axis."""
    if isinstance(e, sp.ZeroMatrix | sp.OneMatrix):
        return np.full(sizes, float(isinstance(e, sp.OneMatrix)))
    if isinstance(e, sp.Identity):
        return np.eye(sizes[0])
    if is_explicit(e) and all(x.is_number and x.is_real for x in e):
        return np.array(e.evalf(17).tolist(), dtype=float)
    if isinstance(e, MatrixUnit) and len(sizes) == 2:
        found = np.zeros(sizes)
        found[int(e.args[2]), int(e.args[3])] = 1.0
        return found
    return None


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
    sp.DiagonalOf:      _diagonal_of,
    sp.DiagMatrix:      lambda c, e: c.matrix(e.args[0]).tensor * constant(np.eye(c.size(e.rows))),
    sp.DiagonalMatrix:  lambda c, e: c.matrix(e.arg).tensor * constant(np.eye(c.size(e.rows))),
}
# fmt: on
