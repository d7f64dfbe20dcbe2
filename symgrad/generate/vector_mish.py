"""mish and its derivative, both of one exponential and one division.

Far below 0 they are x exp(x): the power of two of exp(x) = 2**n y is multiplied by last, so that
what is denormal is rounded once.
"""

from __future__ import annotations

from symgrad.generate.vector_code import Bits, Real
from symgrad.generate.vector_formulas import parts_of_exp

SELF = {"float32": 11.0, "float64": 22.0}  # above it mish(x) is x
ONE = 30.0  # above it the slope is 1, in all digits of what computes it
LEAST = -1e30  # far below what has a slope; a multiple of it is finite


def mish(x: Real) -> Real:
    """x tanh(log(1 + e)) = x q / (q + 2), q = e (e + 2), e = exp(x)"""
    n, more, e, w = _parts(x)
    f = x * ((e + 2.0) * w)
    y = (f * more + f).scaled(n)
    return x.where(x > SELF[x.format.name], (y.bits | (x.bits & x.sign)).real)  # -0


def mish_slope(x: Real) -> Real:
    """q w + 4 x e (1 + e) w**2, w = 1 / (q + 2)"""
    n, more, e, w = _parts(x)
    near = x.at_most(ONE).at_least(LEAST)
    f = w * ((e + 2.0) + near * (w * 4.0) * (e + 1.0))
    return (f * more + f).scaled(n)


def _parts(x: Real) -> tuple[Bits, Real, Real, Real]:
    """n, y - 1, e and w."""
    n, more = parts_of_exp(x.at_most(ONE))
    e = (more + 1.0).scaled(n)
    return n, more, e, 1.0 / (e * (e + 2.0) + 2.0)
