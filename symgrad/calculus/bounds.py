"""Bounds of integer data: what an index or a label may be, checked before anything runs."""

from __future__ import annotations

import sympy as sp

from symgrad.calculus.block import Block, Equation, Name
from symgrad.calculus.simplify import without_dead_code

GIVEN = ("data", "constant")  # roles of inputs that are known before anything runs
REARRANGED = (
    "reshape", "transpose", "slice", "broadcast_to", "batch", "own", "converse", "concatenate",
)  # fmt: skip


def index_bounds(block: Block) -> dict[sp.Symbol, int]:
    """For each integer input that indexes an axis, the smallest size of such an axis.

    A value v of the data must satisfy 0 <= v < size.  Indices that are computed from data are not
    listed here: the kernels check them.
    """
    symbols = {name: symbol for symbol, name in block.inputs.items()}
    sources: dict[Name, set[sp.Symbol]] = {name: {symbols[name]} for name in symbols}
    bounds: dict[sp.Symbol, int] = {}
    for e in block.equations:
        if e.operation in REARRANGED:
            sources[e.name] = set().union(*(sources.get(x, set()) for x in e.names))
        for index, size in indexed(e):
            for symbol in sources.get(index, ()):
                bounds[symbol] = min(size, bounds.get(symbol, size))
    return bounds


def indexed(e: Equation) -> list[tuple[Name, int]]:
    """The index operands of an equation with the sizes of the axes they select from."""
    if e.operation == "gather":
        sizes = e.operands[0].shape
    elif e.operation == "scatter":
        sizes = e.attribute("shape")
    else:
        return []
    pairs = zip(e.operands[1:], sizes, strict=False)
    return [(x, s) for x, s in pairs if isinstance(x, Name) and isinstance(s, int)]


def computed_indices(block: Block) -> list[Name]:
    """Index names that are not data rearranged: kernels must check their values."""
    known = set(block.inputs.values())
    for e in block.equations:
        if e.operation in REARRANGED and known.issuperset(e.names):
            known.add(e.name)
    return [x for e in block.equations for x, _ in indexed(e) if x not in known]


def indices_of_data(block: Block) -> list[tuple[Block, int]]:
    """Indices that are computed from data alone, as blocks with the output "index", and the size
    of the axis that each selects from: they can be checked before anything runs."""
    fixed = {n for s, n in block.inputs.items() if getattr(s, "role", "data") in GIVEN}
    for e in block.equations:
        if fixed.issuperset(e.names):
            fixed.add(e.name)
    computed = set(computed_indices(block))
    found = {
        (x, size): None
        for e in block.equations
        for x, size in indexed(e)
        if x in computed and x in fixed and x.per_sample
    }
    return [
        (without_dead_code(Block(block.inputs, block.equations, {"index": x})), size)
        for x, size in found
    ]
