"""The error function and what is made of it: no branches, one division at most.

Far out erfc(a) = exp(-a**2) P / (a + c) with a polynomial in (a - c) / (a + c), which is 1 - 2 c t
for t = 1 / (a + c).  Where only 1 - erfc(a) is wanted, erfc is the 16th power of a polynomial.
"""

from __future__ import annotations

import math
from typing import Any

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import LIMITS
from symgrad.generate.vector_erf_coefficients import (
    BEND,
    ERF,
    ERF_FAR,
    ERF_MIDDLE,
    ERF_NEAR,
    ERFC,
    ERFC_CENTRE,
    GELU,
    GELU_CENTRE,
    SHIFT,
)
from symgrad.generate.vector_formulas import scaled_exp

ROOT_HALF = math.sqrt(0.5)
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
    y = _bell(1.0, a, *_scaled(a, ERFC_CENTRE))
    return (1.0 - _near(x)).where(a < NEAR, (2.0 - y).where(x < 0.0, y))


def _near(x: Real) -> Real:
    """erf x, |x| <= NEAR."""
    return x + x * polynomial(x * x, ERF_NEAR[x.format.name])


def _scaled(a: Real, c: float) -> tuple[Real, Real]:
    """exp(a**2) erfc(a), a >= NEAR, and its relative error; times c / ERFC_CENTRE of a / c."""
    t, q, lost = _quotient(a, c)
    return t * polynomial(q, ERFC[a.format.name]), lost


def _quotient(a: Real, c: float) -> tuple[Real, Real, Real]:
    """t = 1 / (a + c), q = SHIFT - 2 c t, and by what share t is too small, which q knows of."""
    w = a.plus(c)
    t = 1.0 / w
    lost = t.fused(-w, 1.0) - a.minus(w.minus(c)) * t
    return t, t.times_plus(-2.0 * c, SHIFT) - t * lost * (2.0 * c), lost


def gelu(x: Real) -> Real:
    """x erfc(t)/2, t = -x/sqrt(2), which has the digits of exp(-x**2/2) where it is small; NaN for
    minus infinity, as in torch."""
    b = abs(x)
    _, q, _ = _quotient(b, GELU_CENTRE)
    beyond = _bell(0.5, b, polynomial(q, GELU[x.format.name]))
    left = (-beyond).where(x > -math.inf, math.nan)
    return (x * _normal(x, b)).where(b < NEAR / ROOT_HALF, left.where(x < 0.0, x - beyond))


def gelu_slope(x: Real) -> Real:
    """erfc(t)/2 + x exp(-x**2/2)/sqrt(2 pi), gelu's derivative."""
    b = abs(x)
    near, below = b < NEAR / ROOT_HALF, x < 0.0
    tail, lost = _scaled(b, ERFC_CENTRE / ROOT_HALF)
    tail = tail + tail * lost
    beyond = _bell(0.5, b, b * BELL - b.of(0.0).where(near, tail * ROOT_HALF))
    return _normal(x, b).where(near, x.of(0.0).where(below, 1.0)) + (-beyond).where(below, beyond)


def _normal(x: Real, b: Real) -> Real:
    """erfc(-x/sqrt(2))/2 for small b = |x|."""
    return _near(b.with_sign_of(x) * ROOT_HALF) * 0.5 + 0.5


def _bell(k: float, b: Real, factor: Real, rest: Any = 0.0) -> Real:
    """exp(rest - k b**2) times a factor, which comes before what may be denormal is rounded."""
    square = b.times(b)
    return scaled_exp(factor, square * -k, b.fused(b, -square) * -k + rest)
