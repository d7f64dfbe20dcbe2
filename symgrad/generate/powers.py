"""Which powers are multiplied out, and which divided by: the same on every printed target.

x**-1 and x**(-1/2) divide, x**2 to x**5 are products, further whole powers functions of
`vector_powers`, and powers of some halves products with a root.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgrad.lower.costs import MOST_MULTIPLIED as MOST_MULTIPLIED
from symgrad.lower.kernel import Apply, Expression, Number

HALVES = (0.5, 1.5, 2.5, 3.5)
WHOLE = (*range(-64, -1), *range(6, 65))  # that are functions


def name(k: int) -> str:
    """What the function x**k is called.

    >>> name(6), name(-4)
    ('power6', 'inverse_power4')
    """
    return f"power{k}" if k > 0 else f"inverse_power{-k}"


def by_squaring(x: Any, k: int, times: Callable[[Any, Any], Any]) -> Any:
    """x**k for k from 1, where times(a, b) is a product.

    >>> by_squaring(2, 13, lambda a, b: a * b)
    8192
    """
    result = None
    while k:
        if k & 1:
            result = x if result is None else times(result, x)
        k >>= 1
        x = times(x, x) if k else x
    return result


def exponent_of(x: Expression) -> Any:
    """The exponent of a power where it is a number, an int where it is whole; None otherwise."""
    assert isinstance(x, Apply)
    k = x.operands[1]
    if not isinstance(k, Number):
        return None
    return int(k.value) if float(k.value).is_integer() else k.value


def is_inverse(x: Expression) -> bool:
    """Whether x is 1/y or 1/sqrt(y), printed as a division."""
    if not isinstance(x, Apply) or x.operation != "pow" or x.dtype == "int64":
        return False
    return exponent_of(x) in (-1, -0.5)
