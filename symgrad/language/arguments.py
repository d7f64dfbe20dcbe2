"""What a user gives beside tensors, looked at before it is used: numbers, lists, switches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp


def whole(value: Any, what: str) -> int:
    """A whole number.

    >>> whole(np.int8(3), "the number of layers")
    3
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer | sp.Integer):
        raise TypeError(f"{what} is a whole number, not {value!r}")
    return int(value)


def wholes(values: Any, what: str) -> tuple[int, ...]:
    """A whole number or several, as a tuple.

    >>> wholes([2, 3], "a size"), wholes(2, "a size")
    ((2, 3), (2,))
    """
    alone = isinstance(values, int | np.integer | sp.Basic | bool)
    return tuple(whole(v, what) for v in ((values,) if alone else several(values, what)))


def several(values: Any, what: str) -> list[Any]:
    """The items of a list, a tuple or another collection, of which a string and a dict are none."""
    if not isinstance(values, str | bytes | Mapping):
        try:
            return list(values)
        except TypeError:
            pass
    raise TypeError(f"{what}: a list or a tuple is expected, not {values!r}")


def real(value: Any, what: str) -> float:
    """A number that a float64 holds; infinite and undefined ones pass.

    >>> real(sp.Rational(1, 4), "the slope")
    0.25
    """
    if not isinstance(value, bool | np.bool_ | str | bytes) and not np.ndim(array_of(value, what)):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise TypeError(f"{what} is a real number that float64 holds, not {value!r}")


def switch(value: Any, what: str) -> bool:
    """True or False, which None, 0 and 1 may stand for.

    >>> switch(np.True_, "shuffle")
    True
    """
    if value is None or (isinstance(value, bool | int | np.bool_ | np.integer) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{what} is True or False, not {value!r}")


def array_of(value: Any, what: str) -> np.ndarray:
    """Whatever NumPy makes of a value; TypeError where it makes nothing of it, ValueError where
    values are masked: what lies beneath is not meant."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{what} is a masked array with masked values: fill or drop them")
    try:
        return np.asarray(value)
    except Exception as error:  # what others' `__array__` raises, a torch tensor's for example
        raise TypeError(f"{what} is not a regular array of numbers: {error}") from None
