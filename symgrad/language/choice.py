"""Choosing by a condition, with SymPy's Piecewise kept from rewriting the condition."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFunction

from symgrad.language.symbols import anonymous
from symgrad.language.tensor import sympify


def where(condition: Any, x: Any, y: Any) -> sp.Expr:
    """x where the condition holds, y elsewhere; the branch not taken never spoils a gradient.

    >>> import symgrad as sg, sympy as sp
    >>> x = sg.data("x")
    >>> sg.where(x > 0, sp.log(x), 0)
    Piecewise((log(x), x > 0), (0, True))
    """
    return choose(sympify(condition), sympify(x), sympify(y))


def choose(condition: sp.Basic, x: sp.Expr, y: sp.Expr) -> sp.Expr:
    """Piecewise((x, condition), (y, True)), as it is written.

    SymPy's evaluation of it rewrites conditions, for some without end.  A Piecewise inside the
    condition gets a name: SymPy would fold it into conditions on conditions, simplifying them at
    great cost, and substituting numbers for tensors.
    """
    if condition in (sp.true, sp.false) or x == y:
        return x if condition != sp.false else y
    if condition.has(sp.Piecewise):
        condition = _named(condition)
    others = y.args if isinstance(y, sp.Piecewise) else ((y, True),)
    return sp.Piecewise((x, condition), *others, evaluate=False)


def _named(condition: sp.Basic) -> sp.Basic:
    if isinstance(condition, Relational):
        return condition.func(*map(anonymous, condition.args))
    if isinstance(condition, BooleanFunction):
        return condition.func(*map(_named, condition.args))
    return condition
