"""The polynomials of vector mathematics against mpmath."""

import mpmath as mp
import numpy as np
import pytest

from symgrad.generate import vector_angles as angles
from symgrad.generate import vector_coefficients as known
from symgrad.generate import vector_gamma_long as gamma_long
from symgrad.generate import vector_roots as roots


def logarithm(z, name):
    return (2 * mp.atanh(mp.sqrt(z) / 2) / mp.sqrt(z) - 1) / z


def log_long(z, name):
    return ((2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z - mp.mpf(2) / 3) / z


def log_short(z, name):
    return (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z


def stirling(y):
    return y * (mp.loggamma(y) - (y - mp.mpf(1) / 2) * mp.log(y) + y - mp.log(2 * mp.pi) / 2)


def sine_of_turn(z):
    terms = [(-1) ** k * mp.pi ** (2 * k) * z**k / mp.factorial(2 * k + 1) for k in range(4)]
    return (mp.sinc(mp.pi * mp.sqrt(z)) - sum(terms)) / z**4


# table, the function that it approximates, and the interval
POLYNOMIALS = {
    "EXP": (lambda r, name: mp.hyp1f1(1, 3, r) / 2, -mp.log(2) / 2, mp.log(2) / 2),
    "EXP2": (lambda f, name: mp.expm1(f * mp.log(2)) / f, -0.5, 0.5),
    "LOG": (logarithm, 1e-9, 0.1616),
    "LOG_NEXT": (logarithm, 1e-9, mp.mpf(4) / 9),
    "LOG_LONG": (log_long, 0, 0.02943725152),
    "LOG_SHORT": (log_short, 1e-9, 0.02943725152),
    "SIN": (lambda z, name: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, 0, mp.pi**2 / 16),
    "COS": (lambda z, name: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, 0, mp.pi**2 / 16),
    "ATAN": (lambda z, name: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, 0, 0.1715728752),
    "ASIN": (lambda z, name: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, 0, 0.25),
    "STIRLING": (lambda z, name: (stirling(1 / mp.sqrt(z)) - mp.mpf(1) / 12) / z, 1e-6, 1 / 64),
    "SINE_OF_TURN": (lambda z, name: sine_of_turn(z), 1e-6, 0.25),
}


TABLES = [(table, dtype) for table in POLYNOMIALS for dtype in getattr(known, table)]


def test_constants_in_two_parts():
    with mp.workdps(60):
        exact = [(-1) ** k * mp.pi ** (2 * k) / mp.factorial(2 * k + 1) for k in range(4)]
        exact += [mp.log(2 * mp.pi) / 2, mp.mpf(1) / 12]
        given = [*known.SINE_OF_TURN_LONG, gamma_long.HALF_LOG_TURN, gamma_long.TWELFTH]
        for (high, low), x in zip(given, exact, strict=True):
            assert high == float(x) and low == float(x - high)


def test_quarter_turns_in_parts():
    with mp.workdps(60):
        for dtype, parts in angles.QUARTERS.items():
            rest = mp.pi / 2
            for part in parts:
                assert part == float(np.dtype(dtype).type(float(rest)))
                rest -= part


@pytest.mark.parametrize(("table", "dtype"), TABLES)
def test_coefficients(table, dtype):
    """Every polynomial is as near to its function as its format can tell, or nearer."""
    f, low, high = POLYNOMIALS[table]
    coefficients = [mp.mpf(c) for c in reversed(getattr(known, table)[dtype])]
    with mp.workdps(60):
        points = [low + (high - low) * mp.mpf(2 * k + 1) / 200 for k in range(100)]
        error = max(abs(mp.polyval(coefficients, x) - f(x, dtype)) for x in points)
    assert error < 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exponential_to_log_2(dtype):
    """Up to where the exponent of the largest number ends, twice as far as elsewhere."""
    coefficients = [mp.mpf(c) for c in reversed((1, 1, *known.EXP_LONG[dtype]))]
    half = mp.log(2) / 2
    with mp.workdps(40):
        for k in range(301):
            r = half * (mp.mpf(k) / 100 - 1)
            error = abs(mp.polyval(coefficients, r) / mp.exp(r) - 1)
            assert error < (0.25 if r <= half else 0.5) * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("table", "f", "most"), [("SIN_LONG", mp.sin, 2.5), ("ATAN_LONG", mp.atan, 1)]
)
def test_coefficients_of_odd_functions(table, f, most, dtype):
    """t + t z p(z), z = t**2, is f(t) to half a unit."""
    coefficients = [mp.mpf(c) for c in reversed(getattr(known, table)[dtype])]
    with mp.workdps(60):
        for k in range(100):
            t = mp.sqrt(mp.mpf(most)) * (k + 1) / 100
            y = t + t * t**2 * mp.polyval(coefficients, t**2)
            assert abs(y / f(t) - 1) < np.finfo(dtype).eps / 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tangent_as_a_quotient(dtype):
    above, below = (
        [mp.mpf(c) for c in (*reversed(t[dtype]), 1)] for t in (known.TAN_ABOVE, known.TAN_BELOW)
    )
    with mp.workdps(60):
        for k in range(100):
            z = mp.mpf(0.63) * (k + 1) / 100
            r = mp.sqrt(z)
            y = r * mp.polyval(above, z) / mp.polyval(below, z)
            assert abs(y / mp.tan(r) - 1) < np.finfo(dtype).eps / 2


@pytest.mark.parametrize(
    ("table", "power", "most", "error"),
    [
        (roots.REFINED["float64"], -1, 0.103, 2.0**-22),  # which leaves |h| < 2**-20
        (roots.LAST["float32"], -2, 0.103, 2.0**-28),
        (roots.LAST["float64"], -2, 2.0**-20, 2.0**-58),
    ],
)
def test_roots(table, power, most, error):
    with mp.workdps(60):
        for k in range(100):
            h = mp.mpf(most) * (2 * k - 99) / 99
            value = 1 + h * mp.polyval([mp.mpf(c) for c in reversed(table)], h)
            assert abs(value * (1 - h) ** (-mp.mpf(power) / 3) - 1) < error
