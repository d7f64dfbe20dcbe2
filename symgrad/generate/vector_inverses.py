"""Hyperbolic functions, and the inverses of trigonometric and hyperbolic ones."""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import ASIN, ATAN, LIMITS, PI
from symgrad.generate.vector_formulas import exp_half, half_expm1


def sinh(x: Real) -> Real:
    """h + h / (2 h + 1), h = (exp(a) - 1) / 2, which is finite where the result is."""
    a, limits = abs(x), LIMITS[x.format.name]
    h = half_expm1(a.at_most(limits.exp[1] + 0.6))
    g = h.at_most(2.0**100)  # beyond, the quotient is nothing beside h, which may be infinite
    y = h + g / (g * 2.0 + 1.0)
    return a.where(a < limits.tiny, y).with_sign_of(x)


def cosh(x: Real) -> Real:
    e = exp_half(abs(x))
    return e + 0.25 / e


def _arctangent(a: Real, one: Real) -> Real:
    """arctan(a / one) for numbers that are not negative: a turn by 0, 1/4 or 1/2 pi first."""
    third = a > one * (math.sqrt(2) + 1)
    second = a > one * (math.sqrt(2) - 1)
    above = (-one).where(third, (a - one).where(second, a))
    below = a.where(third, (a + one).where(second, one))
    high, low = (a.of(p).where(third, a.of(p / 2).where(second, 0.0)) for p in PI[a.format.name])
    t = above / below
    z = t * t
    return high * 0.5 + (t + (t * z * polynomial(z, ATAN[a.format.name]) + low * 0.5))


def atan(x: Real) -> Real:
    return _arctangent(abs(x), x.of(1.0)).with_sign_of(x)


def atan2(y: Real, x: Real) -> Real:
    """The angle of (x, y), from -pi to pi, for zeros and infinities as C's atan2 has it."""
    a, b = _moderate(abs(y), abs(x))
    angle = _arctangent(a, b.of(1.0).where((a + b).equals(0.0), b))
    high, low = PI[x.format.name]
    left = (x.bits >> (x.format.width - 1)).equals(1)
    return (high - (angle - low)).where(left, angle).with_sign_of(y)


def _moderate(a: Real, b: Real) -> tuple[Real, Real]:
    """Numbers of the same quotient whose sums neither overflow nor are denormal."""
    infinite = a.builder.and_(a.equals(math.inf), b.equals(math.inf))
    a, b = (c.of(1.0).where(infinite, c) for c in (a, b))
    bias = a.format.bias
    large = a.builder.or_(a > 2.0 ** (bias - 3), b > 2.0 ** (bias - 3))
    small = a.builder.and_(a < 2.0 ** (60 - bias), b < 2.0 ** (60 - bias))
    scale = a.of(2.0**-4).where(large, a.of(2.0**60).where(small, 1.0))
    return a * scale, b * scale


def _arcsine(t: Real, z: Real) -> Real:
    """arcsin(t), t = sqrt(z) <= 1/2."""
    return t + t * z * polynomial(z, ASIN[t.format.name])


def asin(x: Real) -> Real:
    a = abs(x)
    near_one, z, t = _near_one(a)
    s = _arcsine(t, z)
    high, low = PI[x.format.name]
    y = (high * 0.5 - s * 2.0 + low * 0.5).where(near_one, s)
    return y.with_sign_of(x)


def acos(x: Real) -> Real:
    near_one, z, t = _near_one(abs(x))
    s = _arcsine(t, z)
    high, low = PI[x.format.name]
    ends = (high - (s * 2.0 - low)).where(x < 0.0, s * 2.0)
    return ends.where(near_one, high * 0.5 - (s.with_sign_of(x) - low * 0.5))


def _near_one(a: Real) -> tuple:
    """Whether a > 1/2, and the square and the number whose arc sine is wanted."""
    near_one = a > 0.5
    z = ((1.0 - a) * 0.5).where(near_one, a * a)
    return near_one, z, z.square_root().where(near_one, a)
