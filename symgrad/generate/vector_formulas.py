"""The elementary functions as formulas: no branches, no tables in memory, correct everywhere.

exp x = 2**n exp r with x = n log 2 + r, |r| <= log 2 / 2, and exp r = 1 + r + r**2 p(r);
log 2 is taken in two parts, the upper one so short that its products with n are exact.
"""

from __future__ import annotations

import math
from typing import Any

from symgrad.generate.vector_code import Bits, Real, polynomial
from symgrad.generate.vector_coefficients import (
    ERF,
    ERFC,
    ERFC_SCALED,
    EXP,
    EXP2,
    LIMITS,
    LOG2,
)

ROOT_HALF = math.sqrt(0.5)


def _reduced(x: Real, rest: Real | None = None) -> tuple[Bits, Real]:
    """n and r for x + rest between the limits of exp."""
    n, bits = (x * (1 / math.log(2))).nearest()
    high, low = LOG2[x.format.name]
    r = x - n * high - n * low
    return bits, r if rest is None else r + rest


def _exp_of_rest(r: Real) -> Real:
    return polynomial(r, (1.0, 1.0, *EXP[r.format.name]))


def exp(x: Real) -> Real:
    return exp_of_sum(x, None)


def exp_of_sum(x: Real, rest: Real | None, factor: Any = 1.0) -> Real:
    """factor exp(x + rest), |rest| much smaller than 1; rounded once where it is denormal.

    Where it is 0 that is not computed: processors take a hundred cycles to round a result to 0, and
    masked scores of a softmax are many.
    """
    low, high = LIMITS[x.format.name].exp
    counts = x.reaches(low)
    n, r = _reduced(x.at_most(high).where(counts, 0.0), rest)
    y = _exp_of_rest(r)
    return (y if factor == 1.0 else y * factor).scaled(n).where(counts, 0.0)


def exp_half(x: Real) -> Real:
    """exp(x) / 2, which is finite a little longer; for x >= 0."""
    n, r = _reduced(x.at_most(LIMITS[x.format.name].exp[1] + 1.0))
    return _exp_of_rest(r).scaled(n - 1)


def expm1(x: Real) -> Real:
    limits = LIMITS[x.format.name]
    n, q = _expm1_reduced(x.at_least(limits.minus_one).at_most(limits.exp[1]))
    half = (n - 1).power_of_two()  # 2**n would overflow before the result does
    y = q.where(n.equals(0), (half * q + (half - 0.5)) * 2.0)
    return x.where(abs(x) < limits.tiny, y)


def half_expm1(x: Real) -> Real:
    """(exp(x) - 1) / 2, which is finite a little longer; for 0 <= x < limits.exp[1] + 1."""
    n, q = _expm1_reduced(x)
    quarter = (n - 2).power_of_two()
    return (q * 0.5).where(n.equals(0), (quarter * q + (quarter - 0.25)) * 2.0)


def _expm1_reduced(x: Real) -> tuple[Bits, Real]:
    """n and exp(r) - 1, exp(x) = 2**n exp(r)."""
    n, r = _reduced(x)
    return n, r + r * r * polynomial(r, EXP[x.format.name])


def tanh(x: Real) -> Real:
    """e / (e + 2) with e = exp(2 x) - 1 = 2**(n + f) - 1, where 2 x is so small that 2**n is a
    number.  What n + f loses to rounding matters where tanh is next to 1 only, and there not."""
    last = LIMITS[x.format.name].tanh
    power, f = x.at_least(-last).at_most(last).turns(2 / math.log(2))
    e = power * (f * polynomial(f, EXP2[x.format.name])) - (1.0 - power)  # -0 for x = -0
    return e / (e + 2.0)


def sigmoid(x: Real) -> Real:
    e = exp(-abs(x))
    return x.of(1.0).where(x >= 0.0, e) / (e + 1.0)


def erf(x: Real) -> Real:
    name, a = x.format.name, abs(x)
    z = (a * a).at_most(1.0)
    small = a + a * polynomial(z, ERF[name])
    last = LIMITS[name].erf
    b = a.at_least(1.0).at_most(last)
    middle, half = (last + 1.0) / 2, (last - 1.0) / 2
    large = 1.0 - exp(-b * polynomial((b - middle) * (1 / half), ERFC[name]))
    return small.where(a < 1.0, large).with_sign_of(x)


def erfc(x: Real) -> Real:
    """1 - erf x up to 1/2; above it exp(-a**2), with the square as two numbers, times a polynomial
    over c + 2 a, where c = 65/32 makes its first coefficient almost exact in both formats."""
    a = abs(x)
    b = a.at_most(LIMITS[x.format.name].erfc)
    y = exp_product(-b, b) * _erfc_scaled(b)
    return (1.0 - _small_erf(x)).where(a < 0.5, (2.0 - y).where(x < 0.0, y))


def _small_erf(x: Real) -> Real:
    """erf x, |x| < 1."""
    return x + x * polynomial(x * x, ERF[x.format.name])


def _erfc_scaled(a: Real) -> Real:
    """exp(a**2) erfc(a), a >= 1/2."""
    return polynomial((a - 3.0) / (a + 3.0), ERFC_SCALED[a.format.name]) / (a * 2.0 + 65 / 32)


def exp_product(x: Real, y: Real) -> Real:
    """exp(x y) of the product before it is rounded: 745 (1 + 2**-53) has an error of 745 units."""
    p = x.times(y)
    lost = x.fused(y, -p)
    return exp_of_sum(p, lost.where(abs(lost) < 2.0**-12, 0.0))  # huge products have none


def gelu(x: Real) -> Real:
    """x erfc(t)/2, t = -x/sqrt(2), which has the digits of exp(-x**2/2) where it is small; NaN for
    minus infinity, as in torch."""
    b = _within_bell(x)
    beyond = _bell(b, b * _normal_tail(b))
    left = (-beyond).where(x > -math.inf, math.nan)
    return (x * _normal(x, b)).where(b < 0.7, left.where(x < 0.0, x - beyond))


def gelu_slope(x: Real) -> Real:
    """erfc(t)/2 + x exp(-x**2/2)/sqrt(2 pi), gelu's derivative."""
    b = _within_bell(x)
    near, below = b < 0.7, x < 0.0
    tail = b.of(0.0).where(near, _normal_tail(b))
    beyond = _bell(b, b * (1 / math.sqrt(2 * math.pi)) - tail)
    return _normal(x, b).where(near, x.of(0.0).where(below, 1.0)) + (-beyond).where(below, beyond)


def _normal(x: Real, b: Real) -> Real:
    """erfc(-x/sqrt(2))/2 for small b = |x|."""
    return _small_erf(b.with_sign_of(x) * ROOT_HALF) * 0.5 + 0.5


def _within_bell(x: Real) -> Real:
    """|x|, as far as exp(-x**2/2) is not 0."""
    return abs(x).at_most(math.sqrt(-2.0 * LIMITS[x.format.name].exp[0]))


def _bell(b: Real, factor: Real) -> Real:
    """exp(-b**2/2) times a factor, which comes before what may be denormal is rounded."""
    square = b.times(b)
    return exp_of_sum(square * -0.5, b.fused(b, -square) * -0.5, factor)


def _normal_tail(b: Real) -> Real:
    """exp(b**2/2) erfc(b/sqrt(2))/2, b >= 0.7, by the polynomial of erfc."""
    q = (b - 3.0 / ROOT_HALF) / (b + 3.0 / ROOT_HALF)
    return polynomial(q, ERFC_SCALED[b.format.name]) / (b * (4.0 * ROOT_HALF) + 65 / 16)
