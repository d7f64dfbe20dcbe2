"""Rounding, and remainders: derivatives are 0 where they exist, and 0 at the jumps."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.choice import where
from symgrad.language.pointwise import HALF, Pointwise, register_heads
from symgrad.language.row import Row, op, register
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import sympify


class round_half_even(Pointwise):
    """The nearest integer, of two the even one."""

    def _sympystr(self, printer: Any) -> str:
        return f"round({printer._print(self.args[0])})"


class trunc(Pointwise):
    """The integer part: rounded towards 0."""


def _expand_round(x: Any) -> Any:
    below = op.floor(x)
    rest = x - below
    even = below + op.mod(below, 2)  # the even one of below and below + 1
    near = op.select(op.eq(rest, HALF), even, below)  # infinities have no rest
    return op.select(op.gt(rest, HALF), below + 1, near)


# fmt: off
register(
    Row("round", "pointwise", np.round, (None,), head=round_half_even, result="same", kinked=True,
        expand=_expand_round),
    Row("trunc", "pointwise", np.trunc, (None,), head=trunc, result="same", kinked=True,
        expand=lambda x: op.sign(x)*op.floor(op.abs(x))),
)
# fmt: on

register_heads()


def round(x: Any, decimals: int = 0) -> sp.Expr:
    """The nearest multiple of 10**-decimals, of two the even one, as torch and NumPy round.

    >>> import symgrad as sg
    >>> sg.round(sg.data("x"))
    round(x)
    """
    if decimals == 0:
        return round_half_even(x)
    scale = sp.Integer(10) ** abs(int(decimals))
    if decimals > 0:
        return round_half_even(sympify(x) * scale) / scale
    return round_half_even(sympify(x) / scale) * scale


def remainder(a: Any, b: Any) -> sp.Expr:
    """a - b floor(a/b), which has b's sign: Python's and torch.remainder's `%`."""
    return sp.Mod(sympify(a), sympify(b))


def fmod(a: Any, b: Any) -> sp.Expr:
    """a - b trunc(a/b), which has a's sign: C's and torch's fmod."""
    a, b = anonymous(sympify(a)), anonymous(sympify(b))
    size = sp.Abs(b)
    return where(a < 0, -sp.Mod(-a, size), sp.Mod(a, size))  # at 0 its derivative is 1


def floor_divide(a: Any, b: Any) -> sp.Expr:
    """floor(a/b)."""
    return sp.floor(sympify(a) / sympify(b))


def heaviside(x: Any, value: Any = HALF) -> sp.Expr:
    """0 below 0, `value` at 0, 1 above."""
    x = anonymous(sympify(x))
    return where(x < 0, 0, where(x > 0, 1, value))
