"""Sine, cosine and tangent: an angle less the nearest multiple of a quarter turn, for every number.

Nearly all angles are small.  Of those n turns by pi are taken off for the sine, n - 1/2 for the
cosine, which is the rest's sine too, and n quarters for the tangent; in three parts: the first
product, fused with its subtraction, leaves an exact rest, the second a rounded one.

For all others x = M 2**k with whole M, so x 2/pi modulo 4 is M times (2**k 2/pi modulo 4), and the
latter stands in a table, a row for each exponent, to as many bits as the nearest multiple of a
quarter turn asks for (Payne and Hanek).  The products with M are exact: in float32 because the
table's first part is short, in float64 by fused multiplication and addition.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from symgrad.generate.vector_branches import out_of_line, unless_sure
from symgrad.generate.vector_code import Bits, Real, polynomial
from symgrad.generate.vector_coefficients import COS, SIN, SIN_LONG, TAN_ABOVE, TAN_BELOW
from symgrad.generate.vector_formats import DOUBLE, FLOAT, FORMATS
from symgrad.generate.vector_pairs import product, total

QUARTERS = {  # a quarter turn in parts
    "float32": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    "float64": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}
QUARTER = QUARTERS["float64"]
NEAR = {"float32": 2.0**15, "float64": 2.0**30}  # up to it the number of quarter turns is exact
SMALLEST = {"float32": -14, "float64": -28}  # of what the table has a row for
PARTS = {"float32": (29, 53), "float64": (53, 53, 53, 53)}  # bits; 29 + 24 fit into a double
BITS = 1400  # of 2 / pi: more than the largest exponent and what is behind it


@dataclass(frozen=True, slots=True)
class Rest:
    """An angle less a number of quarter turns."""

    quarters: Bits
    sin: Real
    cos: Real

    @property
    def odd(self) -> Any:
        return (self.quarters & 1).equals(1)


OfRest = Callable[[Real, Rest], Real]


def sin(x: Real) -> Real:
    """(-1)**n sin(x - n pi)"""
    a = abs(x)
    n, half_turns = (a * (1 / math.pi)).nearest()
    y = _sine(_less(a, n, turns=2))
    y = ((y.bits ^ _lowest(half_turns)) ^ (x.bits & x.sign)).real
    return _unless_far("sin", _sin, x, y)


def cos(x: Real) -> Real:
    """(-1)**n sin(x - (n - 1/2) pi)"""
    a = abs(x)
    n, half_turns = (a * (1 / math.pi) + 0.5).nearest()
    y = _sine(_less(a, n - 0.5, turns=2))
    return _unless_far("cos", _cos, x, (y.bits ^ _lowest(half_turns)).real)


def tan(x: Real) -> Real:
    """A quotient, or the negative inverse of it at an odd quarter."""
    a = abs(x)
    n, quarters = (a * (2 / math.pi)).nearest()
    r = _less(a, n)
    z = r * r
    above = r + r * z * polynomial(z, TAN_ABOVE[x.format.name])
    below = z * polynomial(z, TAN_BELOW[x.format.name]) + 1.0
    odd = (quarters & 1).equals(1)
    y = (-below).where(odd, above) / above.where(odd, below)
    return _unless_far("tan", _tan, x, (y.bits ^ (x.bits & x.sign)).real)


def _unless_far(name: str, of_rest: OfRest, x: Real, y: Real) -> Real:
    """y, but beyond `NEAR` what the function is of the rest."""
    near = abs(x) <= NEAR[x.format.name]

    def far() -> Real:
        return y.where(near, out_of_line(f"{name}.far", lambda x: of_rest(x, _far(x)), x))

    return unless_sure(near, y, far)


def _sin(x: Real, rest: Rest) -> Real:
    y = rest.cos.where(rest.odd, rest.sin)
    return ((y.bits ^ _sign(rest.quarters & 2)) ^ (x.bits & x.sign)).real


def _cos(x: Real, rest: Rest) -> Real:
    y = rest.sin.where(rest.odd, rest.cos)
    return (y.bits ^ _sign((rest.quarters + 1) & 2)).real


def _tan(x: Real, rest: Rest) -> Real:
    y = (-rest.cos).where(rest.odd, rest.sin) / rest.sin.where(rest.odd, rest.cos)
    return (y.bits ^ (x.bits & x.sign)).real


def _sign(two: Bits) -> Bits:
    """The sign bit where the bit of value 2 is set."""
    return two << (two.like.format.width - 2)


def _lowest(n: Bits) -> Bits:
    """The sign bit where n is odd."""
    return n << (n.like.format.width - 1)


def _less(a: Real, n: Real, turns: int = 1) -> Real:
    """An angle from 0 to `NEAR` less n times so many quarter turns."""
    for part in QUARTERS[a.format.name]:
        a = n.fused(-turns * part, a)
    return a


def _sine(r: Real) -> Real:
    """Of at most half a turn by pi and a little more."""
    z = r * r
    return r + r * z * polynomial(z, SIN_LONG[r.format.name])


def _far(x: Real) -> Rest:
    """Of |x|, whatever it is; NaN for infinities."""
    f = x.format
    exponent = abs(x).bits >> f.mantissa
    first = f.bias + SMALLEST[f.name]
    row = (exponent - first).where(x.of(2.0 ** SMALLEST[f.name]) <= abs(x), exponent & 0)
    whole = ((x.bits & ((1 << f.mantissa) - 1)) | ((f.bias + f.mantissa) << f.mantissa)).real
    parts = row.looked_up(f"quarters.{f.name}", quarter_turns(f.name))
    quarters, r, low = (_short if f.name == FLOAT.name else _long)(x, whole.to(DOUBLE), parts)
    return _rest(quarters, r.where(abs(x) < math.inf, math.nan), low)


def _rest(quarters: Bits, r: Real, low: Real | float = 0.0) -> Rest:
    """The rest r + low, of at most half a quarter turn."""
    z = r * r
    s = r * z * polynomial(z, SIN[r.format.name])
    c = z * z * polynomial(z, COS[r.format.name])
    if isinstance(low, Real):
        s, c = s + low * (1.0 - z * 0.5), c - r * low
    return Rest(quarters, r + s, 1.0 - z * 0.5 + c)


def _short(x: Real, whole: Real, parts: list[Real]) -> tuple[Bits, Real, float]:
    product = whole * parts[0]
    n, quarters = product.nearest()
    turn = product.minus(n) + whole * parts[1]
    return quarters.to(x), (turn * QUARTER[0]).to(FLOAT), 0.0


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
