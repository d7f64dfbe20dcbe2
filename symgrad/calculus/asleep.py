"""Rows that slept: what they missed is made up for where they are read, and where they are updated.

P[u]  becomes  what k steps without a gradient make of P[u] and its states,
               k = step - the step that row u is up to
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symgrad.calculus.block import Block, Name, Operand
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.capture import capture
from symgrad.calculus.inline import read, splice
from symgrad.language.digest import digest
from symgrad.language.symbols import TensorSymbol, step
from symgrad.optimize.asleep import caught_up
from symgrad.optimize.rule import Rule

LAST = "last update"  # of a row: the step that it is up to


@dataclass(frozen=True, eq=False)
class Asleep:
    """What a rule makes of one number and its states while no gradient comes.

    block:   gives "" for the parameter, and each state by its name
    symbols: the block's inputs: "" the parameter, the states, LAST
    """

    block: Block
    symbols: Mapping[str, TensorSymbol]

    def values(
        self, builder: Builder, p: sp.Symbol, states: Mapping[str, TensorSymbol],
        indices: tuple[Operand, ...] = (),
    ) -> dict[sp.Symbol, Value]:  # fmt: skip
        """Parameter and states of every row, or of those at the indices, caught up."""
        own = {"": p, **states}
        old = {k: read(builder, s) for k, s in own.items()}
        if indices:
            old = {k: _looked_up(builder, x, old[""].shape, indices) for k, x in old.items()}
        new = splice(builder, self.block, {self.symbols[k]: x for k, x in old.items()})
        return {own[k]: x for k, x in new.items()}


def _looked_up(builder: Builder, x: Value, shape: tuple, indices: tuple[Operand, ...]) -> Value:
    """x at the indices; where x has one number for a whole axis of the shape, that one."""
    one = sp.Integer(0)
    at = (i if own == size else one for own, size, i in zip(x.shape, shape, indices, strict=False))
    return builder.apply("gather", x, *at)


def made_up(rule: Rule, numbers: Mapping[str, sp.Expr]) -> Asleep:
    """The closed form of a rule's steps without a gradient; ValueError where it has none here."""
    symbols = {k: _scalar(k, "float") for k in ("", *rule.state)}
    last = _scalar(LAST, "int")
    new = caught_up(rule, numbers, list(symbols.values()), step - last)
    block = capture(dict(zip(symbols, new, strict=True)))
    return Asleep(block, {**symbols, LAST: last})


def _scalar(name: str, dtype: str) -> TensorSymbol:
    key = digest("asleep", name, ())
    return TensorSymbol(name or "p", (), dtype, "state", key, key)


def read_awake(
    builder: Builder, block: Block, asleep: Asleep,
    tables: Mapping[sp.Symbol, Mapping[str, TensorSymbol]],
) -> dict[Operand, Name]:  # fmt: skip
    """Append a block's equations with tables that are caught up; return the new names.

    Rows that are looked up are caught up one by one, and a table as a whole only where it is read
    as a whole.
    """
    symbols = {block.inputs[p]: p for p in tables}
    new: dict[Operand, Operand] = {}
    for e in block.equations:
        operands = [new.get(x, x) for x in e.operands]
        p = symbols.get(operands[0]) if e.operation == "gather" else None
        if p is not None:
            value = asleep.values(builder, p, tables[p], tuple(operands[1:]))[p]
        else:
            for k, x in enumerate(operands):
                if x in symbols:
                    whole = asleep.values(builder, symbols[x], tables[symbols[x]])
                    operands[k] = whole[symbols[x]].operand
            value = builder.apply(e.operation, *operands, **dict(e.attributes))
        new[e.name] = value.operand
        if isinstance(value.operand, Name):
            value.operand.label = value.operand.label or e.name.label
    return {x: y if isinstance(y, Name) else builder.constant(y) for x, y in new.items()}
