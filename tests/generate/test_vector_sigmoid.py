"""What is made of sigmoids where these, or their results, are denormal."""

import ctypes
import platform

import mpmath as mp
import numpy as np
import pytest

import symgrad as sg
from symgrad.generate.vector_formats import has_scaling
from tests.generate.test_accuracy_of_rows import units
from tests.generate.test_vector_math import (
    DTYPES,
    FUNCTIONS,
    PAIRS,
    assert_accurate,
    over,
    over_pairs,
)


def denormal(rng, dtype, n=400):
    """Numbers of which exp is denormal, or next to it."""
    least = np.log(2.0) * (np.finfo(dtype).minexp - np.finfo(dtype).nmant)
    return rng.uniform(least * 1.02, least * 0.8, n).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "sigmoid", "softplus", "logistic_slope"])
def test_denormal_values(name, dtype, rng):
    assert_accurate(name, denormal(rng, dtype), dtype, FUNCTIONS[name][0], 2500, most=2.5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_silu_and_its_derivative_below_the_sigmoids_range(dtype, rng):
    """As x sigmoid(x) they were up to 285 units off."""
    x, at = sg.data("x"), denormal(rng, dtype)
    found = sg.function([sg.silu(x), sg.gradient(sg.silu(x), x)], [x], dtype=dtype)(at)
    with mp.workprec(2500):
        for v, y, slope in zip(map(mp.mpf, map(float, at)), *found, strict=True):
            s = 1 / (1 + mp.exp(-v))
            for got, exact in ((y, v * s), (slope, s + v * s * (1 - s))):
                assert units(got, exact, exact, dtype) <= 4, (v, got, exact)


@pytest.mark.skipif(
    platform.machine() != "x86_64" or has_scaling(), reason="flags elsewhere, and AVX-512's scaling"
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_exponentials_round_nothing_to_denormal_numbers(dtype, rng):
    x = denormal(rng, dtype)
    over("exp", x)  # compiled
    libm, underflow = ctypes.CDLL("libm.so.6"), 0x10
    libm.feclearexcept(underflow)
    y = over("exp", x)
    assert not libm.fetestexcept(underflow)
    assert (y < np.finfo(dtype).tiny).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp_product", "raised"])
def test_powers_next_to_the_smallest_normal_number(name, dtype, rng):
    """What a product has lost to rounding may decide whether its exponential is denormal."""
    x, last = rng.uniform(2, 90, 500).astype(dtype), np.log(2.0) * (np.finfo(dtype).minexp)
    y = (last / (np.log(x.astype(float)) if name == "raised" else x)).astype(dtype)
    with mp.workprec(200):
        exact = [
            PAIRS[name][0](mp.mpf(float(a)), mp.mpf(float(b))) for a, b in zip(x, y, strict=True)
        ]
    for z, e in zip(over_pairs(name, x, y), exact, strict=True):
        assert units(z, e, e, dtype) <= 2.5
