"""The logistic function and what is made of it: quotients by 1 + exp(-x).

exp(-x) = 2**n y is infinite before the quotients are 0.  Far below 0 both sides of a quotient are
therefore 2**-64 of what they are: of exp(-x) that is an exponent n - 64.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Bits, Real
from symgrad.generate.vector_formulas import exp, exp_of_rest, reduced
from symgrad.generate.vector_logarithms import log_of_quotient
from symgrad.language.steady import LOW, SCALE

SMALL = 2.0**-SCALE


def sigmoid(x: Real) -> Real:
    """1 / (1 + exp(-x))"""
    return SMALL / (_small_exp(x) + SMALL)


def softplus(x: Real) -> Real:
    """max(x, 0) + log(1 + t), t = exp(-|x|): a quotient of exp(-x) and 1, or of 1 and exp(-x)."""
    e, below = _small_exp(x), x < 0.0
    t = log_of_quotient(x.of(SMALL).where(below, e), e.where(below, SMALL))
    return x.at_least(0.0) + t


def scaled_sigmoid(x: Real) -> Real:
    """sigmoid(x), and 2**64 of it where x < LOW, which is a normal number."""
    below = x < LOW
    n, y = _exp_of_negative(x, x.format.bias)
    power = (n - SCALE).where(below, n).power_of_two()
    return 1.0 / (power * y + x.of(SMALL).where(below, 1.0))


def unscaled(a: Real, s: Real, x: Real) -> Real:
    """a s, s = scaled_sigmoid(x) or so: rounded where it is denormal when nothing is to follow."""
    return a.times(s).times(x.of(SMALL).where(x < LOW, 1.0))


def logistic_slope(x: Real) -> Real:
    """s (1 - s) = e / (1 + e)**2, s = sigmoid(x), e = exp(-|x|)"""
    e = exp(-abs(x))
    return e / (e * (e + 2.0) + 1.0)


def _small_exp(x: Real) -> Real:
    """2**-64 exp(-x): infinite far below 0, and 0 far above it."""
    n, y = _exp_of_negative(x, x.format.bias - SCALE)
    return (n - SCALE).power_of_two() * y


def _exp_of_negative(x: Real, least: int) -> tuple[Bits, Real]:
    """n and y: exp(-x) = 2**n y, -least <= n; n - 64 is at most infinity's exponent."""
    most = x.format.bias + 1 + SCALE
    n, r = reduced(-x.at_least(-_exponents(most)).at_most(_exponents(least)))
    return n, exp_of_rest(r)


def _exponents(n: int) -> float:
    """A number x so that exp(x) = 2**n y."""
    return (n + 0.4) * math.log(2)
