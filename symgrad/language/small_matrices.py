"""Factorisations of small matrices, written out: a library's call takes longer than they do.

Householder's reflections need no pivots, so one sequence of operations is stable for every matrix;
triangular inverses and Cholesky's factor are found by halves.  Matrices are the last two axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.contractions import letters
from symgrad.language.row import op


def transposed(x: Any) -> Any:
    n = len(x.shape)
    return op.transpose(x, axes=(*range(n - 2), n - 1, n - 2))


def product(a: Any, b: Any) -> Any:
    """The product of two stacks of matrices of equal rank."""
    stacked = letters(len(a.shape) - 2, "ijk")
    return op.einsum(a, b, subscripts=f"{stacked}ij,{stacked}jk->{stacked}ik")


def triangle(x: Any, lower: bool) -> Any:
    n = x.shape[-1]
    return x * x.builder.array(np.tri(n) if lower else np.tri(n).T)


def diagonal(x: Any) -> Any:
    n = x.shape[-1]
    flat = op.reshape(x, shape=(*x.shape[:-2], n * n))
    whole = tuple(("range", 0, s, 1) for s in x.shape[:-2])
    return op.slice(flat, spec=(*whole, ("range", 0, n * n, n + 1)))


# ---- orthogonal reflections


def _reflected(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """(Q'a, upper triangular; Q'b; det Q) for the product Q of Householder's reflections."""
    n, builder = a.shape[-1], a.builder
    sign: Any = 1
    for k in range(n - 1):
        v, scale = _reflection(a, builder.array(np.eye(n)[k]), k)
        sign = op.select(op.eq(scale, 0), 1, -1) * sign
        a, b = _mirrored(a, v, scale), _mirrored(b, v, scale)
    return triangle(a, lower=False), b, sign


def _reflection(a: Any, unit: Any, k: int) -> tuple[Any, Any]:
    """The vector v, and 2/v'v, of the reflection that clears column k below the diagonal."""
    n, stack = a.shape[-1], len(a.shape) - 2
    whole = tuple(("range", 0, s, 1) for s in a.shape[:-1])
    column = op.slice(a, spec=(*whole, ("at", k))) * a.builder.array((np.arange(n) >= k) * 1.0)
    size = op.sum(column**2, axes=(stack,), keepdims=True) ** sp.Rational(1, 2)
    head = op.slice(column, spec=(*whole[:-1], ("range", k, k + 1, 1)))
    v = column + op.select(op.lt(head, 0), -size, size) * unit
    square = op.sum(v**2, axes=(stack,), keepdims=True)
    return v, op.select(op.eq(square, 0), 0, 2 / square)


def _mirrored(a: Any, v: Any, scale: Any) -> Any:
    """a - (2/v'v) v v'a"""
    s = letters(len(a.shape) - 2, "ij")
    along = op.einsum(v, a, subscripts=f"{s}i,{s}ij->{s}j")
    return a - op.einsum(scale * v, along, subscripts=f"{s}i,{s}j->{s}ij")


def det(a: Any) -> Any:
    upper, _, sign = _reflected(a, a)
    last = (len(a.shape) - 2,)
    value = sign * op.prod(diagonal(upper), axes=last, keepdims=True)
    return op.reshape(value, shape=a.shape[:-2])


def logdet(a: Any) -> Any:
    upper, _, sign = _reflected(a, a)
    pivots, last = diagonal(upper), (len(a.shape) - 2,)
    sign = sign * op.prod(op.sign(pivots), axes=last, keepdims=True)
    size = op.sum(op.log(op.abs(pivots)), axes=last, keepdims=True)
    return op.reshape(op.select(op.lt(sign, 0), sp.nan, size), shape=a.shape[:-2])


def solve(a: Any, b: Any) -> Any:
    upper, right, _ = _reflected(a, b)
    return product(_inverse(upper, lower=False), right)


def inv(a: Any) -> Any:
    eye = op.broadcast_to(a.builder.array(np.eye(a.shape[-1])), shape=a.shape)
    return solve(a, eye)


# ---- minors


def cofactor(a: Any) -> Any:
    """By minors, right for singular matrices too: of up to 3 rows."""
    n, rank = a.shape[-1], len(a.shape)
    if n < 2:
        return op.select(op.eq(a, a), 1.0, 1.0)  # for each sample where a is
    wide = op.concatenate(a, a, axis=rank - 1)
    twice = op.concatenate(wide, wide, axis=rank - 2)

    def from_(row: int, column: int) -> Any:
        """Rows and columns in turn from these on."""
        return _block(twice, row, row + n, column, column + n)

    if n == 2:
        return from_(1, 1) * a.builder.array(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    return from_(1, 1) * from_(2, 2) - from_(1, 2) * from_(2, 1)


def cofactor_along(a: Any, h: Any) -> Any:
    """The derivative of the cofactors is its own transpose: it is the determinant's second one."""
    from symgrad.calculus.splice import pull_through

    return pull_through(cofactor, 0, h, [a], {})


# ---- triangles, by halves


def triangular_solve(a: Any, b: Any, lower: bool, transposed: bool) -> Any:
    inverse = _inverse(triangle(a, lower), lower)
    n = len(a.shape)
    turned = (*range(n - 2), n - 1, n - 2)
    return product(op.transpose(inverse, axes=turned) if transposed else inverse, b)


def cholesky(a: Any) -> Any:
    return _cholesky((a + transposed(a)) / 2)[0]


def _inverse(t: Any, lower: bool) -> Any:
    """The inverse of a triangular matrix."""
    n = t.shape[-1]
    if n < 2:
        return 1 / t
    h = n // 2
    first, last = _inverse(_block(t, 0, h, 0, h), lower), _inverse(_block(t, h, n, h, n), lower)
    if lower:
        off = -product(product(last, _block(t, h, n, 0, h)), first)
    else:
        off = -product(product(first, _block(t, 0, h, h, n)), last)
    return _joined(first, last, off, lower)


def _cholesky(a: Any) -> tuple[Any, Any]:
    """Cholesky's factor and its inverse."""
    n = a.shape[-1]
    if n < 2:
        root = a ** sp.Rational(1, 2)
        return root, 1 / root
    h = n // 2
    first, first_inverse = _cholesky(_block(a, 0, h, 0, h))
    off = product(_block(a, h, n, 0, h), transposed(first_inverse))
    last, last_inverse = _cholesky(_block(a, h, n, h, n) - product(off, transposed(off)))
    off_inverse = -product(product(last_inverse, off), first_inverse)
    return (
        _joined(first, last, off, lower=True),
        _joined(first_inverse, last_inverse, off_inverse, lower=True),
    )


def _block(a: Any, top: int, bottom: int, left: int, right: int) -> Any:
    whole = tuple(("range", 0, s, 1) for s in a.shape[:-2])
    return op.slice(a, spec=(*whole, ("range", top, bottom, 1), ("range", left, right, 1)))


def _joined(first: Any, last: Any, off: Any, lower: bool) -> Any:
    """The triangular matrix of its three blocks."""
    h, n = first.shape[-1], first.shape[-1] + last.shape[-1]
    shape = (*first.shape[:-2], n, n)
    whole = tuple(("range", 0, s, 1) for s in shape[:-2])
    upper, under = ("range", 0, h, 1), ("range", h, n, 1)

    def placed(x: Any, rows: tuple, columns: tuple) -> Any:
        return op.unslice(x, spec=(*whole, rows, columns), shape=shape)

    corner = placed(off, under, upper) if lower else placed(off, upper, under)
    return placed(first, upper, upper) + placed(last, under, under) + corner
