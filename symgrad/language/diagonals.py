"""Diagonals and triangles of matrices: the last two axes of one sample's value."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.arguments import whole
from symgrad.language.choice import where
from symgrad.language.indexing import take
from symgrad.language.reductions import sum as sum_over
from symgrad.language.symbols import anonymous, constant
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import Unslice, reshape


def _matrix(z: Any, what: str) -> tuple[sp.Expr, tuple]:
    z = sympify(z)
    shape = describe(z)[0]
    if len(shape) < 2 or not all(isinstance(s, int) for s in shape[-2:]):
        raise ValueError(f"sg.{what} wants a matrix of known sizes; {z} has shape {shape}")
    return z, shape


def _diagonal(k: Any, shape: tuple, what: str) -> int:
    """The number of a diagonal; those outside the matrix on a side are alike."""
    return max(-shape[-2] - 1, min(whole(k, what), shape[-1] + 1))


def tril(z: Any, k: int = 0) -> sp.Expr:
    """The matrix with 0 above its k-th diagonal.

    >>> import symgrad as sg
    >>> sg.shape(sg.tril(sg.data("A", shape=(3, 3))))
    (3, 3)
    """
    z, shape = _matrix(z, "tril")
    return _masked(z, np.tri(shape[-2], shape[-1], _diagonal(k, shape, "sg.tril: k")))


def triu(z: Any, k: int = 0) -> sp.Expr:
    """The matrix with 0 below its k-th diagonal."""
    z, shape = _matrix(z, "triu")
    return _masked(z, 1 - np.tri(shape[-2], shape[-1], _diagonal(k, shape, "sg.triu: k") - 1))


def _masked(z: sp.Expr, mask: np.ndarray) -> sp.Expr:
    return where(sp.Gt(constant(mask.astype(int)), 0), anonymous(z), 0)


def diagonal(z: Any, k: int = 0) -> sp.Expr:
    """The k-th diagonal of the last two axes, as a vector.

    >>> import symgrad as sg
    >>> sg.shape(sg.diagonal(sg.data("A", shape=(3, 4)), 1))
    (3,)
    """
    z, shape = _matrix(z, "diagonal")
    rows, columns = shape[-2:]
    start, count = _along(rows, columns, k)
    flat = reshape(z, (*shape[:-2], rows * columns))
    stop = start + count * (columns + 1)
    return take(flat, (..., slice(start, min(stop, rows * columns), columns + 1)))


def _along(rows: int, columns: int, k: int) -> tuple[int, int]:
    """Where the k-th diagonal begins in a flat matrix, and how many elements it has."""
    count = min(rows + min(k, 0), columns - max(k, 0))
    if count < 0:
        raise ValueError(f"a matrix of shape ({rows}, {columns}) has no diagonal {k}")
    return (k if k >= 0 else -k * columns), count


def diag(z: Any, k: int = 0) -> sp.Expr:
    """The matrix with this vector as its k-th diagonal; of a matrix, its k-th diagonal.

    >>> import symgrad as sg
    >>> sg.shape(sg.diag(sg.data("x", shape=3)))
    (3, 3)
    """
    z = sympify(z)
    shape = describe(z)[0]
    if len(shape) == 2:
        return diagonal(z, k)
    if len(shape) != 1 or not isinstance(shape[0], int):
        raise ValueError(
            f"sg.diag wants a vector or a matrix of known sizes; {z} has shape {shape}"
        )
    n = shape[0] + abs(k)
    start, _ = _along(n, n, k)
    stop = min(start + shape[0] * (n + 1), n * n)
    flat = Unslice(z, spec=(("range", start, stop, n + 1),), shape=(n * n,))
    return reshape(flat, (n, n))


def trace(z: Any) -> sp.Expr:
    """The sum of a matrix's diagonal.

    >>> import symgrad as sg
    >>> sg.shape(sg.trace(sg.data("A", shape=(3, 3))))
    ()
    """
    return sum_over(diagonal(z), axis=-1)
