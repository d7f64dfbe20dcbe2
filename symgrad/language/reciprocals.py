"""Reciprocals of hyperbolic functions, and inverses of reciprocal ones, with derivatives of theirs.

As compositions they had none where a reciprocal or a hyperbolic sine is infinite (1/cosh(100) in
float32, arctan(1/x) at 0), and lost digits next to 1, where 1/x is rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.pointwise import HALF, register_heads
from symgrad.language.row import Domain, Row, op, register


def _expand_sech(x: Any) -> Any:
    e = op.exp(-op.abs(x))
    return 2 * e / (1 + e * e)


def _expand_csch(x: Any) -> Any:
    size = op.abs(x)
    e = op.exp(-size)
    return op.select(op.lt(size, 1), 1 / op.sinh(x), op.sign(x) * (2 * e) / (1 - e * e))


def _root(x: Any) -> Any:
    """sqrt(x**2 - 1), finite where x is."""
    size = op.abs(x)
    return (size - 1) ** HALF * (size + 1) ** HALF


def _coroot(x: Any) -> Any:
    """sqrt(1 - x**2)"""
    return ((1 - x) * (1 + x)) ** HALF


def _row(name: str, head: Any, numpy: Any, pull: Any, expand: Any, low: float, high: float) -> Row:
    return Row(name, "pointwise", numpy, (pull,), head=head, guarded=True, expand=expand,
               domain=Domain(((low, high),)))  # fmt: skip


# fmt: off
register(
    _row("sech", sp.sech, lambda x: 1/np.cosh(x), lambda g, y, x: -g*y*op.tanh(x),
         _expand_sech, -2, 2),
    _row("csch", sp.csch, lambda x: 1/np.sinh(x), lambda g, y, x: -g*y*op.coth(x),
         _expand_csch, 0.2, 2),
    _row("coth", sp.coth, lambda x: 1/np.tanh(x), lambda g, y, x: -g*op.csch(x)**2,
         lambda x: 1/op.tanh(x), 0.2, 2),
    _row("acot", sp.acot, lambda x: np.arctan(1/x), lambda g, y, x: -g/(1 + x**2),
         lambda x: op.atan(1/x), 0.2, 2),
    _row("asec", sp.asec, lambda x: np.arccos(1/x), lambda g, y, x: g/(op.abs(x)*_root(x)),
         lambda x: op.atan2(_root(x), op.sign(x)), 1.2, 3),
    _row("acsc", sp.acsc, lambda x: np.arcsin(1/x), lambda g, y, x: -g/(op.abs(x)*_root(x)),
         lambda x: op.atan2(op.sign(x), _root(x)), 1.2, 3),
    _row("acoth", sp.acoth, lambda x: np.arctanh(1/x), lambda g, y, x: g/((1 - x)*(1 + x)),
         lambda x: op.sign(x)*HALF*op.log1p(2/(op.abs(x) - 1)), 1.2, 3),
    _row("asech", sp.asech, lambda x: np.arccosh(1/x), lambda g, y, x: -g/(x*_coroot(x)),
         lambda x: op.log1p((1 - x + _coroot(x))/x), 0.1, 0.9),
    _row("acsch", sp.acsch, lambda x: np.arcsinh(1/x),
         lambda g, y, x: -g/(op.abs(x)*(1 + x**2)**HALF), lambda x: op.asinh(1/x), 0.2, 2),
)
# fmt: on

register_heads()
