"""Gamma and log Gamma of positive numbers: polynomials, and values at most 4 units off."""

import math

import mpmath as mp
import numpy as np
import pytest

from symgrad.generate import vector_gamma_above
from symgrad.generate import vector_lgamma as known
from tests.generate.test_vector_math import DTYPES, over, ulps


def stirling(w):
    x = 1 / mp.sqrt(w)
    return x * (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


# table, the function that it approximates, and the interval
POLYNOMIALS = {
    "AROUND_2": (lambda t: (mp.loggamma(2 + t) - t) / t, -1, 0.5),
    "ABOVE": (lambda v: mp.loggamma(v + 4.5) / (v + 2.5), -2, 2),
    "FAR": (stirling, 1e-9, known.HIGH**-2),
    "NEXT_TO_2": (lambda t: mp.gamma(2 + t), -1, 0.5),
}
TABLES = vars(known) | {"NEXT_TO_2": vector_gamma_above.NEXT_TO_2}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("table", POLYNOMIALS)
def test_coefficients(table, dtype):
    f, low, high = POLYNOMIALS[table]
    coefficients = [mp.mpf(c) for c in reversed(TABLES[table][dtype])]
    with mp.workdps(60):
        points = [low + (high - low) * mp.mpf(2 * k + 1) / 200 for k in range(100)]
        error = max(abs(mp.polyval(coefficients, x) - f(x)) for x in points)
    assert error < (4 if table == "FAR" else 1) * np.finfo(dtype).eps  # FAR is divided by x > 6


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("low", "high"), [(0, 0.5), (0.5, 1), (1, 1.3), (1.3, 1.5), (1.5, 2.5),
                                           (2.5, 6.5), (6.5, 9), (9, 200)])  # fmt: skip
def test_accuracy(rng, low, high, dtype, share):
    x = rng.uniform(low, high, share(1500)).astype(dtype)
    errors = over_exact(x[x > 0], dtype)
    assert max(errors) <= 4, (x[int(np.argmax(errors))], max(errors))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zero", [1, 2])
def test_accuracy_next_to_zeros(rng, zero, dtype):
    steps = rng.choice([-1, 1], 500) * 2.0 ** rng.uniform(-np.finfo(dtype).nmant, -2, 500)
    x = (zero + steps).astype(dtype)
    errors = over_exact(x[x != zero], dtype)
    assert max(errors) <= 4, (x[int(np.argmax(errors))], max(errors))


def over_exact(x, dtype):
    with mp.workprec(200):
        exact = [mp.loggamma(mp.mpf(float(v))) for v in x]
        return [ulps(y, e, dtype) for y, e in zip(over("lgamma", x), exact, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (1, 2.5), (2.5, 6.5), (6.5, 9), (9, 36), (36, 172)]
)
def test_accuracy_of_gamma(rng, low, high, dtype, share):
    halves = np.arange(math.floor(2 * low) + 1, 2 * high) / 2
    x = np.concatenate([rng.uniform(low, high, share(1500)), halves]).astype(dtype)
    with mp.workprec(200):
        exact = [mp.gamma(mp.mpf(float(v))) for v in x]
        errors = [ulps(y, e, dtype) for y, e in zip(over("gamma", x), exact, strict=True)]
    assert max(errors) <= 4, (x[int(np.argmax(errors))], max(errors))


@pytest.mark.parametrize("dtype", DTYPES)
def test_gamma_of_small_and_large_numbers(dtype):
    f = np.finfo(dtype)
    x = np.array([f.tiny * 8, 2.0**-70, 2.0**-59, 200, 1e30, np.inf, f.smallest_subnormal], dtype)
    expected = [*(1 / x[:3]), *[np.inf] * 4]
    np.testing.assert_allclose(over("gamma", x), expected, rtol=4 * f.eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["gamma", "lgamma"])
def test_numbers_of_either_sign_in_one_vector(name, dtype):
    """The formula for both does not change what positive ones are."""
    x = np.linspace(0.1, 9, 64).astype(dtype)
    mixed = x.copy()
    mixed[::5] *= -1
    np.testing.assert_array_equal(over(name, mixed)[mixed > 0], over(name, x)[mixed > 0])
