"""Sine, cosine and tangent: the reduction of an angle by quarter turns, exact for every number.

x = M 2**k with whole M, so x 2/pi modulo 4 is M times (2**k 2/pi modulo 4), and the latter stands
in a table, a row for each exponent, to as many bits as the nearest multiple of a quarter turn asks
for (Payne and Hanek).  The products with M are exact: in float32 because the table's first part is
short, in float64 by fused multiplication and addition.
"""

from __future__ import annotations

import math
from functools import cache

from symgrad.generate.vector_code import Bits, Real, polynomial
from symgrad.generate.vector_coefficients import COS, SIN
from symgrad.generate.vector_formats import DOUBLE, FLOAT, FORMATS
from symgrad.generate.vector_pairs import product, total

QUARTER = (math.pi / 2, 6.123233995736766e-17)  # a quarter turn in two parts
SMALLEST = {"float32": -14, "float64": -28}  # below 2**this, sin x is x and cos x is 1
PARTS = {"float32": (29, 53), "float64": (53, 53, 53, 53)}  # bits; 29 + 24 fit into a double
BITS = 1400  # of 2 / pi: more than the largest exponent and what is behind it


def sin(x: Real) -> Real:
    quarters, s, c = _sine_and_cosine(x)
    y = c.where((quarters & 1).equals(1), s)
    y = ((y.bits ^ _sign(quarters & 2)) ^ (x.bits & x.sign)).real
    return _ends(x, x, y)


def cos(x: Real) -> Real:
    quarters, s, c = _sine_and_cosine(x)
    y = s.where((quarters & 1).equals(1), c)
    return _ends(x, x.of(1.0), (y.bits ^ _sign((quarters + 1) & 2)).real)


def tan(x: Real) -> Real:
    quarters, s, c = _sine_and_cosine(x)
    odd = (quarters & 1).equals(1)
    y = (-c).where(odd, s) / s.where(odd, c)
    return _ends(x, x, (y.bits ^ (x.bits & x.sign)).real)


def _sign(two: Bits) -> Bits:
    """The sign bit where the bit of value 2 is set."""
    return two << (two.like.format.width - 2)


def _ends(x: Real, small: Real, y: Real) -> Real:
    """y, but `small` next to 0 and NaN for infinities."""
    near = abs(x) < 2.0 ** SMALLEST[x.format.name]
    return small.where(near, y.where(abs(x) < math.inf, math.nan))


def _sine_and_cosine(x: Real) -> tuple[Bits, Real, Real]:
    """Quarter turns, and the sine and cosine of the rest of |x|."""
    f = x.format
    exponent = abs(x).bits >> f.mantissa
    first = f.bias + SMALLEST[f.name]
    row = (exponent - first).where(x.of(2.0 ** SMALLEST[f.name]) <= abs(x), exponent & 0)
    whole = ((x.bits & ((1 << f.mantissa) - 1)) | ((f.bias + f.mantissa) << f.mantissa)).real
    parts = row.looked_up(f"quarters.{f.name}", quarter_turns(f.name))
    quarters, r, rest = (_short if f.name == FLOAT.name else _long)(x, whole.to(DOUBLE), parts)
    z = r * r
    s = r + (r * z * polynomial(z, SIN[f.name]) + rest * (1.0 - z * 0.5))
    c = 1.0 - z * 0.5 + (z * z * polynomial(z, COS[f.name]) - r * rest)
    return quarters, s, c


def _short(x: Real, whole: Real, parts: list[Real]) -> tuple[Bits, Real, Real]:
    product = whole * parts[0]
    n, quarters = product.nearest()
    turn = product.minus(n) + whole * parts[1]
    return quarters.to(x), (turn * QUARTER[0]).to(FLOAT), x.of(0.0)


def _long(x: Real, whole: Real, parts: list[Real]) -> tuple[Bits, Real, Real]:
    (p0, e0), (p1, e1), (p2, e2) = (product(whole, part) for part in parts[:3])
    p0 = p0.minus((p0 * 0.25).nearest()[0] * 4.0)
    a, b = total(p0, e0)
    n, first = a.nearest()
    a, c = total(a.minus(n), p1)
    n, second = a.nearest()
    b, lost = total(b, c)
    d, lost_too = total(e1, p2)
    d, more = total(b, d)
    turn, rest = total(a.minus(n), d)
    rest = rest.plus(lost.plus(lost_too).plus(more).plus(e2.plus(whole * parts[3])))
    r = turn.times(QUARTER[0])
    low = turn.fused(QUARTER[0], -r) + (turn * QUARTER[1] + rest * QUARTER[0])
    return first + second, r, low


@cache
def quarter_turns(name: str) -> list[list[float]]:
    """2**k 2/pi modulo 4 in parts, for each exponent k of a whole number, smallest first."""
    f = FORMATS[name]
    exponents = range(SMALLEST[name] - f.mantissa, f.bias + 2 - f.mantissa)
    whole = _two_over_pi()
    shifted = (whole << k if k > 0 else whole >> -k for k in exponents)
    return [_parts(t % (4 << BITS), PARTS[name]) for t in shifted]


def _parts(t: int, lengths: tuple[int, ...]) -> list[float]:
    """t / 2**BITS as a sum of numbers with so many bits each."""
    parts = []
    for length in lengths:
        low = max(t.bit_length() - length, 0)
        parts.append(math.ldexp(t >> low, low - BITS))
        t %= 1 << low
    return parts


def _two_over_pi() -> int:
    """2 / pi times 2**BITS, by Machin's formula pi = 16 arctan(1/5) - 4 arctan(1/239)."""

    def inverse_tangent(n: int) -> int:
        term, total, k = (1 << BITS) // n, 0, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term, k = term // (n * n), k + 2
        return total

    return (2 << 2 * BITS) // (16 * inverse_tangent(5) - 4 * inverse_tangent(239))
