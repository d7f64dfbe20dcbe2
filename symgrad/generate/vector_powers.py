"""x**y for real y: exp(y log |x|), with the logarithm to twice the precision.

y log |x| may be as large as 745, and its absolute error is the result's relative one: logarithms
are sums of two numbers, after Dekker.  Whole powers are products, of such numbers (in float32 of
float64's) where there are many factors: the error of x**n would be n roundings.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from operator import mul
from typing import Any

from symgrad.generate.powers import WHOLE as WHOLE
from symgrad.generate.powers import by_squaring
from symgrad.generate.powers import name as name
from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import LOG2, LOG_LONG, LOG_SHORT
from symgrad.generate.vector_formats import DOUBLE
from symgrad.generate.vector_formulas import exp_of_sum
from symgrad.generate.vector_logarithms import split
from symgrad.generate.vector_pairs import Pair, ordered_total

FEW = range(-3, 6)  # of so few factors a product of rounded ones is good
LARGEST = 800.0  # exp of it is infinite, exp of its negative 0
TWO_THIRDS = (2 / 3, 3.700743415417188e-17)  # in two parts


def power(x: Real, y: Real) -> Real:
    """x**y as C's pow has it: x**0 = 1**y = 1 even for NaN, NaN for negative x and broken y."""
    a, builder = abs(x), x.builder
    size = _size(a, y)
    whole, odd = _parity(y)
    signed = (size.bits | (x.bits & x.sign)).real.where(odd, size)
    broken = builder.and_(builder.and_(x < 0.0, a < math.inf), builder.not_(whole))
    result = x.of(math.nan).where(broken, signed)
    return x.of(1.0).where(builder.or_(y.equals(0.0), x.equals(1.0)), result)


def _parity(y: Real) -> tuple[Any, Any]:
    """Whether y is a whole number, and whether it is an odd one."""
    half = y * 0.5
    whole = y.rounded().equals(y)
    return whole, y.builder.and_(whole, y.builder.not_(half.rounded().equals(half)))


def _size(a: Real, y: Real) -> Real:
    """a**y; the logarithm is infinite or NaN where a is 0 or no finite number."""
    high, low = (precise_log if a.format.name == DOUBLE.name else short_log)(a)
    high = a.of(-math.inf).where(a.equals(0.0), high.where(a < math.inf, a))
    y = y.at_least(-(2.0**100)).at_most(2.0**100)  # decided long before; its halves are finite
    p = y.times(high)
    rest = y.fused(high, -p) + y * low
    return exp_of_sum(p, rest.where(abs(p) < LARGEST, 0.0))


def short_log(a: Real) -> tuple[Real, Real]:
    """log a = e log 2 + 2 s + s**3 p(s**2) in float32, to 30 bits: the cube is a hundredth of s."""
    e, m = split(a)
    s, s_low = _quotient(m)
    z = s.times(s)
    w = z.times(polynomial(z, LOG_SHORT["float32"]))
    q = s.times(w)
    lost = s.fused(w, -q) + s_low * (z * 2.0 + 2.0)
    log2, log2_low = LOG2["float32"]
    high, first = ordered_total(s.times(2.0), q)
    total, second = ordered_total(e.times(log2), high)
    return total, second + (first + (lost + e.times(log2_low)))


def precise_log(a: Real) -> tuple[Real, Real]:
    """log a = e log 2 + 2 s + 2/3 s**3 + s**5 p(s**2), s = (m - 1) / (m + 1), as two numbers."""
    e, m = split(a)
    s, s_low = _quotient(m)
    z = s.times(s)
    z_low = s.fused(s, -z) + s * s_low * 2.0
    w = z * polynomial(z, LOG_LONG["float64"])
    t = w.plus(TWO_THIRDS[0])
    t_low = w.minus(t.minus(TWO_THIRDS[0])) + TWO_THIRDS[1]
    cube = s.times(z)
    cube_low = s.fused(z, -cube) + (s * z_low + s_low * z)
    q = cube.times(t)
    q_low = cube.fused(t, -q) + (cube * t_low + cube_low * t)
    log2, log2_low = LOG2["float64"]
    high, first = ordered_total(s.times(2.0), q)
    total, second = ordered_total(e.times(log2), high)
    return total, second + (first + (s_low * 2.0 + q_low + e.times(log2_low)))


def _quotient(m: Real) -> tuple[Real, Real]:
    """(m - 1) / (m + 1) as two numbers."""
    f, u = m.minus(1.0), m.plus(1.0)
    u_low = m.minus(u.minus(1.0))
    inverse = 1.0 / u
    s = f.times(inverse)
    return s, (s.fused(-u, f) - s * u_low) * inverse


# ---- whole powers


def whole(k: int) -> Callable[[Real], Real]:
    """x**k as a formula."""
    return functools.partial(_whole_power, k=k)


def _whole_power(x: Real, k: int) -> Real:
    """The inverse comes first: x**-k may be a number where x**k is none."""
    if k in FEW:
        return by_squaring(x if k > 0 else 1.0 / x, abs(k), mul)
    if x.format.name != DOUBLE.name:
        wide = by_squaring(x.to(DOUBLE), abs(k), mul)
        return (wide if k > 0 else 1.0 / wide).to(x.format)
    one = x.of(1.0)
    result = by_squaring(Pair(x, one * 0.0) if k > 0 else _inverse(x), abs(k), mul)
    y = result.high.plus(result.low)
    y = y.where(abs(y) < math.inf, result.high)  # what is infinite has lost NaN
    return result.high.where(result.low.equals(0.0), y)  # -0


def _inverse(x: Real) -> Pair:
    y = 1.0 / x
    return Pair(y, x.fused(-y, 1.0) * y)
