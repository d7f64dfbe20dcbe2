"""Simplify: equal equations become one, rewrites apply, and what nobody reads is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symgrad.calculus.block import Block, Lists, Name, Operand
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.rewrite import Rewrite, by_operation, improved


def simplify(block: Block, rewrites: Sequence[Rewrite] = ()) -> Block:
    """An equal block after common subexpressions, the rewrites, and dead code."""
    listed = by_operation(rewrites)
    builder = Builder(block.inputs)
    new: dict[Operand, Operand] = {name: name for name in block.inputs.values()}
    for e in block.equations:
        operands = [new.get(x, x) for x in e.operands]
        value = builder.apply(e.operation, *operands, **dict(e.attributes))
        value = improved(builder, value, listed)
        new[e.name] = _named(builder, value, e.name)
    outputs = {k: _name(builder, new[n]) for k, n in block.outputs.items()}
    writes = {s: _name(builder, new[n]) for s, n in block.writes.items()}
    rows = {s: renamed(lists, new) for s, lists in block.rows.items()}
    return without_dead_code(builder.block(outputs, writes, rows))


def renamed(lists: Lists, new: Mapping[Any, Any]) -> Lists:
    """Lists of indices under other names."""
    return tuple(tuple(new.get(x, x) for x in indices) for indices in lists)


def _named(builder: Builder, value: Value, old: Name) -> Operand:
    """The new operand for an old name: of its shape, and under its label."""
    if value.shape != old.shape:
        value = builder.apply("broadcast_to", value, shape=old.shape)
    name = value.operand
    if isinstance(name, Name) and old.label and builder.definition(name) is not None:
        name.label = name.label or old.label
    return name


def _name(builder: Builder, operand: Operand) -> Name:
    """Outputs and writes are names, also where their value turned out to be a number."""
    return operand if isinstance(operand, Name) else builder.constant(operand)


def without_dead_code(block: Block) -> Block:
    """The block without equations and inputs that no output and no write depends on."""
    alive: set[Operand] = {*block.outputs.values(), *block.writes.values(), *block.row_names}
    kept = []
    for e in reversed(block.equations):
        if e.name in alive:
            kept.append(e)
            alive.update(e.operands)
    written = block.writes
    inputs = {s: n for s, n in block.inputs.items() if n in alive or s in written}
    return Block(inputs, tuple(reversed(kept)), block.outputs, block.writes, block.rows)
