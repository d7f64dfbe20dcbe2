"""Products of matrices as contractions of one sample's tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp

from symgrad.language.contractions import Einsum, einsum, matmul, outer
from symgrad.language.levels import expectation
from symgrad.language.reductions import sum as tensor_sum
from symgrad.language.symbols import anonymous, batch_size
from symgrad.language.tensor import describe
from symgrad.language.views import TransposeAxes, broadcast_to, reshape, transpose

ALL_PAIRS = (
    "has the number of samples in both its sizes: every sample beside every other, which "
    "mini-batches do not have. Contract the samples (X.T*X), or use sg.batch in a model of sg.data "
    "and sg.parameter"
)


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


def trace_of_product(factors: list[Value]) -> sp.Expr:
    """Trace(A*B) is the sum of A.T .* B; the samples' axis is turned to the front."""
    k = next((k for k, v in enumerate(factors) if v.shape[0] is None), 0)
    *front, last = joined_over_samples(factors[k:] + factors[:k])
    if not front:
        return einsum("ii->", last.tensor)
    first = fold(front)
    total = _sum_of_products(first.T.tensor, last.tensor)
    return batch_size * expectation(total) if first.per_sample else total


def joined_over_samples(values: list[Value]) -> list[Value]:
    """Neighbours that meet at the samples' axis become one."""
    joined = values[:1]
    for v in values[1:]:
        joined[-1:] = [times(joined[-1], v)] if v.shape[0] is None else [joined[-1], v]
    return joined


def fold(values: list[Value]) -> Value:
    """The product of all, from the left."""
    total = values[0]
    for v in values[1:]:
        total = times(total, v)
    return total


def times(a: Value, b: Value) -> Value:
    """The product of two matrices; matrices of ones sum, or repeat a row for every sample."""
    shape = (a.shape[0], b.shape[1])
    if shape == (None, None):
        raise ValueError(f"a product {ALL_PAIRS}")
    if a.shape[1] is None:
        return Value(batch_size * _mean_of_outer(a, b), shape)
    if a.shape[0] is not None and b.shape[1] is None:
        return times(b.T, a.T).T
    if b.is_ones and b.shape[1] == 1:
        return Value(tensor_sum(a.tensor, axis=-1, keepdims=True), shape)
    if a.is_ones and a.sizes == (1,) and b.shape[0] == 1:  # a row for every sample
        row = b.tensor.operands[0] if isinstance(b.tensor, TransposeAxes) else b.tensor
        return Value(reshape(row, (b.shape[1],)), shape)
    if a.is_ones and a.shape[0] == 1:
        return Value(tensor_sum(b.tensor, axis=0, keepdims=True), shape)
    return Value(matmul(a.tensor, b.tensor), shape)


def factors_of(e: sp.Basic) -> list[sp.Basic]:
    """A product's scalars and matrices; what meets at the samples only in parts, in these parts."""
    if isinstance(e, sp.MatMul):
        return [x for a in e.args for x in factors_of(a)]
    if isinstance(e, sp.MatPow) and isinstance(e.base, sp.MatMul | sp.DiagMatrix):
        return factors_of(e.base) * int(e.exp) if e.exp.is_Integer and e.exp > 0 else [e]
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


def scaled_rows(scale: Value, a: Value) -> Value:
    """DiagMatrix(scale)*A for a scale of shape (k, 1), or (1, k)."""
    scale = scale if scale.shape[1] == 1 else scale.T
    factor = scale.tensor
    if a.per_sample and not scale.per_sample:
        factor = reshape(factor, scale.sizes[:1])
    return Value(of_shape(factor * a.tensor, a.sizes), a.shape)
