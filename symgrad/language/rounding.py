"""Rounding, and remainders: derivatives are 0 where they exist, and 0 at the jumps."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.choice import where
from symgrad.language.operation import Operation
from symgrad.language.pointwise import HALF, Pointwise, register_heads
from symgrad.language.row import Domain, Row, kind_of, op, register
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import sympify


class round_half_even(Pointwise):
    """The nearest integer, of two the even one."""

    def _sympystr(self, printer: Any) -> str:
        return f"round({printer._print(self.args[0])})"


class trunc(Pointwise):
    """The integer part: rounded towards 0."""


class fmod(Pointwise):
    """a - b trunc(a/b), which has a's sign: C's and torch's fmod.

    >>> import symgrad as sg
    >>> sg.fmod(*sg.data("a b"))
    fmod(a, b)
    """

    nargs = (2,)


class floor_divide(Pointwise):
    """floor(a/b), exact: a times the rounded 1/b may be just below a whole number.

    >>> import symgrad as sg
    >>> sg.floor_divide(*sg.data("a b"))
    floor_divide(a, b)
    """

    nargs = (2,)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\left\lfloor{{{printer._print(self.args[0] / self.args[1])}}}\right\rfloor"
        return text if exp is None else f"{text}^{{{exp}}}"


SMALL, LARGER = sp.Float(2.0**-100), sp.Float(2.0**64)  # in range of both dtypes


def _whole(*operands: Any) -> bool:
    """Whether they are integers: those of 64 bits are not looked at as floats."""
    return all(kind_of(x.operand) == "int" for x in operands)


def _expand_fmod(a: Any, b: Any) -> Any:
    if _whole(a, b):
        rest = op.mod(a, b)  # with the sign of b
        other = op.ne(op.lt(a, 0), op.lt(b, 0))
        return op.select(op.ne(rest, 0), op.select(other, rest - b, rest), 0)
    size = op.abs(b)
    return op.select(op.lt(a, 0), -op.mod(-a, size), op.mod(a, size))


def _expand_floor_divide(a: Any, b: Any) -> Any:
    """As Python divides: what is left after the remainder with a's sign is a whole number of b,
    which is made larger where it is so small that it has no inverse."""
    if _whole(a, b):
        return op.whole_quotient(a, b)
    rest = op.fmod(a, b)
    below = op.indicator(op.lt(rest * op.sign(b), 0))
    scale = op.select(op.lt(op.abs(b), SMALL), LARGER, 1)
    quotient = ((a - rest) * scale) / (b * scale)
    return op.select(op.eq(b, 0), a / b, op.floor(quotient - below + HALF))


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
    Row("fmod", "pointwise", np.fmod,
        (lambda g, y, a, b: g, lambda g, y, a, b: -g*op.floor((a - y)/b + HALF)), head=fmod,
        result="same", kinked=True, expand=_expand_fmod,
        guarded=lambda a, b: not isinstance(b, sp.Expr), domain=Domain(((0.1, 0.9), (1.0, 2.0)))),
    Row("floor_divide", "pointwise", np.floor_divide, (None, None), head=floor_divide,
        result="same", kinked=True, expand=_expand_floor_divide,
        domain=Domain(((0.1, 0.9), (1.0, 2.0)))),
    Row("whole_quotient", "random", np.floor_divide, (None, None), result="int"),
)
# fmt: on


class WholeQuotient(Operation):
    """floor(a/b) of integers; 0 by 0."""

    row = "whole_quotient"


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


def heaviside(x: Any, value: Any = HALF) -> sp.Expr:
    """0 below 0, `value` at 0, 1 above."""
    x = anonymous(sympify(x))
    return where(x < 0, sp.Float(0), where(x > 0, sp.Float(1), value))
