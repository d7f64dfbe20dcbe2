"""Numbers of the elementary functions: polynomials, split constants, limits.

Each polynomial is the interpolation of its function, named beside it, at the Chebyshev nodes of its
interval; the tests compute them anew with mpmath.
"""

from __future__ import annotations

from dataclasses import dataclass

Table = dict[str, tuple[float, ...]]

# (exp(r) - 1 - r) / r**2, |r| <= log(2) / 2
EXP: Table = {
    "float32": (
        0.5,
        0.1666666716337204,
        0.041666463017463684,
        0.00833331048488617,
        0.0013933731243014336,
        0.000198910798644647,
    ),
    "float64": (
        0.5,
        0.1666666666666667,
        0.04166666666666667,
        0.008333333333326084,
        0.0013888888888883711,
        0.0001984126987500228,
        2.480158732567746e-05,
        2.755725517000089e-06,
        2.755727347871858e-07,
        2.5105312729622103e-08,
        2.09147553258932e-09,
    ),
}

# (2 artanh(s) / s - 2) / z, z = s**2 <= ((sqrt(2) - 1) / (sqrt(2) + 1))**2
LOG: Table = {
    "float32": (
        0.6666666865348816,
        0.4000012278556824,
        0.28550803661346436,
        0.23330964148044586,
    ),
    "float64": (
        0.666666666666667,
        0.3999999999989924,
        0.2857142862609589,
        0.2222221111514416,
        0.18182890556695602,
        0.1533167403016786,
        0.1461703754879165,
    ),
}

# log 2 in two parts: the product of the first with an exponent is exact
LOG2: Table = {
    "float32": (0.693145751953125, 1.4286068203094173e-06),
    "float64": (0.6931471805601177, -1.7239444525614835e-13),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Where functions saturate, in one format.

    exp:        below the first exp is 0, above the second infinite
    minus_one:  below it expm1 is -1
    tiny:       below it, by absolute value, expm1 x and log1p x are x
    tanh:       above it tanh is 1
    """

    exp: tuple[float, float]
    minus_one: float
    tiny: float
    tanh: float


LIMITS = {
    "float32": Limits(exp=(-105.0, 89.0), minus_one=-20.0, tiny=2.0**-25, tanh=10.0),
    "float64": Limits(exp=(-747.0, 710.0), minus_one=-40.0, tiny=2.0**-54, tanh=22.0),
}
