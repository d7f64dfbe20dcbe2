"""Logarithms: log q = e log 2 + 2 artanh s, where q = 2**e m, m next to 1, s = (m - 1) / (m + 1).

Both sides of that quotient are made of the argument itself where q would be rounded next to 1:
of x - (2**e - 1) for log(1 + x), of x (2**e + 1) - 2**e for log(x / (1 - x)).  Where q is another
quotient, e need not be its own exponent: the difference of two numbers' bits, which are nearly
their logarithms, is as good, and saves a division.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from symgrad.generate.vector_code import Bits, Real, polynomial
from symgrad.generate.vector_coefficients import LOG, LOG2, LOG_COSH, LOG_NEXT
from symgrad.generate.vector_formulas import exp

ROOT_HALF = math.sqrt(0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Exponent:
    """The number e of a power of two, in units of which the machine has it for nothing."""

    number: Real
    unit: float

    def times(self, x: float) -> Real:
        return self.number * (x * self.unit)


def log(x: Real) -> Real:
    e, m = split(x)
    return _ends(x, _sum(e, m - 1.0, m * 0.5 + 0.5), at=0.0)


def split(x: Real) -> tuple[Exponent, Real]:
    """e and m of a positive x = 2**e m, m from sqrt(1/2) to sqrt 2."""
    k = float(x.format.mantissa + 2)
    denormal = x < _smallest(x)
    x = (x * 2.0**k).where(denormal, x)
    power = _power(x)
    return _exponent(power, k, denormal), (x.bits - power).real


def log1p(x: Real) -> Real:
    y = _log_next_to_one(x, _power(x.plus(1.0)))
    return _ends(x, (y.bits | (x.bits & x.sign)).real, at=-1.0)  # -0


def log_of_next(x: Real, wide: Real, huge: Any) -> Real:
    """log(1 + x), x >= 0, or log 2 + log(wide) where wide is huge."""
    x = wide.where(huge, x)
    power = _power(x.plus(1.0))
    return _log_next_to_one(x, power, huge)


def _log_next_to_one(x: Real, power: Bits, doubled: Any = None) -> Real:
    """log(1 + x), where 1 + x is 2**e m; log 2 more where it is doubled."""
    quarter = (x.of(4.0).bits - power).real  # 4 / 2**e, which is a normal number for every e
    half = quarter * 0.5
    above, half_below = x * quarter + (quarter - 4.0), x * half + (half + 2.0)
    return _sum(_exponent(power, -1.0, doubled), above, half_below)


def logcosh(x: Real) -> Real:
    """a + log((1 + t) / 2), t = exp(-2 a), but below 1, where these cancel, a**2 / 2 and the rest
    of its power series."""
    a, z = abs(x), x * x
    near = (z * z).times_plus(polynomial(z, LOG_COSH[x.format.name]), z.times(0.5))
    return near.where(a < 1.0, (a - math.log(2)) + log_of_quotient(exp(a * -2.0), x.of(1.0)))


def log_of_quotient(a: Real, b: Real) -> Real:
    """log(1 + a / b), 0 <= a <= b: 2 artanh s with s <= 1/3."""
    t = a / (a * 0.5 + b)
    z = t * t
    return t + t * z * polynomial(z, LOG_NEXT[t.format.name])


def logit(x: Real) -> Real:
    """log(a / (1 - a)), a = x or, beyond 1/2, 1 - x, which is exact there and turns the sign."""
    b = 1.0 - x
    beyond = x > 0.5
    a = b.where(beyond, x)
    k, denormal = float(x.format.mantissa + 2), a < _smallest(a)
    scaled = (a * 2.0**k).where(denormal, a)
    power = _power_of_quotient(scaled, x.where(beyond, b))
    c = (power + x.of(1.0).bits).real
    above, below = scaled.times_plus(c + 1.0, -c), scaled.times_plus(1.0 - c, c)
    y = _sum(_exponent(power, k, denormal), above, below * 0.5)
    y = y.where(a > 0.0, x.of(-math.inf).where(a.equals(0.0), math.nan))
    return (-y).where(beyond, y)


def atanh(x: Real) -> Real:
    """log((1 + a) / (1 - a)) / 2, its difference made of a below 1/2, above it of 1 - a."""
    a = abs(x)
    u, b = a + 1.0, 1.0 - a
    power = _power_of_quotient(u, b)
    c = (power + x.of(1.0).bits).real
    above = a.times_plus(c + 1.0, 1.0 - c).where(a < 0.5, u - c * b)
    y = _sum(_exponent(power), above, (u + c * b) * 0.5) * 0.5
    return y.where(a < 1.0, x.of(math.inf).where(a.equals(1.0), math.nan)).with_sign_of(x)


def asinh(x: Real) -> Real:
    """log(a + r), r = sqrt(a**2 + 1) = 1 + a q / 2 with q = 2 a / (1 + r) = 2 tanh(y / 2)."""
    a = abs(x)
    huge = a > 2.0 ** (a.format.mantissa + 4)
    r = a.of(0.0).where(huge, (a * a + 1.0).square_root())
    power = _power(a + r)
    small = power.equals(0)
    quarter = (a.of(4.0).bits - power).real
    half = quarter * 0.5
    q = a / (r * 0.5 + 0.5)
    more = a.of(-1.0).where(huge, a * q * 0.5)  # r - 1, which r itself has rounded
    above = q.where(small, a * quarter + (more * quarter + (quarter - 4.0)))
    below = a.of(1.0).where(small, a * half + (r * half + 2.0))
    y = _sum(_exponent(power, -1.0, huge), above, below)
    return y.where(a < math.inf, a).with_sign_of(x)


def acosh(x: Real) -> Real:
    """log(1 + t + sqrt(t (t + 2))), t = x - 1"""
    huge = x > 2.0 ** (x.format.mantissa + 4)
    t = x - 1.0
    y = log_of_next(t + (t * (t + 2.0)).square_root(), x, huge)
    return y.where(x < math.inf, x).where(x >= 1.0, math.nan)


# ---- what they have in common


def _power(x: Real) -> Bits:
    """What 2**e adds to bits: e of a normal x = 2**e m, m from sqrt(1/2) to sqrt 2."""
    return (x.bits - x.of(ROOT_HALF).bits) & (-1 << x.format.mantissa)


def _power_of_quotient(x: Real, y: Real) -> Bits:
    """The same for x / y, positive normal numbers; m from 2/3 to 3/2."""
    half = 1 << (x.format.mantissa - 1)
    return (x.bits - y.bits + half) & (-1 << x.format.mantissa)


def _exponent(power: Bits, less: float = 0.0, where: Any = None) -> Exponent:
    return Exponent(*power.exponent(less, where))


def _sum(e: Exponent, above: Real, half_below: Real) -> Real:
    """e log 2 + 2 artanh s, s = above / (2 half_below)."""
    high, low = LOG2[above.format.name]
    t = above / half_below
    z = t * t
    return e.times(high) + (t + (t * z * polynomial(z, LOG[t.format.name]) + e.times(low)))


def _smallest(x: Real) -> float:
    """The smallest normal number."""
    return 2.0 ** (1 - x.format.bias)


def _ends(x: Real, y: Real, at: float) -> Real:
    """y, with infinities at `at` and at infinity, and NaN below and for NaN."""
    y = y.where(x < math.inf, x)
    return y.where(x > at, x.of(-math.inf).where(x.equals(at), math.nan))
