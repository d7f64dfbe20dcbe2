"""The numbers of an optimiser, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import sympy as sp

from symgrad.language.arguments import real
from symgrad.language.tensor import describe


def checked(rule: str, given: Mapping[str, Any], below: Mapping[str, float] | None = None
            ) -> dict[str, Any]:  # fmt: skip
    """Numbers from 0 on, less than those in `below`, or expressions that are no numbers.

    >>> checked("SGD", {"lr": 1})
    {'lr': 1.0}
    """
    limits = below or {}
    return {
        name: _number(rule, name, value, limits.get(name, math.inf))
        for name, value in given.items()
    }


def split(numbers: Mapping[str, Any], optional: tuple[str, ...]
          ) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """The numbers that the rule keeps, and those that are 0 and that it does without."""
    absent = {k: v for k, v in numbers.items() if k in optional and v == 0}
    return {k: v for k, v in numbers.items() if k not in absent}, absent


def _number(rule: str, name: str, value: Any, below: float) -> Any:
    if isinstance(value, sp.Expr) and not value.is_number:
        if isinstance(value, sp.Lambda | sp.MatrixExpr) or describe(value)[0]:
            raise TypeError(f"{rule}: {name} is a number or a scalar expression, not {value}")
        return value
    try:
        number = real(value, name)
    except TypeError:
        wrong = f"{rule}: {name} is a number or an expression in sg.step, not {value!r}"
        raise TypeError(wrong) from None
    check(rule, name, number, below)
    return number


def check(rule: str, name: str, number: float, below: float) -> None:
    """Raise ValueError unless a number is from 0 on and less than `below`."""
    if not 0 <= number < below:
        limit = "finite number from 0 on" if below == math.inf else f"number from 0 below {below:g}"
        raise ValueError(f"{rule}: {name} is {number:g}, and should be a {limit}")
