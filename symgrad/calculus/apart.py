"""Data whose values keep the rows that samples write apart."""

from __future__ import annotations

import sympy as sp

from symgrad.calculus.block import Block


def separating(block: Block) -> dict[sp.Symbol, int]:
    """Data symbols, and the rows that each selects from: samples whose values of one are different
    write different rows of a table.

    Of each table one that does so: a number of each sample, data as they are given, which is in
    every list of indices into it at the same axis.  So `P[u]` and `T[u, v]` have one, and `2*u + 1`
    or a drawn index is none, nor are those of `Q[i] - Q[j]`.
    """
    given = {
        name: symbol
        for symbol, name in block.inputs.items()
        if getattr(symbol, "role", "") == "data" and name.per_sample and name.shape == ()
    }
    tables = []
    for table, lists in block.rows.items():
        by_axis = enumerate(zip(*lists, strict=True))
        alike = [(axis, x) for axis, (x, *others) in by_axis if {x}.issuperset(others)]
        tables.append({given[x]: table.shape[axis] for axis, x in alike if x in given})
    found: dict[sp.Symbol, int] = {}
    for able in sorted(tables, key=len):  # those first that leave no choice
        if able and not found.keys() & able.keys():
            found |= [max(able.items(), key=lambda item: item[1])]
    return found
