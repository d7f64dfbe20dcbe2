"""The derivative of log Gamma: polynomials times the distance from its positive root, and from 6 on
its asymptotic series; below 0 by reflection, in float32 by way of float64.

Between its poles below 0 the reflection formula's terms cancel.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_branches import out_of_line, unless_sure
from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_coefficients import COS, SIN, Table
from symgrad.generate.vector_formats import DOUBLE
from symgrad.generate.vector_logarithms import log

MIDDLE, HIGH = 2.0, 6.0  # where pieces begin
ROOT = {  # in two parts
    "float32": (1.4616321325302124, 1.243815006546356e-08),
    "float64": (1.4616321449683622, 9.549995429965697e-17),
}

# digamma(x) / (x - root), u = x - 3/2 from -1/2 to 1/2
AROUND: Table = {
    "float32": (
        0.9510558843612671, -0.42362749576568604, 0.24054262042045593, -0.1483987718820572,
        0.0949820950627327, -0.06205723434686661, 0.0408792719244957, -0.02578016370534897,
        0.016980569809675217, -0.01638561300933361, 0.011118562892079353,
    ),
    "float64": (
        0.951055876031833, -0.4236274212814606, 0.24054248424077396, -0.1484049230538902,
        0.09498872445497708, -0.06192213327468678, 0.04076083381057618,
        -0.026975796691557436, 0.01790725248758472, -0.011908219413802051,
        0.007926943925353848, -0.0052799463195547115, 0.0035190129743752053,
        -0.0023454203464332115, 0.001556594677597269, -0.0010368440095612278,
        0.0007234529317614695, -0.0004847254934710821, 0.0002269949704502483,
        -0.00014698447758416166, 0.00025987569895370244, -0.0001765590873391525,
    ),
}  # fmt: skip

# the same for v = x - 4 from -2 to 2
ABOVE: Table = {
    "float32": (
        0.4948524832725525, -0.08313582837581635, 0.01698567345738411,
        -0.0037463849876075983, 0.0008603745372965932, -0.00020124732691328973,
        4.7988178266678005e-05, -1.2653225894609932e-05, 3.1527679311693646e-06,
        -3.370552974502061e-07, 6.800674157148023e-08, -1.0396398408829555e-07,
        2.6997314606092004e-08,
    ),
    "float64": (
        0.4948524958436903, -0.08313591731327073, 0.01698573794387092,
        -0.003745786185498342, 0.0008601028315317429, -0.00020240681760132936,
        4.840780119316434e-05, -1.1707284303129805e-05, 2.8540866085558332e-06,
        -6.998768436120229e-07, 1.7237530811570905e-07, -4.259682554850435e-08,
        1.0552921568573662e-08, -2.618133769805836e-09, 6.507294047492616e-10,
        -1.6300977677833168e-10, 4.068787213914248e-11, -9.549614648587876e-12,
        2.348217669656821e-12, -8.255939553019189e-13, 2.1635106762906848e-13,
        1.4395966055078506e-14, -5.721674729395505e-15, -1.2088025337276383e-14,
        3.3088923879993213e-15, 9.2981122548852e-16, -2.5544245374918256e-16,
        -7.124157849646623e-17, 1.8629969236189936e-17,
    ),
}  # fmt: skip

# (log x - 1 / (2 x) - digamma(x)) x**2, w = 1 / x**2 <= 1 / HIGH**2
FAR: Table = {
    "float32": (
        0.08333296328783035, -0.008226168341934681,
    ),
    "float64": (
        0.08333333333333297, -0.008333333332038638, 0.003968253204092439,
        -0.0041664966913780395, 0.0075575549491223555, -0.020067834185703834,
        0.052903381431049036,
    ),
}  # fmt: skip


def digamma(x: Real) -> Real:
    """NaN at -1, -2 ..., infinite of either sign at 0."""
    positive = x.reaches(0.0)
    y = _above(x)

    def elsewhere() -> Real:
        return y.where(positive, out_of_line("digamma.below", _below, x))

    return unless_sure(positive, y, elsewhere)


def _above(x: Real) -> Real:
    """x >= 0 or NaN; below 1 it is digamma(x + 1) - 1 / x."""
    name, one, inverse = x.format.name, x < 1.0, 1.0 / x
    root, rest = ROOT[name]
    distance = (x - (root - 1.0)).where(one, x - root) - rest
    around = polynomial((x - 0.5).where(one, x - 1.5), AROUND[name])
    slope = around.where(x < MIDDLE, polynomial(x - 4.0, ABOVE[name]))
    low = distance.times_plus(slope, (-inverse).where(one, 0.0))
    w = inverse * inverse
    high = log(x) - w.times_plus(polynomial(w, FAR[name]), inverse.times(0.5))
    return low.where(x < HIGH, high)


def _below(x: Real) -> Real:
    """digamma(1 - x) - pi cot(pi x), the cotangent by sine and cosine of half of its angle."""
    if x.format.name != DOUBLE.name:
        return _below(x.to(DOUBLE)).to(x.format)
    r = (x - x.rounded()) * (math.pi / 2)
    z = r * r
    s = r * (z * polynomial(z, SIN["float64"]) + 1.0)
    c = 1.0 - z * 0.5 + z * z * polynomial(z, COS["float64"])
    y = _above(1.0 - x) - math.pi * ((c - s) * (c + s)) / (s * c * 2.0)
    return x.of(math.nan).where(s.equals(0.0), y)
