"""Substitution through lets: `sg.inline` removes them, `sg.substitute` reaches into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from symgrad.language.operation import Attributes, fitted
from symgrad.language.symbols import Let, let
from symgrad.language.tensor import sympify
from symgrad.language.walk import postorder


def inline(e: Any) -> sp.Expr:
    """The expression with every let replaced by its definition.

    >>> import symgrad as sg
    >>> x = sg.data("x")
    >>> sg.inline(sg.let("h", x + 1)**2)
    (x + 1)**2
    """
    return _rebuild(sympify(e), {}, keep_lets=False)


def substitute(e: Any, values: Mapping[Any, Any]) -> sp.Expr:
    """The expression with symbols replaced, also inside lets.  Shapes must agree.

    >>> import symgrad as sg
    >>> x = sg.data("x")
    >>> sg.substitute(sg.let("h", x + 1)**2, {x: 2})
    h**2
    >>> sg.inline(sg.substitute(sg.let("h", x + 1)**2, {x: 2}))
    9
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"sg.substitute: new values are given by symbol, {{x: 2}}, not {values!r}")
    rule = {sympify(k): sympify(v) for k, v in values.items()}
    return _rebuild(sympify(e), rule, keep_lets=True)


def replaced(e: sp.Expr, rule: Mapping[sp.Expr, sp.Expr]) -> sp.Expr:
    """What SymPy's `subs` does: it enters operands that operations have named, and no other lets.

    Raises ValueError where a named let hides what is to be replaced.
    """

    def enters(let: Let) -> bool:
        hidden = [x for x in let.free_symbols if x in rule]
        if let.name and hidden and let not in rule:
            raise ValueError(
                f"{hidden[0]} stands inside the let {let}, which `subs` does not enter: "
                f"use sg.substitute(expression, {{{hidden[0]}: ...}}), "
                "or sg.inline to remove lets first"
            )
        return not let.name

    return _rebuild(e, rule, keep_lets=True, enters=enters)


def _rebuild(
    e: sp.Expr,
    rule: Mapping[sp.Expr, sp.Expr],
    keep_lets: bool,
    enters: Callable[[Let], bool] = lambda let: True,
) -> sp.Expr:
    made: dict[int, Any] = {}

    def children(x: sp.Basic) -> tuple:
        if x in rule or isinstance(x, Attributes):
            return ()
        if isinstance(x, Let):
            return (x.definition,) if enters(x) else ()
        return x.args

    for x in postorder([e], children):
        made[id(x)] = _rebuilt(x, [made[id(c)] for c in children(x)], rule, keep_lets, children)
    return made[id(e)]


def _rebuilt(x: Any, parts: list, rule: Any, keep_lets: bool, children: Any) -> Any:
    if x in rule:
        return fitted(rule[x], x)
    old = children(x)
    same = all(a is b for a, b in zip(old, parts, strict=True))
    if isinstance(x, Let):
        if same and (keep_lets or not x.name):
            return x
        return let(x.name, parts[0]) if x.name and keep_lets else parts[0]
    return x if same else x.func(*parts)
