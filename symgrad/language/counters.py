"""Random 64-bit integers by counting: the number at a place depends on nothing but the place.

`mixed(state, k)` is output k of the generator SplitMix64 whose state starts at `state` (G. Steele,
D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014; the mixing function
is D. Stafford's variant 13).  Applied to its own result it walks a tree: seed and name, step,
position.  Integers are int64 everywhere, read as unsigned ones here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.language.operation import Operation
from symgrad.language.row import Row, register

GAMMA = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio, made odd
FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # shift, then multiply
LAST_SHIFT = 31


def _words(x: Any) -> Any:
    """int64 as uint64, bit by bit."""
    return np.asarray(x, np.int64).view(np.uint64)


def mixed(state: Any, k: Any) -> Any:
    """Output k of the SplitMix64 generator that starts at `state`, int64.

    >>> int(mixed(1234567, 0))
    6457827717110365317
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64
        z = _words(state) + (_words(k) + np.uint64(1)) * np.uint64(GAMMA)
        for shift, factor in FACTORS:
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        return (z ^ (z >> np.uint64(LAST_SHIFT))).view(np.int64)


def below(bits: Any, n: Any) -> Any:
    """floor(bits n / 2**64): evenly among 0 ... n - 1, but for differences under 2**-64.

    D. Lemire, Fast random integer generation in an interval, 2019.
    """
    with np.errstate(over="ignore"):
        a, b, half = _words(bits), _words(n), np.uint64(32)
        a1, a0, b1, b0 = a >> half, a & LOW, b >> half, b & LOW
        middle = a1 * b0 + (a0 * b0 >> half)
        low = a0 * b1 + (middle & LOW)
        return (a1 * b1 + (middle >> half) + (low >> half)).view(np.int64)


def either(bits: Any, n: Any, entry: Any) -> Any:
    """The alias method's choice: `below(bits, n)`, or the number in the entry's last digits.

    What `below` leaves over, the fractional part of bits n / 2**64 in units of 2**-63, is compared
    with the entry's other digits.  The last ones are as many as n - 1 has.
    """
    n, entry = _words(n), _words(entry)
    with np.errstate(over="ignore"):
        rest = (_words(bits) * n) >> np.uint64(1)
    last = (np.uint64(1) << digits_of(n)) - np.uint64(1)
    other = (entry & last).view(np.int64)
    return np.where(rest < (entry & ~last), below(bits, n.view(np.int64)), other)


def digits_of(n: Any) -> Any:
    """How many binary digits n - 1 has."""
    digits = np.frompyfunc(lambda k: (int(k) - 1).bit_length(), 1, 1)(n)
    return np.asarray(digits).astype(np.uint64)


def unit(bits: Any, digits: Any) -> Any:
    """An odd multiple of 2**-digits between 0 and 1, which are never reached."""
    shifted = _words(bits) >> (np.uint64(64) - _words(digits))
    return (shifted | np.uint64(1)) * 2.0 ** -np.asarray(digits, np.float64)


LOW = np.uint64(2**32 - 1)

register(
    Row("mixed", "random", mixed, (None, None), result="int"),
    Row("below", "random", below, (None, None), result="int"),
    Row("either", "random", either, (None, None, None), result="int"),
    Row("unit", "random", unit, (None, None)),
)


class Mixed(Operation):
    row = "mixed"


class Below(Operation):
    row = "below"


class Either(Operation):
    row = "either"


class Unit(Operation):
    row = "unit"
