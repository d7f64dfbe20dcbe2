"""SymPy's functions that are other functions in disguise: what capture reads in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgrad.language.sums import indexed, written_out

# fmt: off
REWRITTEN: dict[type, Callable[..., Any]] = {
    sp.cot:   lambda x: 1/sp.tan(x),
    sp.sec:   lambda x: 1/sp.cos(x),
    sp.csc:   lambda x: 1/sp.sin(x),
    sp.frac:  lambda x: x - sp.floor(x),
    sp.functions.elementary.miscellaneous.Rem: lambda a, b: sp.sign(a)*sp.Mod(sp.Abs(a), sp.Abs(b)),
    sp.KroneckerDelta: lambda i, j, *_: sp.Piecewise((1, sp.Eq(i, j)), (0, True)),
    sp.re:    lambda x: x,
    sp.im:    lambda x: sp.Integer(0),
    sp.conjugate: lambda x: x,
    sp.ITE:   lambda c, a, b: sp.Or(sp.And(c, a), sp.And(sp.Not(c), b)),
    sp.Xor:   lambda *x: sp.Xor(*x).to_nnf(),
    sp.Sum:     written_out(sp.Add),
    sp.Product: written_out(sp.Mul),
    sp.Indexed: indexed,
    sp.Implies: lambda a, b: sp.Or(sp.Not(a), b),
}
# fmt: on
