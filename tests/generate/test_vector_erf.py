"""The error function and its kin: polynomials, and values at most 3 or 4 units off."""

import math

import mpmath as mp
import numpy as np
import pytest

from symgrad.generate import vector_erf_coefficients as known
from symgrad.generate.vector_coefficients import LIMITS
from tests.generate.test_vector_math import DTYPES, FUNCTIONS, numbers, over, ulps


def erf_next_to_0(z):
    return mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1


def scaled(a):
    return mp.exp(a * a) * mp.erfc(a)


# table, the function that it approximates, and the interval
POLYNOMIALS = {
    "ERF": (erf_next_to_0, 1e-9, known.BEND**2),
    "ERF_NEAR": (erf_next_to_0, 1e-9, 0.49),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("table", POLYNOMIALS)
def test_coefficients(table, dtype):
    f, low, high = POLYNOMIALS[table]
    coefficients = [mp.mpf(c) for c in reversed(getattr(known, table)[dtype])]
    with mp.workdps(60):
        points = [low + (high - low) * mp.mpf(2 * k + 1) / 200 for k in range(100)]
        error = max(abs(mp.polyval(coefficients, x) - f(x)) for x in points)
    assert error < np.finfo(dtype).eps


def normal(b):
    return scaled(b / mp.sqrt(2)) / 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("table", "f", "low"), [("ERFC", scaled, 0.7), ("NORMAL", normal, 0)])
def test_quotients(table, f, low, dtype):
    """To half a unit, as far as they count."""
    known_as = getattr(known, table)[dtype]
    p, q = (
        [mp.mpf(c) for c in reversed(coefficients)] for coefficients in (known_as.p, known_as.q)
    )
    assert min(*p, *q) > 0
    with mp.workdps(60):
        for k in range(101):
            a = low + (known_as.last - low) * (mp.mpf(k) / 100) ** 2
            above = mp.polyval(p, a)
            y = above / (known_as.slope * a * above + mp.polyval(q, a))
            assert abs(y / f(a) - 1) < np.finfo(dtype).eps / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_erfc_as_a_16th_power(dtype):
    c = [mp.mpf(c) for c in reversed(known.ERF_FAR[dtype])]
    last = LIMITS[dtype].erf
    with mp.workdps(60):
        points = [known.BEND + (last - known.BEND) * mp.mpf(k) / 100 for k in range(101)]
        roots = [mp.polyval(c, a - known.ERF_MIDDLE[dtype]) for a in points]
        error = max(abs(r**16 - mp.erfc(a)) for a, r in zip(points, roots, strict=True))
    assert error < np.finfo(dtype).eps / 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "low", "high"), [
    ("erf", -3, 3), ("erf", 1.2, 1.6), ("erfc", 0.4, 2.5), ("erfc", 1, 27.3), ("erfc", -1, 1),
    ("gelu", -1.5, -0.7), ("gelu", -9, 3), ("gelu", -24, -22), ("gelu", -38.6, -9)])  # fmt: skip
def test_at_most_three_units(rng, name, low, high, dtype, share):
    x = rng.uniform(low, high, share(800)).astype(dtype)
    f = FUNCTIONS[name][0]
    with mp.workprec(250):
        errors = [
            ulps(y, f(mp.mpf(float(v))), dtype) for v, y in zip(x, over(name, x), strict=True)
        ]
    assert max(errors) <= 3, f"{name}({x[int(np.argmax(errors))]!r}) is {max(errors):.2f} units off"


@pytest.mark.parametrize(("dtype", "x"), [("float32", 0.0030123284), ("float32", 7.505352),
                                          ("float64", 6.827228750848131e-05)])  # fmt: skip
def test_erfc_next_to_1(rng, dtype, x):
    """Where what it was, a scaled polynomial times exp(-x**2), was 6 units off."""
    x = np.array([x, *2.0 ** rng.uniform(-22, 0, 1000)], dtype)
    errors = [ulps(y, mp.erfc(float(v)), dtype) for v, y in zip(x, over("erfc", x), strict=True)]
    assert max(errors) <= 3, f"erfc({x[int(np.argmax(errors))]!r}) is off"


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_of_gelu_slope(rng, dtype):
    """Below 0 a difference: 4 units of its terms."""
    x = numbers(rng, dtype, -math.inf, math.inf)
    x = np.concatenate([x, rng.uniform(-40, 2, 1000), [math.inf, -math.inf]]).astype(dtype)
    format, errors = np.finfo(dtype), []
    with mp.workprec(250):
        for v, y in zip(x, over("gelu_slope", x), strict=True):
            at = max(min(mp.mpf(float(v)), 99), -99)
            terms = mp.ncdf(at), at * mp.npdf(at)
            unit = mp.mpf(2) ** (max(mp.frexp(max(map(abs, terms)))[1] - 1, format.minexp))
            errors.append(float(abs(mp.mpf(float(y)) - sum(terms)) / unit) * 2.0**format.nmant)
    worst = int(np.argmax(errors))
    assert errors[worst] <= 4, f"gelu_slope({x[worst]!r}) is off by {errors[worst]:.2f} ulp"
