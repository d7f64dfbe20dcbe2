"""Numbers to twice the precision: sums of two, high + low, after Dekker and Knuth.

`total` and `product` are exact.  A Pair's own sums and products are good to about 100 bits in
float64; its low part is small beside the high one, but where high parts have cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symgrad.generate.vector_code import Real


def total(x: Real, y: Any) -> tuple[Real, Real]:
    """x + y and its rounding error."""
    s = x.plus(y)
    v = s.minus(x)
    return s, x.minus(s.minus(v)).plus(x.of(y).minus(v))


def ordered_total(x: Real, y: Real) -> tuple[Real, Real]:
    """x + y and its rounding error; |x| >= |y| or x = 0."""
    s = x.plus(y)
    return s, y.minus(s.minus(x))


def product(x: Real, y: Any) -> tuple[Real, Real]:
    """x * y and its rounding error."""
    p = x.times(y)
    return p, x.fused(y, -p)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """high + low; the other operand is a pair, a number or a constant of two parts."""

    high: Real
    low: Real

    def of(self, x: Any) -> Pair:
        if isinstance(x, Pair):
            return x
        high, low = x if isinstance(x, tuple) else (x, 0.0)
        return Pair(self.high.of(high), self.high.of(low))

    def __add__(self, y: Any) -> Pair:
        y = self.of(y)
        s, lost = total(self.high, y.high)
        return Pair(s, lost + (self.low + y.low))

    def __mul__(self, y: Any) -> Pair:
        y = self.of(y)
        p, lost = product(self.high, y.high)
        return Pair(p, lost + (self.high * y.low + self.low * y.high))

    def __truediv__(self, y: Pair) -> Pair:
        q = self.high / y.high
        rest = q.fused(-y.high, self.high) + (self.low - q * y.low)
        return Pair(q, rest / y.high)

    def __neg__(self) -> Pair:
        return Pair(-self.high, -self.low)

    def where(self, condition: Any, other: Any) -> Pair:
        """This pair where the condition holds, else the other."""
        other = self.of(other)
        return Pair(self.high.where(condition, other.high), self.low.where(condition, other.low))


def polynomial_of_pairs(x: Pair, first: tuple, rest: Real) -> Pair:
    """c[0] + c[1] x + ... + c[n-1] x**(n-1) + rest x**n, the coefficients in two parts each."""
    y = Pair(rest, rest.of(0.0))
    for c in reversed(first):
        y = y * x + c
    return y
