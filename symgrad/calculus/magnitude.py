"""How large and small the numbers of products may be before their order matters.

Targets reorder products, and numbers fold: of m 1e-27 q 1e-25 they may make m q 1e-52, which is 0
in float32 where m 1e-27 and q 1e-25 are not.  So numbers beyond `MODERATE` neither fold nor move.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import sympy as sp

MODERATE = 30  # numbers from 2**-30 to 2**30 fold and move: four of them are in float32's range
WIDEST = 100  # beyond 2**-100 to 2**100 a number is a product of several


@cache
def exponent(x: sp.Expr | float) -> int:
    """The number's size is about 2**exponent; 0 for 0, and for what is no finite real number.

    >>> exponent(sp.Float(1e-27)), exponent(3), exponent(sp.pi / 2**40), exponent(sp.oo)
    (-89, 2, -38, 0)
    """
    x = sp.sympify(x)
    if x.is_Rational:
        return abs(x.p).bit_length() - x.q.bit_length() + 1 if x.p else 0
    x = x if x.is_Float else x.evalf()
    if not x.is_Float or not x:
        return 0
    _, _, last, bits = x._mpf_
    return last + bits


def is_moderate(x: sp.Expr | float) -> bool:
    return abs(exponent(x)) <= MODERATE


def apart(numbers: Sequence[sp.Expr]) -> list[sp.Expr]:
    """Numbers with the same product that are not to be multiplied: one of them wherever it may be.

    >>> apart([sp.Integer(3), sp.Rational(1, 2)]), len(apart([sp.Float(1e-52)]))
    ([3/2], 2)
    """
    product = sp.Mul(*numbers)
    if is_moderate(product):
        return [product]
    if sum(abs(x) != 1 for x in numbers) > 1:
        return [part for x in numbers for part in _parts(x)]
    return _parts(product)


def _parts(x: sp.Expr) -> list[sp.Expr]:
    """Powers of two, which are exact, and what is left."""
    size = exponent(x)
    count = -(-abs(size) // WIDEST)
    if count < 2:
        return [x]
    power = sp.Integer(2) ** (size // count)
    return [*[power] * (count - 1), x / power ** (count - 1)]
