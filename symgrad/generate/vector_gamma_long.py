"""The gamma function and the logarithm of its size in float64, from sums of two numbers.

With a = |x|, y = a + 8 and R = (a + 1) ... (a + 7), by recurrence and, below 0, by reflection:

    |Gamma(x)| = Gamma(y) / D,      D = a R,                       x > 0
                 1 / (D Gamma(y)),  D = |sin(pi a)| / (pi R),      x < 0

log Gamma(y) is Stirling's series.  Both logarithms are known to 1e-20, so that what cancels between
them leaves log |Gamma| all its digits but next to its zeros, where it has a series of its own.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import SINE_OF_TURN, SINE_OF_TURN_LONG, STIRLING
from symgrad.generate.vector_formulas import exp_of_sum
from symgrad.generate.vector_pairs import Pair, polynomial_of_pairs, product, total
from symgrad.generate.vector_powers import LARGEST, precise_log

SHIFT = 8.0
SMALL = 2.0**-60  # below it |Gamma(x)| is 1 / |x|
HUGE = 2.0**60  # above it a number is whole, and log Gamma(x) is x (log x - 1)
OVERFLOW = 2.5599833278516383e305  # the largest number of which log Gamma(x) is finite
HALF_LOG_TURN = (0.9189385332046728, -3.8782941580672414e-17)  # log(2 pi) / 2
TWELFTH = (1 / 12, 4.625929269271485e-18)
NEAR = 2.0**-9  # where log |Gamma| is smaller, its series is used
DEEPEST = 16  # the zeros beside -17, -18, ... are nearer to them than the next double
TERMS = 7


def lgamma(x: Real) -> Real:
    """log |Gamma(x)|: infinite at 0, -1, -2 ..., and at both infinities."""
    size = _log_size(x)
    y = _next_to_zeros(x, size.high + size.low)
    infinite = x.builder.or_(_is_pole(x), abs(x) > OVERFLOW)
    return x.of(math.inf).where(infinite, y)


def gamma(x: Real) -> Real:
    """NaN at -1, -2 ..., infinite of either sign at 0."""
    a, size = abs(x), _log_size(x)
    y = exp_of_sum(size.high, size.low.where(abs(size.high) < LARGEST, 0.0))
    y = x.of(math.inf).where(a.equals(0.0), y).with_sign_of(_sign(x))
    y = x.of(math.nan).where(x.builder.and_(_is_pole(x), a > 0.0), y)
    return x.where(x.equals(math.inf), y)


def _is_pole(x: Real) -> Any:
    return x.builder.and_(x <= 0.0, x.rounded().equals(x))


def _sign(x: Real) -> Real:
    """A number of Gamma's sign: negative where x is, and of |x| the whole part is even."""
    a = abs(x)
    nearest = a.rounded()
    below = (nearest - 1.0).where(nearest > a, nearest)
    half = below * 0.5
    return x.where(half.rounded().equals(half), x.of(1.0))


def _log_size(x: Real) -> Pair:
    """log |Gamma(x)|, where that is finite."""
    a = abs(x)
    below, small = x < 0.0, a < SMALL
    rise = _rise(a)
    sine = _sine_of_turn(a)
    up = rise * a
    d = sine.where(below, up) / rise.where(below, 1.0)
    d = Pair(a, a.of(0.0)).where(small, d)
    series = _stirling(Pair(*total(a, SHIFT)))
    series = (-series).where(below, series)
    log, log_low = precise_log(d.high)
    logarithm = Pair(log, log_low + d.low / d.high)
    return Pair(x.of(0.0), x.of(0.0)).where(small, series) + (-logarithm).where(a < HUGE, 0.0)


def _rise(a: Real) -> Pair:
    """(a + 1) ... (a + 7), where (a + k) (a + 8 - k) = a (a + 8) + k (8 - k)."""
    w = Pair(*product(a, a)) + a * SHIFT
    return (w + 7.0) * (w + 12.0) * (w + 15.0) * Pair(*total(a, 4.0))


def _sine_of_turn(a: Real) -> Pair:
    """|sin(pi a)| / pi"""
    r = abs(a - a.rounded())
    z = Pair(*product(r, r))
    rest = polynomial(z.high, SINE_OF_TURN["float64"])
    return polynomial_of_pairs(z, SINE_OF_TURN_LONG, rest) * r


def _stirling(y: Pair) -> Pair:
    """log Gamma(y) = (y - 1/2) log y - y + log(2 pi) / 2 + 1 / (12 y) + ..., y >= 8"""
    u = y.high
    log, log_low = precise_log(u)
    m = u.minus(0.5)
    twelfth = TWELFTH[0] / u
    inverse = twelfth * 12.0
    lost = (twelfth.fused(-u, TWELFTH[0]) + TWELFTH[1]) * inverse
    z = inverse * inverse
    slope = log - inverse * 0.5 - z * TWELFTH[0]
    rest = inverse * z * polynomial(z, STIRLING["float64"]) + lost + y.low * slope + m * log_low
    series = Pair(*product(m, log)) + (-u) + HALF_LOG_TURN + Pair(twelfth, rest)
    return series.where(u < HUGE, u * (log - 1.0 + log_low))


# ---- zeros of log |Gamma|


def _next_to_zeros(x: Real, y: Real) -> Real:
    """y, but the series around a zero where one is near: rows 0 and 1 of the table are those of 1
    and 2, the others those of -2.46, -2.75, -3.14, -3.96 ..., one in every half of a unit."""
    rows, below = zeros(), x < 0.0
    row = (-2.0 * x - 2.5).where(below, x.of(0.0).where(x < 1.5, 1.0))
    inside = x.builder.and_(row >= 0.0, row <= float(len(rows) - 1))
    _, row_bits = row.where(inside, 0.0).nearest()
    high, low, *c = row_bits.looked_up("zeros of lgamma", rows)
    d = x.minus(high).minus(low)
    return (d * polynomial(d, c)).where(abs(d * c[0]) < NEAR, y)


@cache
def zeros() -> list[list[float]]:
    """Each zero in two parts, and the coefficients of log |Gamma| in what x is beyond it."""
    from mpmath import mp

    with mp.workdps(40):
        found = [mp.mpf(1), mp.mpf(2)]
        for n in range(2, DEEPEST + 1):
            found += [_zero(-n - side / mp.factorial(n)) for side in (1, -1) if n > 2 or side > 0]
        return [_row(z) for z in sorted(found, key=abs)]


def _zero(x: Any) -> Any:
    """The zero near x, by Newton's method."""
    from mpmath import mp

    for _ in range(8):
        x -= mp.log(abs(mp.gamma(x))) / mp.digamma(x)
    return x


def _row(zero: Any) -> list[float]:
    from mpmath import mp

    high = float(zero)
    derivatives = [mp.polygamma(k, zero) / mp.factorial(k + 1) for k in range(TERMS)]
    return [high, float(zero - high), *map(float, derivatives)]
