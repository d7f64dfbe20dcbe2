"""The cube root of 2**(3 q) z: 2**q times that of z, which lies between 2**(-3/2) and 2**(3/2).

r = z**(-1/3) is a polynomial to three digits, then r (1 - h)**(-1/3), h = 1 - z r**3, by the first
terms of the binomial series; y = z r**2 is corrected by (z - y**3) / (3 y**2), where 1 / y is r.
"""

from __future__ import annotations

import math

from symgrad.generate.vector_code import Real, polynomial
from symgrad.generate.vector_logarithms import split

# z**(-1/3), of the least relative error
ROUGH = (
    2.015117883682251, -2.3866851329803467, 2.3059632778167725, -1.235460638999939,
    0.3344813585281372, -0.03568008542060852,
)  # fmt: skip
SERIES = {"float32": (1 / 3,), "float64": (1 / 3, 2 / 9, 14 / 81)}  # ((1 - h)**(-1/3) - 1) / h


def cbrt(x: Real) -> Real:
    e, m = split(abs(x))
    q, bits = e.times(1 / 3).nearest()
    s = e.times(1.0) - q * 3.0
    z = (m * 2.0).where(s > 0.5, (m * 0.5).where(s < -0.5, m))
    r = polynomial(z, ROUGH)
    h = 1.0 - z * r * (r * r)
    r = r + r * h * polynomial(h, SERIES[x.format.name])
    square = r * r
    y = z * square
    y = y + (y * y).fused(-y, z) * (square * (1 / 3))
    y = (y * bits.power_of_two()).with_sign_of(x)
    return y.where(x.builder.and_(abs(x) > 0.0, abs(x) < math.inf), x)
