"""Substitution through lets: `sg.inline` removes them, `sg.substitute` reaches into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from symgrad.language.operation import Attributes
from symgrad.language.symbols import Let, let
from symgrad.language.tensor import describe, sympify
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
    rule = {sympify(k): sympify(v) for k, v in values.items()}
    for old, new in rule.items():
        shapes = describe(old)[0], describe(new)[0]
        if shapes[0] != shapes[1] and shapes[1] != ():
            raise ValueError(
                f"sg.substitute: {old} has shape {shapes[0]}, {new} has shape {shapes[1]}"
            )
    return _rebuild(sympify(e), rule, keep_lets=True)


def _rebuild(e: sp.Expr, rule: Mapping[sp.Expr, sp.Expr], keep_lets: bool) -> sp.Expr:
    made: dict[int, Any] = {}

    def children(x: sp.Basic) -> tuple:
        if x in rule or isinstance(x, Attributes):
            return ()
        return (x.definition,) if isinstance(x, Let) else x.args

    for x in postorder([e], children):
        made[id(x)] = _rebuilt(x, [made[id(c)] for c in children(x)], rule, keep_lets, children)
    return made[id(e)]


def _rebuilt(x: Any, parts: list, rule: Any, keep_lets: bool, children: Any) -> Any:
    if x in rule:
        new = rule[x]
        return _spread(new, x)
    old = children(x)
    same = all(a is b for a, b in zip(old, parts, strict=True))
    if isinstance(x, Let):
        keep = x.name and keep_lets
        return (x if same else let(x.name, parts[0])) if keep else parts[0]
    return x if same or not old else x.func(*parts)


def _spread(new: sp.Expr, old: sp.Expr) -> sp.Expr:
    """A scalar in a tensor's place keeps the tensor's shape."""
    from symgrad.language.views import broadcast_to

    wanted, shape = describe(old)[0], describe(new)[0]
    return new if wanted == shape else broadcast_to(new, wanted)
