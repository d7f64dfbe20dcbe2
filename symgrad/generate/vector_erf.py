"""The error function and what is made of it: no branches, one division at most.

Far out erfc(a) = exp(-a**2) P / (sqrt(pi) a P + Q) with polynomials in a whose coefficients are all
positive: nothing cancels, and the quotient hardly knows of P's rounding errors.  Where only
1 - erfc(a) is wanted, erfc is the 16th power of a polynomial.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import LIMITS
from symgrad.generate.vector_erf_coefficients import (
    BEND,
    ERF,
    ERF_FAR,
    ERF_MIDDLE,
    ERF_NEAR,
    ERFC,
    NORMAL,
    Scaled,
)
from symgrad.generate.vector_formulas import scaled_exp

BELL = 1 / math.sqrt(2 * math.pi)
NEAR = 0.7  # up to it erfc is 1 less an odd polynomial


def erf(x: Real) -> Real:
    name, a = x.format.name, abs(x)
    small = a + a * polynomial(a * a, ERF[name])
    root = polynomial(a.at_most(LIMITS[name].erf) - ERF_MIDDLE[name], ERF_FAR[name])
    for _ in range(4):
        root = root * root
    return small.where(a < BEND, 1.0 - root).with_sign_of(x)


def erfc(x: Real) -> Real:
    """1 - erf x next to 0, else exp(-a**2), with the square as two numbers, times the rest."""
    a = abs(x)
    y = _bell(1.0, a, _scaled(a, ERFC[x.format.name]))
    return (1.0 - _near(x)).where(a < NEAR, (2.0 - y).where(x < 0.0, y))


def _near(x: Real) -> Real:
    """erf x, |x| <= NEAR."""
    return x + x * polynomial(x * x, ERF_NEAR[x.format.name])


def gelu(x: Real) -> Real:
    """x erfc(t)/2, t = -x/sqrt(2), which has the digits of exp(-x**2/2) where it is small; NaN for
    minus infinity, as in torch."""
    b = abs(x)
    beyond = _bell(0.5, b, _times_scaled(b, NORMAL[x.format.name]))
    left = (-beyond).where(x > -math.inf, math.nan)
    return left.where(x < 0.0, x - beyond)


def gelu_slope(x: Real) -> Real:
    """erfc(t)/2 + x exp(-x**2/2)/sqrt(2 pi), gelu's derivative."""
    b = abs(x)
    y = _bell(0.5, b, _scaled(b, NORMAL[x.format.name]) - b * BELL)
    return y.where(x < 0.0, 1.0 - y)


def _scaled(a: Real, table: Scaled) -> Real:
    """What the table is of."""
    a = a.at_most(table.last)
    p = polynomial(a, table.p)
    return p / (a * p).times_plus(table.slope, polynomial(a, table.q))


def _times_scaled(a: Real, table: Scaled) -> Real:
    """a times that; a P is rounded less often where a is small."""
    a = a.at_most(table.last)
    first, *rest = table.p
    above = a * a * polynomial(a, rest) + a * first
    return above / above.times_plus(table.slope, polynomial(a, table.q))


def _bell(k: float, b: Real, factor: Real) -> Real:
    """exp(-k b**2) times a factor, which comes before what may be denormal is rounded."""
    square = b.times(b)
    return scaled_exp(factor, square * -k, b.fused(b, -square) * -k)
