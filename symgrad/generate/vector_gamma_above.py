"""The gamma function of positive numbers: next to 2 a polynomial, to 13/2 by recurrence from there,
then exp of Stirling's series, which is a sum of two numbers.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import Table
from symgrad.generate.vector_formats import DOUBLE
from symgrad.generate.vector_formulas import exp_of_sum
from symgrad.generate.vector_lgamma import FAR, HIGH
from symgrad.generate.vector_pairs import ordered_total, product
from symgrad.generate.vector_powers import LARGEST, precise_log, short_log

SMALL = 2.0**-60  # below it Gamma(x) is 1 / x
BEYOND = 200.0  # of which Gamma is infinite in both formats
HALF_LOG_TURN = math.log(2.0 * math.pi) / 2

# Gamma(2 + t), -1 <= t <= 1/2
NEXT_TO_2: Table = {
    "float32": (
        1.0, 0.4227839410305023, 0.41184002161026, 0.08159440010786057, 0.07426900416612625,
        -0.0004805784847121686, 0.010823123157024384, -0.001958918059244752,
        0.0040229992009699345, -0.0015505985356867313, -0.003064625896513462,
        -0.0024977177381515503,
    ),
    "float64": (
        1.0, 0.42278433509846713, 0.41184033042645274, 0.08157691924709437,
        0.07424901075207344, -0.0002669820704556823, 0.011154045779375838,
        -0.002852645716690681, 0.002103932048894571, -0.0009195767559696557,
        0.0004904031920532527, -0.00024089740652516098, 0.00012158661233310459,
        -6.117733786469857e-05, 3.0607680548751054e-05, -1.3289223594662936e-05,
        8.772958005588987e-06, -9.005242324244405e-06, -5.810648011083094e-06,
        3.2775395834848324e-06, 1.778219746871955e-05, 9.476014842008313e-06,
        -9.988297097899996e-06, -1.714515899811615e-05, -9.365199175811157e-06,
        -1.981484642898435e-06,
    ),
}  # fmt: skip


def gamma(x: Real) -> Real:
    """x >= 0 or NaN."""
    inverse = 1.0 / x
    return _low(x, inverse).where(x < HIGH, _stirling(x, inverse))


def _low(x: Real, inverse: Real) -> Real:
    """Gamma(x + 1) / x below 3/2, (x - 1) ... (x - n) Gamma(x - n) from 5/2 on."""
    one, n = x < 1.5, x.rounded()
    t = (x - 1.0).where(one, x - n)
    y = polynomial(t, NEXT_TO_2[x.format.name])
    quotient = y * inverse
    quotient = quotient + quotient.fused(-x, y) * inverse  # rounded as often as a division
    y = inverse.where(x < SMALL, quotient.where(one, y))
    for k in range(1, math.ceil(HIGH) - 2):
        y = y * (x - float(k)).where(n >= k + 2.0, 1.0)
    return y


def _stirling(x: Real, inverse: Real) -> Real:
    """exp((x - 1/2) log x - x + log(2 pi)/2 + 1 / (12 x) - ...)"""
    x = x.at_most(BEYOND)
    high, low = (precise_log if x.format.name == DOUBLE.name else short_log)(x)
    m = x.minus(0.5)
    p, first = product(m, high)
    s, second = ordered_total(p, -x)
    more = inverse * polynomial(inverse * inverse, FAR[x.format.name]) + HALF_LOG_TURN
    total, third = ordered_total(s, more)
    rest = (m * low + first) + (second + third)
    return exp_of_sum(total, rest.where(total < LARGEST, 0.0))
