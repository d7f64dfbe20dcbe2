"""Hyperbolic functions, and the inverses of trigonometric and hyperbolic ones."""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import ASIN, ATAN, ATAN_LONG, LIMITS, PI
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


def atan(x: Real) -> Real:
    """A turn by 0, 1/4 or 1/2 pi first."""
    a, name = abs(x), x.format.name
    third = a > math.sqrt(2) + 1
    second = a > math.sqrt(2) - 1
    above = a.of(-1.0).where(third, (a - 1.0).where(second, a))
    below = a.where(third, (a + 1.0).where(second, 1.0))
    high, low = (a.of(p / 2).where(third, a.of(p / 4).where(second, 0.0)) for p in PI[name])
    t = above / below
    z = t * t
    return (high + (t + (t * z * polynomial(z, ATAN[name]) + low))).with_sign_of(x)


def atan2(y: Real, x: Real) -> Real:
    """The angle of (x, y), from -pi to pi, for zeros and infinities as C's atan2 has it.

    Of the smaller number by the larger one, which needs no other turn: their sum may overflow.
    """
    a, b, name = abs(y), abs(x), x.format.name
    steep = a > b
    equal = a.of(1.0).where(a > 0.0, a)  # also of infinities; 0 of zeros
    t = equal.where(a.equals(b), b.where(steep, a) / a.where(steep, b))
    z = t * t
    angle = t + t * z * polynomial(z, ATAN_LONG[name])
    high, low = PI[name]
    angle = (high * 0.5 - (angle - low * 0.5)).where(steep, angle)
    left = (x.bits >> (x.format.width - 1)).equals(1)
    return (high - (angle - low)).where(left, angle).with_sign_of(y)


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
