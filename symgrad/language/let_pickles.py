"""Pickling lets: flat, for what is nested hundreds deep exhausts the pickler's recursion."""

from __future__ import annotations

import sympy as sp

from symgrad.language.symbols import Let, TensorSymbol, through_lets

Entry = tuple[TensorSymbol, sp.Expr]  # a let without definition, and its definition in such lets


def flattened(let: Let) -> tuple[Entry, ...]:
    """The lets that a let is made of, each after those that it uses, itself last."""
    bare: dict[sp.Basic, TensorSymbol] = {}
    entries = []
    for x in through_lets(let):
        if isinstance(x, Let) and x not in bare:
            entries.append((_without_definition(x), x.definition.xreplace(bare)))
            bare[x] = entries[-1][0]
    return tuple(entries)


def restored(entries: tuple[Entry, ...]) -> Let:
    """The let that was flattened."""
    made: dict[sp.Basic, Let] = {}
    for bare, definition in entries:
        *content, _ = bare.__getnewargs_ex__()[0]
        made[bare] = Let(*content, definition.xreplace(made))  # type: ignore[call-arg]
    return made[entries[-1][0]]


def _without_definition(let: Let) -> TensorSymbol:
    *content, _ = let.__getnewargs_ex__()[0]
    return TensorSymbol(*content)
