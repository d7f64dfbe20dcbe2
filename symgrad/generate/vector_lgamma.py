"""The logarithm of the gamma function of positive numbers: three pieces and one logarithm.

Around 1 and 2 log Gamma(x) = t s(t) for t = x - 2, and log Gamma(x) = t s(t) - log x for t = x - 1;
from 5/2 on it is (x - 2) r(x), from 13/2 on Stirling's series.  Next to 1 t s(t) and log x cancel:
with log x = l + l**3 p and l = t - t l / 2 there remains t (s(t) - 1) + t l / 2 - l**3 p.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import LOG, LOG2, Table
from symgrad.generate.vector_logarithms import split

LOW, MIDDLE, HIGH = 1.34375, 2.5, 6.5  # where pieces begin
REST = 0.41893853320467274  # log(2 pi)/2 - 1/2

# (log Gamma(2 + t) - t) / t, -1 <= t <= 1/2
AROUND_2: Table = {
    "float32": (
        -0.5772156715393066, 0.32246696949005127, -0.06735167652368546,
        0.020583370700478554, -0.007395813707262278, 0.002856326522305608,
        -0.0011480663670226932, 0.000689378590323031, -0.00021500517323147506,
        -0.00021793968335259706, -0.0002956525713670999,
    ),
    "float64": (
        -0.5772156649015329, 0.3224670334241129, -0.06735230105319384, 0.020580808427846802,
        -0.007385551029035139, 0.002890510327028577, -0.0011927539011538852,
        0.0005096696283735902, -0.00022315487657846307, 9.945593172353576e-05,
        -4.492621965754947e-05, 2.052112179152096e-05, -9.427875771178089e-06,
        4.305907076966401e-06, -2.1518460928346406e-06, 1.1156364453172614e-06,
        3.2532459570874875e-08, 2.3775672669459377e-07, -1.0296350609236045e-06,
        -8.076196778855336e-07, 3.550466122295931e-07, 1.1222793725066633e-06,
        7.233021933989627e-07, 1.7672236798107937e-07,
    ),
}  # fmt: skip

# log Gamma(x) / (x - 2), v = x - 9/2 from -2 to 2
ABOVE: Table = {
    "float32": (
        0.981494665145874, 0.1629505604505539, -0.015435303561389446, 0.0020700511522591114,
        -0.0003224777174182236, 5.508589674718678e-05, -1.0025922165368684e-05,
        1.64494645105151e-06, -2.691740235150064e-07, 1.0905866076882376e-07,
        -2.615705874120522e-08,
    ),
    "float64": (
        0.9814946283369769, 0.16295051920902073, -0.015435187075805806,
        0.0020702867422558477, -0.0003227395545343181, 5.475997686952226e-05,
        -9.809404243606327e-06, 1.8244456814987263e-06, -3.4874158871479636e-07,
        6.805575208952828e-08, -1.3496409697139119e-08, 2.7112089965679258e-09,
        -5.503691371906041e-10, 1.1254716334489112e-10, -2.3159592373214284e-11,
        4.86988068492641e-12, -1.0330844288931952e-12, 1.9166499612749802e-13,
        -3.56350278557695e-14, 1.3652630853913801e-14, -3.660209875921343e-15,
        -1.9914862781538621e-16, 1.159290455512054e-16, 6.489728987084858e-17,
        -1.691942648464217e-17,
    ),
}  # fmt: skip

# x (log Gamma(x) - (x - 1/2) log x + x - log(2 pi)/2), w = 1 / x**2 <= 1 / HIGH**2
FAR: Table = {
    "float32": (
        0.08333327621221542, -0.0027593160048127174,
    ),
    "float64": (
        0.08333333333333294, -0.002777777776572746, 0.0007936501891441933,
        -0.0005951266395393169, 0.0008323505606936861, -0.0015403777545111507,
    ),
}  # fmt: skip


def lgamma(x: Real) -> Real:
    """log Gamma(x), x >= 0 or NaN."""
    name = x.format.name
    log, more = _logarithm(x)
    first, *others = AROUND_2[name]
    one = x < LOW
    t = (x - 1.0).where(one, x - 2.0)
    s = t * polynomial(t, others) + x.of(first).where(one, first + 1.0)
    low = t * s + more.where(one, 0.0)
    middle = (x - 2.0) * polynomial(x - 4.5, ABOVE[name])
    inverse = 1.0 / x
    high = (x - 0.5) * (log - 1.0) + (inverse * polynomial(inverse * inverse, FAR[name]) + REST)
    y = low.where(x < MIDDLE, middle.where(x < HIGH, high))
    return x.of(math.inf).where(x.equals(0.0), y)


def _logarithm(x: Real) -> tuple[Real, Real]:
    """log x, and x - 1 - log x with all its digits next to 1."""
    high, low = LOG2[x.format.name]
    e, m = split(x)
    f = m - 1.0
    t = f / (m * 0.5 + 0.5)
    z = t * t
    rest = t * z * polynomial(z, LOG[x.format.name])
    log = e.times(high) + (t + (rest + e.times(low)))
    return log, (f * t).times(0.5).minus(rest).where(m.equals(x), (x - 1.0) - log)
