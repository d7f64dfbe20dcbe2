"""The cube root a r**2 (1 - h)**(-2/3), h = 1 - a r**3, for any r: r is nearly a**(-1/3).

A number's bits are nearly its logarithm, so the difference of a constant and their third are nearly
those of r, to 4%; in float64 r is refined by r (1 - h)**(-1/3).  Half of its digits are 0, so that
its square is exact, and h is the rest of a rounded product.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Real, polynomial

LEAST_OF_LOGARITHM = 4 / 3, 0.0680333  # with it |h| <= 0.1021, as far above 0 as below

# ((1 - h)**(-1/3) - 1) / h, |h| <= 0.103, of the least error
REFINED = {
    "float64": (0.333331555971989, 0.2222176122464163, 0.17417525959094943, 0.14560486421660299)
}
# ((1 - h)**(-2/3) - 1) / h; in float64 of |h| <= 2**-20
LAST = {
    "float32": (
        0.6666666865348816, 0.5555555820465088, 0.4938027262687683, 0.4526429772377014,
        0.428616464138031, 0.40554100275039673,
    ),
    "float64": (2 / 3, 5 / 9),
}  # fmt: skip


def cbrt(x: Real) -> Real:
    name, k = x.format.name, x.format.mantissa // 3 + 1
    denormal = abs(x) < 2.0 ** (1 - x.format.bias)
    a = (abs(x) * 2.0 ** (3 * k)).where(denormal, abs(x))
    r = _rough(a)
    if name in REFINED:
        h = 1.0 - a * r * (r * r)
        r = (r + r * h * polynomial(h, REFINED[name])).half_of_digits()
    y = a * (r * r)
    h = y.fused(-r, 1.0)
    y = y + y * h * polynomial(h, LAST[name])
    y = (y * 2.0**-k).where(denormal, y).with_sign_of(x)
    return y.where(abs(x) < math.inf, x)


def _rough(a: Real) -> Real:
    """a**(-1/3), half of its digits 0: a number with a's upper bits, or r's, behind the point."""
    f = a.format
    rest = f.mantissa // 2 + 1
    one = 2.0**f.mantissa  # in units of its last place
    third, less = LEAST_OF_LOGARITHM
    bits = ((a.bits >> rest) | a.of(one).bits).real
    constant = one * third + (third * f.bias - less) * 2.0 ** (f.mantissa - rest)
    return (bits.times_plus(-1 / 3, constant).bits << rest).real
