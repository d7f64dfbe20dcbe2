"""Products through BLAS against NumPy: every transposition, dtype, offset and leading dimension."""

import itertools

import numba as nb
import numpy as np
import pytest

from symgrad.build.blas import gemm, gemv, ger

DTYPES = ("float32", "float64")


@nb.njit
def call_gemm(ta, tb, m, n, k, alpha, a, ao, lda, b, bo, ldb, beta, c, co, ldc):
    gemm(ta, tb, m, n, k, alpha, a, ao, lda, b, bo, ldb, beta, c, co, ldc)


@nb.njit
def call_gemv(ta, m, n, alpha, a, ao, lda, x, xo, beta, y, yo):
    gemv(ta, m, n, alpha, a, ao, lda, x, xo, beta, y, yo)


@nb.njit
def call_ger(m, n, alpha, x, xo, y, yo, a, ao, lda):
    ger(m, n, alpha, x, xo, y, yo, a, ao, lda)


def part(flat: np.ndarray, offset: int, rows: int, columns: int, ld: int) -> np.ndarray:
    """A row-major matrix inside a flat array, as a view."""
    step = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat[offset:], (rows, columns), (ld * step, step))


def numbers(rng, size: int, dtype: str) -> np.ndarray:
    return rng.standard_normal(size).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(4, 3, 5), (1, 7, 2), (6, 1, 1), (33, 17, 65)])
def test_gemm(rng, dtype, sizes):
    m, n, k = sizes
    for ta, tb in itertools.product((0, 1), repeat=2):
        (ra, ka), (rb, kb) = ((k, m) if ta else (m, k)), ((n, k) if tb else (k, n))
        lda, ldb, ldc = ka + 2, kb + 1, n + 3
        a, b, c = (numbers(rng, s, dtype) for s in (9 + ra * lda, 9 + rb * ldb, 9 + m * ldc))
        A, B = part(a, 4, ra, ka, lda), part(b, 5, rb, kb, ldb)
        expected = c.copy()
        C = part(expected, 6, m, n, ldc)
        C[:] = 0.5 * (A.T if ta else A) @ (B.T if tb else B) - 2 * C
        call_gemm(ta, tb, m, n, k, 0.5, a, 4, lda, b, 5, ldb, -2.0, c, 6, ldc)
        np.testing.assert_allclose(c, expected, rtol=0, atol=1e-4 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ta", [0, 1])
def test_gemv(rng, dtype, ta):
    m, n, lda = 7, 4, 6
    a, x, y = (numbers(rng, s, dtype) for s in (60, 20, 20))
    A, expected = part(a, 3, m, n, lda), y.copy()
    rows, columns = (n, m) if ta else (m, n)
    op = A.T if ta else A
    expected[2 : 2 + rows] = 1.5 * op @ x[1 : 1 + columns] + 0.25 * y[2 : 2 + rows]
    call_gemv(ta, m, n, 1.5, a, 3, lda, x, 1, 0.25, y, 2)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ger(rng, dtype):
    m, n, lda = 5, 3, 4
    a, x, y = (numbers(rng, s, dtype) for s in (40, 20, 20))
    expected = a.copy()
    part(expected, 7, m, n, lda)[:] -= 0.5 * np.outer(x[2 : 2 + m], y[1 : 1 + n])
    call_ger(m, n, -0.5, x, 2, y, 1, a, 7, lda)
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-14)


def test_the_result_is_not_read_where_beta_is_zero():
    a, c = np.ones(4), np.full(4, np.nan)
    call_gemm(0, 0, 2, 2, 2, 1.0, a, 0, 2, a, 0, 2, 0.0, c, 0, 2)
    np.testing.assert_array_equal(c, np.full(4, 2.0))


def test_dtypes_must_agree():
    a = np.ones(4)
    with pytest.raises(nb.TypingError):
        call_gemm(0, 0, 2, 2, 2, 1.0, a, 0, 2, a, 0, 2, 0.0, np.ones(4, "f"), 0, 2)
