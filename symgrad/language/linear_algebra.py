"""Linear algebra of square matrices, the last two axes of one sample's value.

The pull-backs are those of Giles, Collected matrix derivative results (2008), and for Cholesky's
factor of Murray, Differentiation of the Cholesky decomposition (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.language import small_matrices
from symgrad.language.row import Domain, Kind, Row, op
from symgrad.language.small_matrices import product, transposed, triangle


def careful(routine: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """NumPy's routine, with NaN where it finds no answer: kernels have no exceptions either."""

    def call(*x: np.ndarray, **options: Any) -> np.ndarray:
        try:
            return routine(*x, **options)
        except np.linalg.LinAlgError:
            if x[0].ndim == 2:
                return np.full_like(x[-1], np.nan)
            return np.stack([call(*each, **options) for each in zip(*x, strict=True)])

    return call


# ---- values of a block


def _scaled(g: Any, matrix: Any) -> Any:
    """A number for each matrix times that matrix."""
    return op.reshape(g, shape=(*g.shape, 1, 1)) * matrix if g.shape else g * matrix


# ---- shapes


def _square(shape: tuple, **_: Any) -> tuple:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"linear algebra wants square matrices, not a value of shape {shape}")
    return shape


def _solved(a: tuple, b: tuple, **_: Any) -> tuple:
    if _square(a)[:-1] != b[:-1]:
        raise ValueError(f"a system of shape {a} does not fit right-hand sides of shape {b}")
    return b


# ---- meanings


def _cofactor(lead: int, a: np.ndarray) -> np.ndarray:
    """det(A) inv(A)', also of singular matrices: by the singular values' products."""
    u, s, vt = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return sign[..., None, None] * ((u * others[..., None, :]) @ vt)


def _logdet(lead: int, a: np.ndarray) -> np.ndarray:
    sign, value = np.linalg.slogdet(a)
    return np.where(sign < 0, np.nan, value)


def _triangular_solve(
    lead: int, a: np.ndarray, b: np.ndarray, lower: bool, transposed: bool
) -> np.ndarray:
    a = np.tril(a) if lower else np.triu(a)
    return careful(np.linalg.solve)(a.swapaxes(-1, -2) if transposed else a, b)


def _symmetric(a: np.ndarray) -> np.ndarray:
    return (a + a.swapaxes(-1, -2)) / 2


# ---- pull-backs


def _inv_pull(g: Any, y: Any, a: Any) -> Any:
    return -product(product(transposed(y), g), transposed(y))


def _cofactor_pull(g: Any, y: Any, a: Any) -> Any:
    """d cof(A) = tr(inv(A) dA) cof(A) - cof(A) dA' inv(A)'"""
    turned = transposed(op.inv(a))
    n = len(g.shape)
    inner = op.sum(g * y, axes=(n - 2, n - 1), keepdims=False)
    return _scaled(inner, turned) - product(turned, product(transposed(g), y))


def _solve_pull(g: Any, y: Any, a: Any, b: Any) -> Any:
    return -product(op.solve(transposed(a), g), transposed(y))


def _cholesky_pull(g: Any, y: Any, a: Any) -> Any:
    inner = triangle(product(transposed(y), g), lower=True)
    diagonal = inner * a.builder.array(np.eye(a.shape[-1]))
    middle = (inner + transposed(inner) - diagonal) / 2
    left = op.triangular_solve(y, middle, lower=True, transposed=True)
    return op.triangular_solve(y, transposed(left), lower=True, transposed=True)


def _triangular_pull(g: Any, y: Any, a: Any, b: Any, lower: bool, transposed: bool) -> Any:
    x, z = y, op.triangular_solve(a, g, lower=lower, transposed=not transposed)
    return -triangle(_outer(x, z) if transposed else _outer(z, x), lower)


def _outer(a: Any, b: Any) -> Any:
    return product(a, transposed(b))


def _eigenvectors_pull(g: Any, y: Any, a: Any) -> Any:
    values = op.eigvalsh(a)
    n = values.shape[-1]
    across = op.reshape(values, shape=(*values.shape[:-1], 1, n))
    gaps = across - op.reshape(values, shape=(*values.shape[:-1], n, 1))
    inner = product(transposed(y), g)
    found = _in_basis(y, op.select(op.eq(gaps, 0), 0, inner / gaps))
    return (found + transposed(found)) / 2


def _eigenvalues_pull(g: Any, y: Any, a: Any) -> Any:
    eye = a.builder.array(np.eye(a.shape[-1]))
    n = a.shape[-1]
    return _in_basis(op.eigenvectors(a), op.reshape(g, shape=(*y.shape[:-1], 1, n)) * eye)


def _in_basis(v: Any, inner: Any) -> Any:
    return product(product(v, inner), transposed(v))


def _library(name: str, numpy: Any, *pulls: Any, **more: Any) -> Row:
    kind: Kind = "composite" if "expand" in more else "library"
    return Row(name, kind, numpy, pulls, shape=more.pop("shape", _square), guarded=True,
               domain=Domain(((-1.0, 1.0),), positive=True), **more)  # fmt: skip


# fmt: off
ROWS: tuple[Row, ...] = (
    _library("inv", lambda lead, a: careful(np.linalg.inv)(a), _inv_pull,
             expand=small_matrices.inv),
    _library("det", lambda lead, a: np.linalg.det(a),
             lambda g, y, a: _scaled(g, op.cofactor(a)), shape=lambda s: _square(s)[:-2],
             expand=small_matrices.det),
    _library("cofactor", _cofactor, _cofactor_pull, expand=small_matrices.cofactor),
    _library("logdet", _logdet,
             lambda g, y, a: _scaled(g, transposed(op.inv(a))), shape=lambda s: _square(s)[:-2],
             expand=small_matrices.logdet),
    _library("solve", lambda lead, a, b: careful(np.linalg.solve)(a, b), _solve_pull,
             lambda g, y, a, b: op.solve(transposed(a), g), shape=_solved,
             expand=small_matrices.solve),
    _library("triangular_solve", _triangular_solve, _triangular_pull,
             lambda g, y, a, b, lower, transposed: op.triangular_solve(
                 a, g, lower=lower, transposed=not transposed),
             shape=_solved, expand=small_matrices.triangular_solve),
    _library("cholesky", lambda lead, a: careful(np.linalg.cholesky)(_symmetric(a)),
             _cholesky_pull, expand=small_matrices.cholesky),
    _library("eigvalsh", lambda lead, a: np.linalg.eigvalsh(_symmetric(a)), _eigenvalues_pull,
             shape=lambda s: _square(s)[:-1]),
    _library("eigenvectors", lambda lead, a: np.linalg.eigh(_symmetric(a))[1], _eigenvectors_pull),
)
# fmt: on
