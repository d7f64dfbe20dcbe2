"""The elementary functions as formulas: no branches, no tables in memory, correct everywhere.

exp x = 2**n exp r with x = n log 2 + r, |r| <= log 2 / 2, and exp r = 1 + r + r**2 p(r);
log 2 is taken in two parts, the upper one so short that its products with n are exact.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Bits, Real, polynomial
from symgrad.generate.vector_coefficients import EXP, EXP2, EXP_LONG, LIMITS, LOG2
from symgrad.generate.vector_formats import has_scaling


def reduced(x: Real, rest: Real | None = None, most: float = math.inf) -> tuple[Bits, Real]:
    """n, at most so much, and r for x + rest between the limits of exp."""
    n, bits = (x * (1 / math.log(2))).nearest(most)
    high, low = LOG2[x.format.name]
    r = x - n * high - n * low
    return bits, r if rest is None else r + rest


def exp_of_rest(r: Real) -> Real:
    return polynomial(r, (1.0, 1.0, *EXP[r.format.name]))


def _more_of_rest(r: Real) -> Real:
    """exp(r) - 1"""
    return r * polynomial(r, (1.0, *EXP[r.format.name]))


def exp(x: Real) -> Real:
    return exp_of_sum(x, None)


def exp_of_sum(x: Real, rest: Real | None) -> Real:
    """exp(x + rest), |rest| much smaller than 1.

    No result is rounded to 0 or to a denormal number, for which processors take a hundred cycles:
    masked scores of a softmax are many.
    """
    name, bias = x.format.name, x.format.bias
    low, high = LIMITS[name].exp
    if has_scaling():
        counts = x.reaches(low)
        n, r = reduced(x.at_most(high).where(counts, 0.0), rest)
        return exp_of_rest(r).scaled(n).where(counts, 0.0)
    n, r = reduced(x.at_least(low).at_most(high), rest, most=bias)
    y = polynomial(r, (1.0, 1.0, *EXP_LONG[name]))
    surely = 0.0 if rest is None else 2.0**-10
    return y.in_units(n, denormal=x < (1 - bias) * math.log(2) - surely)


def scaled_exp(factor: Real, x: Real, rest: Real) -> Real:
    """factor exp(x + rest), x <= 0; rounded once where it is denormal."""
    counts = x.reaches(LIMITS[x.format.name].exp[0])
    n, r = reduced(x.where(counts, 0.0), rest)
    more = _more_of_rest(r)
    return (factor * more + factor).scaled(n).where(counts, 0.0)


def parts_of_exp(x: Real) -> tuple[Bits, Real]:
    """n and y - 1, exp(x) = 2**n y; x is at most where that is a number.

    f y = f (y - 1) + f is rounded less often than y and its product.
    """
    counts = x.reaches(LIMITS[x.format.name].exp[0])
    n, r = reduced(x.where(counts, 0.0))
    return n, _more_of_rest(r).where(counts, -1.0)


def exp_half(x: Real) -> Real:
    """exp(x) / 2, which is finite a little longer; for x >= 0."""
    n, r = reduced(x.at_most(LIMITS[x.format.name].exp[1] + 1.0))
    return exp_of_rest(r).scaled(n - 1)


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
    n, r = reduced(x)
    return n, r + r * r * polynomial(r, EXP[x.format.name])


def tanh(x: Real) -> Real:
    """e / (e + 2) with e = exp(2 x) - 1 = 2**(n + f) - 1, where 2 x is so small that 2**n is a
    number.  What n + f loses to rounding matters where tanh is next to 1 only, and there not."""
    last = LIMITS[x.format.name].tanh
    power, f = x.at_least(-last).at_most(last).turns(2 / math.log(2))
    e = power * (f * polynomial(f, EXP2[x.format.name])) - (1.0 - power)  # -0 for x = -0
    return e / (e + 2.0)


def exp_product(x: Real, y: Real) -> Real:
    """exp(x y) of the product before it is rounded: 745 (1 + 2**-53) has an error of 745 units."""
    p = x.times(y)
    lost = x.fused(y, -p)
    return exp_of_sum(p, lost.where(abs(lost) < 2.0**-12, 0.0))  # huge products have none
