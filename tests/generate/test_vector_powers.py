"""Powers against mpmath: at most 4 units in the last place, for every number."""

import functools
import math

import mpmath as mp
import numpy as np
import pytest

import symgrad as sg
from tests.generate.test_vector_math import DTYPES, MOST_ULPS, over_pairs, ulps

POWERS = [-64, -31, -6, -5, -4, -3, -2, -1, 2, 3, 5, 6, 7, 8, 31, 63, 64, 65]
POWERS_AT_ENDS = [-31, -30, -4, -3, -2, 5, 6, 7]
ALL_POWERS = sorted({*POWERS, *POWERS_AT_ENDS})


@functools.cache
def powers(dtype: str):
    """x**k as kernels have it, for whole k: one kernel, in which each has an x of its own."""
    symbols = [sg.data(f"x{place}") for place in range(len(ALL_POWERS))]
    each = [x**k for x, k in zip(symbols, ALL_POWERS, strict=True)]
    return sg.function(each, symbols, dtype=dtype)


def over_powers(k: int, x: np.ndarray) -> np.ndarray:
    return powers(x.dtype.name)(*[x] * len(ALL_POWERS))[ALL_POWERS.index(k)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", POWERS)
def test_accuracy_of_whole_powers(rng, dtype, k):
    """Where the result is denormal too, and x**-k is no number."""
    format, n = np.finfo(dtype), 1500
    most = min((format.maxexp + format.nmant) / abs(k), format.maxexp)
    x = (rng.choice([-1, 1], n) * 2.0 ** rng.uniform(-most, most, n)).astype(dtype)
    x = x[(x != 0) & np.isfinite(x)]
    with mp.workprec(100):
        exact = [mp.mpf(float(v)) ** k for v in x]
        errors = [ulps(y, e, dtype) for y, e in zip(over_powers(k, x), exact, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= MOST_ULPS, f"{x[worst]!r}**{k} is off by {errors[worst]:.2f} ulp"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", POWERS_AT_ENDS)
def test_ends_of_whole_powers(dtype, k):
    format = np.finfo(dtype)
    ends = [0.0, math.inf, math.nan, format.smallest_subnormal, format.tiny, format.max, 1, 2]
    x = np.array([s * v for v in ends for s in (1, -1)], dtype)
    y = over_powers(k, x)
    with np.errstate(all="ignore"):
        expected = np.power(x, x.dtype.type(k))
    np.testing.assert_allclose(y, expected, rtol=4 * format.eps)
    np.testing.assert_array_equal(np.signbit(y[y == y]), np.signbit(expected[y == y]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_powers_of_numbers_next_to_1(rng, dtype):
    """The logarithm's error counts up to 745 times."""
    x = rng.uniform(0.6, 1.6, 2000).astype(dtype)
    largest = np.finfo(dtype).maxexp * np.log(2)
    y = (rng.uniform(-1.1, 1, x.size) * largest / np.log(x)).astype(dtype)
    with mp.workprec(200):
        exact = [mp.mpf(float(a)) ** mp.mpf(float(b)) for a, b in zip(x, y, strict=True)]
        errors = [ulps(z, e, dtype) for z, e in zip(over_pairs("raised", x, y), exact, strict=True)]
    assert max(errors) <= 3, (x[int(np.argmax(errors))], y[int(np.argmax(errors))], max(errors))
