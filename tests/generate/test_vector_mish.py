"""mish and its derivative: denormal values, and slopes in units of their terms."""

import mpmath as mp
import numpy as np
import pytest

from tests.generate.test_vector_math import (
    DTYPES,
    FUNCTIONS,
    MOST_ULPS,
    assert_accurate,
    numbers,
    over,
)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def mish_terms(x):
    t = mp.tanh(mp.log1p(mp.exp(x)))
    return t, x * (1 - t**2) * sigmoid(x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_below_the_sigmoids_range(rng, dtype):
    """As x tanh(softplus(x)) they were 370 units off, tanh being of denormals."""
    low = np.log(2.0) * (np.finfo(dtype).minexp - np.finfo(dtype).nmant)
    x = rng.uniform(low * 1.02, low * 0.8, 400).astype(dtype)
    assert_accurate("mish", x, dtype, FUNCTIONS["mish"][0], 2500, most=3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_of_slopes(rng, dtype, share):
    x = numbers(rng, dtype, -700, 700, share(120))
    x = np.concatenate([x, rng.uniform(-40, 40, share(1000)), rng.uniform(-5, 5, share(1000))])
    x, format, errors = x.astype(dtype), np.finfo(dtype), []
    with mp.workprec(2500):
        for v, y in zip(x, over("mish_slope", x), strict=True):
            terms = mish_terms(mp.mpf(float(v)))
            largest = max(map(abs, (*terms, sum(terms))))
            unit = mp.mpf(2) ** max(mp.frexp(largest)[1] - 1, format.minexp)
            errors.append(float(abs(mp.mpf(float(y)) - sum(terms)) / unit) * 2.0**format.nmant)
    worst = int(np.argmax(errors))
    assert errors[worst] <= MOST_ULPS, f"mish_slope({x[worst]!r}) is off by {errors[worst]:.2f} ulp"


@pytest.mark.parametrize("dtype", DTYPES)
def test_there_is_no_slope_far_below_0(dtype):
    """Four times the least of all numbers is infinite, and times exp(x) it was no number."""
    least = np.finfo(dtype).min
    x = np.array([least, least / 2, least / 8, -1e31, -1e29, -2e3, -np.inf, np.nan], dtype)
    found = over("mish_slope", x)
    assert np.array_equal(np.abs(found), [0] * 7 + [np.nan], equal_nan=True), found
