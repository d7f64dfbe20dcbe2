"""A block's equations in the middle of another one, and values brought to shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from symgrad.calculus.block import Block, Name
from symgrad.calculus.builder import Builder, Value


def read(builder: Builder, symbol: sp.Symbol) -> Value:
    """The value of an input, which the block gets where it does not read it yet."""
    if symbol not in builder.inputs:
        kind = getattr(symbol, "dtype", "float")
        builder.inputs[symbol] = Name(symbol.name, getattr(symbol, "shape", ()), kind)
    return builder.value(builder.inputs[symbol])


def splice(builder: Builder, block: Block, given: Mapping[sp.Symbol, Value]) -> dict[str, Value]:
    """Append a block's equations, its inputs bound to `given` or read; return its outputs."""
    values: dict[Name, Value] = {
        name: given[s] if s in given else read(builder, s) for s, name in block.inputs.items()
    }
    for e in block.equations:
        operands = [values[x] if isinstance(x, Name) else x for x in e.operands]
        values[e.name] = builder.apply(e.operation, *operands, **dict(e.attributes))
    return {label: values[name] for label, name in block.outputs.items()}


def shaped(builder: Builder, value: Value, target: sp.Symbol) -> Name:
    """A value as a name of the target's shape; numbers and smaller shapes are broadcast."""
    shape = getattr(target, "shape", ())
    operand: Any = value.operand
    if not isinstance(operand, Name) or operand.shape != shape:
        operand = builder.apply("broadcast_to", value, shape=shape).operand
    return operand
