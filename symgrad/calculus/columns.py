"""Which matrices are read at columns that data choose, such as W of `W @ x` for sparse x."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symgrad.calculus.block import Block, Name
from symgrad.calculus.ragged import by_entries
from symgrad.language.row import TABLE

OTHERS = ("pointwise", "reduction")  # uses for which rows are as good as columns


def read_by_columns(blocks: Iterable[Block]) -> set[sp.Symbol]:
    """The inputs of rank 2 whose rows nobody reads: held column by column, what is read together
    lies together."""
    wanted: set[sp.Symbol] = set()
    others: set[sp.Symbol] = set()
    for block in map(by_entries, blocks):
        for symbol, name in block.inputs.items():
            if len(name.shape) == 2 and getattr(symbol, "role", "parameter") == "parameter":
                ways = _ways(block, name)
                wanted |= {symbol} if "columns" in ways else set()
                others |= {symbol} if "rows" in ways else set()
    return wanted - others


def _ways(block: Block, table: Name) -> set[str]:
    """How a block reads a matrix: by "columns", by "rows", or element by element."""
    ways: set[str] = {"rows"} if table in block.outputs.values() else set()
    turned = {table}
    for e in block.equations:
        if e.operation == "transpose" and e.operands[0] is table:
            turned.add(e.name)
        elif e.operation == "gather" and e.operands[0] in turned and e.operands[0] is not table:
            ways.add("columns")
        elif not turned.isdisjoint(e.operands) and TABLE[e.operation].kind not in OTHERS:
            ways.add("rows")
    return ways
