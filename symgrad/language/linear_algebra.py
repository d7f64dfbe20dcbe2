"""Linear algebra of square matrices, the last two axes of one sample's value.

The pull-backs are those of Giles, Collected matrix derivative results (2008), and for Cholesky's
factor of Murray, Differentiation of the Cholesky decomposition (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.language import small_matrices
from symgrad.language.row import Domain, Row, op
from symgrad.language.small_matrices import product, transposed, triangle

SMALL = 3  # rows of a matrix that is worked on without a library


def careful(routine: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """NumPy's routine, with NaN where it finds no answer: kernels have no exceptions either.

    A value that is not finite anywhere in a matrix makes all of its result NaN.
    """

    def call(*x: np.ndarray) -> np.ndarray:
        try:
            result = routine(*x)
        except np.linalg.LinAlgError:
            if x[0].ndim > 2:
                return np.stack([call(*each) for each in zip(*x, strict=True)])
            result = routine(np.eye(*x[0].shape, dtype=x[0].dtype), *x[1:]) * np.nan
        finite = np.isfinite(x[0]).all((-1, -2))
        spread = (*finite.shape, *(1,) * (result.ndim - finite.ndim))
        return np.where(finite.reshape(spread), result, result.dtype.type(np.nan))

    return call


# ---- values of a block


def _scaled(g: Any, matrix: Any) -> Any:
    """A number for each matrix times that matrix."""
    return op.reshape(g, shape=(*g.shape, 1, 1)) * matrix if g.shape else g * matrix


# ---- shapes


def _square(shape: tuple, **_: Any) -> tuple:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"linear algebra wants square matrices, not a value of shape {shape}")
    if not isinstance(shape[-1], int):
        raise ValueError(
            f"linear algebra wants matrices of a known size; this one, of shape {shape}, grows "
            f"with {shape[-1]}"
        )
    return shape


def _solved(a: tuple, b: tuple, **_: Any) -> tuple:
    if _square(a)[:-1] != b[:-1]:
        raise ValueError(f"a system of shape {a} does not fit right-hand sides of shape {b}")
    return b


# ---- meanings


def _cofactor(a: np.ndarray) -> np.ndarray:
    """det(A) inv(A)', also of singular matrices: by the singular values' products."""
    u, s, vt = np.linalg.svd(a)
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.sign(np.linalg.det(u @ vt))
    return sign[..., None, None] * ((u * others[..., None, :]) @ vt)


def _cofactor_along(a: np.ndarray, h: np.ndarray) -> np.ndarray:
    """How cof(A) changes along H: for A = U diag(s) V', what cof(diag(s)) does along U'HV."""
    u, s, vt = np.linalg.svd(a)
    h = u.swapaxes(-1, -2) @ h @ vt.swapaxes(-1, -2)
    eye = np.eye(s.shape[-1], dtype=bool)
    others = np.where(eye[:, None] | eye, 1, s[..., None, None, :]).prod(-1) * ~eye
    diagonal = (others @ np.diagonal(h, axis1=-2, axis2=-1)[..., None]) * eye
    sign = np.sign(np.linalg.det(u @ vt))
    return sign[..., None, None] * (u @ (diagonal - others * h.swapaxes(-1, -2)) @ vt)


def _logdet(a: np.ndarray) -> np.ndarray:
    sign, value = np.linalg.slogdet(a)
    return np.where(sign < 0, value.dtype.type(np.nan), value)


def _triangular_solve(
    lead: int, a: np.ndarray, b: np.ndarray, lower: bool, transposed: bool
) -> np.ndarray:
    a = np.tril(a) if lower else np.triu(a)
    return careful(np.linalg.solve)(a.swapaxes(-1, -2) if transposed else a, b)


def _eigenvectors(a: np.ndarray) -> np.ndarray:
    """In columns, each with its largest component positive."""
    vectors = np.linalg.eigh(_symmetric(a))[1]
    rows = np.abs(vectors).argmax(-2)[..., None, :]
    return np.where(np.take_along_axis(vectors, rows, -2) < 0, -vectors, vectors)


def _symmetric(a: np.ndarray) -> np.ndarray:
    return (a + a.swapaxes(-1, -2)) / 2


# ---- pull-backs


def _inv_pull(g: Any, y: Any, a: Any) -> Any:
    return -product(product(transposed(y), g), transposed(y))


def _along_pull(g: Any, y: Any, a: Any, h: Any) -> Any:
    """To A, where that has an inverse: by y = tr(inv(A) H) cof(A) - cof(A) H' inv(A)'."""
    from symgrad.calculus.splice import pull_through

    return pull_through(_along_by_inverse, 0, g, [a, h], {})


def _along_by_inverse(a: Any, h: Any) -> Any:
    turned, cofactors = transposed(op.inv(a)), op.cofactor(a)
    n = len(h.shape)
    inner = op.sum(turned * h, axes=(n - 2, n - 1), keepdims=False)
    return _scaled(inner, cofactors) - product(cofactors, product(transposed(h), turned))


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
    return Row(name, "library", numpy, pulls, shape=more.pop("shape", _square), guarded=True,
               small=SMALL if "expand" in more else 0,
               domain=Domain(((-1.0, 1.0),), positive=True), **more)  # fmt: skip


# fmt: off
ROWS: tuple[Row, ...] = (
    _library("inv", lambda lead, a: careful(np.linalg.inv)(a), _inv_pull,
             expand=small_matrices.inv),
    _library("det", lambda lead, a: careful(np.linalg.det)(a),
             lambda g, y, a: _scaled(g, op.cofactor(a)), shape=lambda s: _square(s)[:-2],
             expand=small_matrices.det),
    _library("cofactor", lambda lead, a: careful(_cofactor)(a),
             lambda g, y, a: op.cofactor_along(a, g), expand=small_matrices.cofactor),
    _library("cofactor_along", lambda lead, a, h: careful(_cofactor_along)(a, h), _along_pull,
             lambda g, y, a, h: op.cofactor_along(a, g), shape=_solved,
             expand=small_matrices.cofactor_along),
    _library("logdet", lambda lead, a: careful(_logdet)(a),
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
    _library("eigvalsh", lambda lead, a: careful(np.linalg.eigvalsh)(_symmetric(a)),
             _eigenvalues_pull, shape=lambda s: _square(s)[:-1]),
    _library("eigenvectors", lambda lead, a: careful(_eigenvectors)(a), _eigenvectors_pull),
)
# fmt: on
