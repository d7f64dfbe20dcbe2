"""Who is who in a model: which symbols are data, which are trained, which keep their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgrad.calculus.block import Block
from symgrad.calculus.capture import role_of
from symgrad.language.arguments import several
from symgrad.train.names import nearest


@dataclass(frozen=True, eq=False)
class Cast:
    """roles: of plain SymPy symbols; trained: None for all; inits: given here for parameters."""

    roles: Mapping[sp.Symbol, str]
    chosen: tuple[sp.Symbol, ...] | None
    inits: Mapping[sp.Symbol, Any]

    def of(self, blocks: Iterable[Block], role: str) -> list[sp.Symbol]:
        """The symbols of a role that blocks read, each once, in the order of their appearance."""
        read = dict.fromkeys(s for block in blocks for s in block.inputs)
        return [s for s in read if role_of(s, self.roles) == role]

    def trained(self, loss: Block) -> list[sp.Symbol]:
        """The parameters to train: those chosen, else all that the loss uses."""
        used = self.of([loss], "parameter")
        if self.chosen is None:
            return used
        for p in self.chosen:
            if p not in used:
                raise ValueError(_unused(p, used, loss))
        return list(self.chosen)


def choose(parameters: Any) -> Cast:
    """Read the argument `parameters`: None, symbols, or {symbol: init}."""
    if parameters is None:
        return Cast({}, None, {})
    given = list(parameters) if isinstance(parameters, Mapping) else parameters
    chosen = [given] if isinstance(given, sp.Basic) else several(given, "parameters")
    for p in chosen:
        if not isinstance(p, sp.Symbol):
            raise TypeError(f"parameters are symbols such as sg.parameter('w'), not {p!r}")
        role = role_of(p, {p: "parameter"})
        if role != "parameter":
            raise ValueError(
                f"{p} is {role} and cannot be trained; parameters are sg.parameter(...)"
            )
    roles = dict.fromkeys(chosen, "parameter")
    inits = dict(parameters) if isinstance(parameters, Mapping) else {}
    return Cast(roles, tuple(roles), inits)


def _unused(p: sp.Symbol, used: list[sp.Symbol], loss: Block) -> str:
    names = [u.name for u in used]
    hint = ""
    if p.name in names:
        hint = " (it uses another one of that name: share the Python variable)"
    elif p.name in (s.name for s in loss.inputs):
        hint = " (it uses another of that name, which differs in its assumptions or its kind)"
    elif near := nearest(p.name, names):
        hint = f"; did you mean {near!r}?"
    there = f" It uses {', '.join(map(repr, names))}" if names else " It uses none"
    return f"the loss does not use the parameter {p.name!r}{hint}.{there}"
