"""The remainder beside NumPy's, bit by bit: numbers of every size, and all that is special."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.generate.test_vector_math import DTYPES, over_pairs

N = 20_000


def sizes(rng, dtype):
    """Numbers of every size, denormals too."""
    format = np.finfo(dtype)
    exponents = rng.integers(format.minexp - format.nmant, format.maxexp, N)
    return (rng.choice([-1, 1], N) * np.ldexp(rng.uniform(1, 2, N), exponents)).astype(dtype)


def pairs(rng, dtype):
    """Dividends and divisors, many of them next to where the quotient is whole."""
    format = np.finfo(dtype)
    special = np.array([0, np.inf, np.nan, 1, 2, 3, 0.5, format.max, format.tiny, 1 + format.eps,
                        1 - format.epsneg, 2.0**format.nmant, 2.0 ** (format.nmant + 1) - 1,
                        format.smallest_subnormal], dtype)  # fmt: skip
    special = np.concatenate([special, -special])
    grid = np.meshgrid(special, special)
    y = rng.uniform(-5, 5, N).astype(dtype)
    multiple = y * rng.integers(1, 2 ** (format.nmant - 3), N).astype(dtype)
    large = (rng.uniform(-1, 1, N) * 2.0 ** rng.uniform(0, format.nmant + 9, N)).astype(dtype)
    x = [grid[0].ravel(), sizes(rng, dtype), multiple, np.nextafter(multiple, 0 * y), large]
    y = [grid[1].ravel(), sizes(rng, dtype), y, y, y]
    return np.concatenate(x), np.concatenate(y)


def assert_same_bits(found, wanted, x, y):
    kind = f"u{found.itemsize}"
    same = (found.view(kind) == wanted.view(kind)) | (np.isnan(found) & np.isnan(wanted))
    wrong = np.flatnonzero(~same)[:5]
    assert same.all(), [(x[i], y[i], found[i], wanted[i]) for i in wrong]


@pytest.mark.parametrize("dtype", DTYPES)
def test_remainders_are_numpys(rng, dtype):
    x, y = pairs(rng, dtype)
    with np.errstate(all="ignore"):
        assert_same_bits(over_pairs("modulo", x, y), np.mod(x, y), x, y)
        x, y = abs(x), abs(y)
        assert_same_bits(over_pairs("modulo", x, y), np.fmod(x, y), x, y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_remainders_in_kernels(rng, dtype, way):
    """Zeros have no sign in kernels, and quotients by denormal numbers may be products by 1/b."""
    x, y = pairs(rng, dtype)
    a, b = sg.data("a b")
    f = sg.function([sp.Mod(a, b), sg.fmod(a, b), sg.floor_divide(a, b)], [a, b], dtype=dtype)
    with np.errstate(all="ignore"):
        mod, fmod, quotient = f(x, y)
        np.testing.assert_array_equal(mod, np.mod(x, y))
        np.testing.assert_array_equal(fmod, np.fmod(x, y))
        wanted = np.floor_divide(x, y)
    format = np.finfo(dtype)
    sure = np.isfinite(x) & np.isfinite(y) & (abs(wanted) < 2.0 ** (format.nmant - 2))
    sure &= abs(y) >= format.tiny
    np.testing.assert_array_equal(quotient[sure], wanted[sure])
