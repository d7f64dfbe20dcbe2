"""Whether any or all elements meet a condition."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.language.pointwise import indicator
from symgrad.language.reductions import sum as sum_over
from symgrad.language.tensor import describe, sympify


def _condition(c: Any) -> sp.Basic:
    c = sympify(c)
    return c if describe(c)[1] == "bool" else sp.Ne(c, 0)


def any(c: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Basic:
    """Whether the condition holds for any element along axes; numbers count as "not 0".

    >>> import symgrad as sg
    >>> x = sg.data("x", shape=3)
    >>> sg.any(x > 2)
    sum(indicator(x > 2)) > 0
    """
    return sp.Gt(sum_over(indicator(_condition(c)), axis=axis, keepdims=keepdims), 0)


def all(c: Any, *, axis: Any = None, keepdims: bool = False) -> sp.Basic:
    """Whether the condition holds for every element along axes."""
    fails = indicator(sp.Not(_condition(c)))
    return sp.Le(sum_over(fails, axis=axis, keepdims=keepdims), 0)
