"""Choosing by a condition."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean

from symgrad.language.pointwise import Pointwise
from symgrad.language.tensor import HEADS, sympify


class Piecewise(Pointwise):
    """SymPy's Piecewise, taken as it is written: the value of the first pair whose condition holds.

    SymPy folds what is done with its own class into the branches, also where that has no meaning
    (the root of a branch that is -1, the logarithm of one that is 0), and choices inside conditions
    into conditions on conditions, for some without end.  It does not know this one as its own;
    printers, which go by the name, do.
    """

    def __new__(cls, *pairs: Any, **_: Any) -> sp.Expr:
        kept: list[ExprCondPair] = []
        for pair in map(_pair, pairs):
            if pair.cond != sp.false:
                kept.append(pair)
            if pair.cond == sp.true:
                break
        if not kept:
            return sp.nan
        return kept[0].expr if kept[0].cond == sp.true else sp.Basic.__new__(cls, *kept)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.func(*((e.diff(s), c) for e, c in self.args))

    def _eval_evalf(self, precision: int) -> sp.Expr:
        return self.func(*((e._evalf(precision), c) for e, c in self.args))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = printer._print_Piecewise(self)
        return rf"\left({text}\right)^{{{exp}}}" if exp else text

    def _eval_rewrite_as_Piecewise(self, *pairs: Any, **_: Any) -> sp.Expr:
        return sp.Piecewise(*pairs)


def _pair(given: Any) -> ExprCondPair:
    """SymPy's own pairs look through the whole condition for choices to fold."""
    if isinstance(given, ExprCondPair):
        return given
    value, condition = given
    if not isinstance(condition, Boolean):
        raise TypeError(f"a choice wants a condition such as z > 0, not {condition}")
    return sp.Tuple.__new__(ExprCondPair, value, condition)


HEADS.update(dict.fromkeys((Piecewise, sp.Piecewise, ExprCondPair), "select"))


def where(condition: Any, x: Any, y: Any) -> sp.Expr:
    """x where the condition holds, y elsewhere; the branch not taken never spoils a gradient.

    >>> import symgrad as sg, sympy as sp
    >>> x = sg.data("x")
    >>> sg.where(x > 0, sp.log(x), 0)
    Piecewise((log(x), x > 0), (0, True))
    """
    return choose(sympify(condition), sympify(x), sympify(y))


def choose(condition: sp.Basic, x: sp.Expr, y: sp.Expr) -> sp.Expr:
    """Piecewise((x, condition), (y, True)), a choice in y's place joined to it."""
    others = y.args if isinstance(y, Piecewise | sp.Piecewise) else ((y, sp.true),)
    return x if x == y else Piecewise((x, condition), *others)
