"""The sum of a table's gradients over mini-batches, held as the rows that they touched.

In every other row it is 0.  So what accumulation keeps of tables whose rows are looked up alike is

    rows   7  2  9         the distinct rows since the last update, in the order in which they came
    sums   g7 g2 g9        of each table, what was added up in these rows

There is room for every row of the tables, and the first places alone are used: of zeros the system
gives memory when it is touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Lists
from symgrad.calculus.touched import selected
from symgrad.language.digest import digest
from symgrad.language.symbols import TensorSymbol

Arrays = Mapping[sp.Symbol, np.ndarray]
COUNT = 0  # in `count`, of the number of rows; behind it stand the bits of the hash table


@dataclass(frozen=True, eq=False)
class Group:
    """The symbols of the rows that mini-batches touched, and what selects a row.

    axes:          of a table, those that select a row
    sizes:         theirs; a row's number is that of its place in an array of these sizes
    rows, count:   the rows, and (how many, bits of the hash table)
    table, places: the hash table from rows to their places, see `lower.kernel.Found`
    """

    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    rows: TensorSymbol
    count: TensorSymbol
    table: TensorSymbol
    places: TensorSymbol

    @property
    def symbols(self) -> tuple[TensorSymbol, ...]:
        return (self.rows, self.count, self.table, self.places)

    @property
    def height(self) -> int:
        return math.prod(self.sizes)

    # ---- what NumPy does with it

    def at(self, arrays: Arrays) -> tuple[np.ndarray, ...]:
        """Where the rows are in a table whose selecting axes come first."""
        rows = arrays[self.rows][: arrays[self.count][COUNT]]
        return tuple(np.unravel_index(rows, self.sizes))

    def in_front(self, table: np.ndarray) -> np.ndarray:
        """The table with the axes that select first; the same memory."""
        return np.moveaxis(table, self.axes, range(len(self.axes)))

    def join(self, arrays: Arrays, found: Iterable[tuple[np.ndarray, ...]]) -> None:
        """Add the rows that are not there yet.

        found: for each axis that selects an index array
        """
        rows, count = arrays[self.rows], arrays[self.count]
        for places in found:
            at, known = np.ravel_multi_index(places, self.sizes), count[COUNT]
            new = np.setdiff1d(at, rows[:known])
            rows[known : known + len(new)] = new
            count[:] = known + len(new), 0  # a hash table that knows them has to be made

    def add(self, arrays: Arrays, total: sp.Symbol, gradient: np.ndarray) -> None:
        """Add a gradient, which has no other rows, to a sum."""
        known = self.in_front(gradient)[self.at(arrays)]
        arrays[total][: len(known)] += known

    def whole(self, arrays: Arrays, total: sp.Symbol, shape: tuple[int, ...]) -> np.ndarray:
        """A sum as an array of the table's shape."""
        table, at = np.zeros(shape, arrays[total].dtype), self.at(arrays)
        self.in_front(table)[at] = arrays[total][: len(at[0])]
        return table

    def renewed(self, arrays: Arrays, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        """The old values, with the new ones in the rows."""
        result, at = old.copy(), self.at(arrays)
        self.in_front(result)[at] = self.in_front(new)[at]
        return result

    def clear(self, arrays: Arrays, totals: Iterable[sp.Symbol]) -> None:
        """Forget the rows and their sums."""
        count = arrays[self.count]
        for total in totals:
            arrays[total][: count[COUNT]] = 0
        count[COUNT] = 0


def groups_of(
    parameters: Iterable[sp.Symbol], touched: Mapping[sp.Symbol, Lists | None]
) -> dict[sp.Symbol, Group]:
    """The group of each table; tables of one height that are looked up alike share one."""
    found: dict[Any, Group] = {}
    result = {}
    for p in parameters:
        lists = touched[p]
        assert lists is not None
        axes = selected(lists)
        sizes = tuple(p.shape[a] for a in axes)
        key = lists, sizes
        if key not in found:
            found[key] = _group(p, axes, sizes)
        result[p] = found[key]
    return result


def _group(p: sp.Symbol, axes: tuple[int, ...], sizes: tuple[int, ...]) -> Group:
    height = math.prod(sizes)
    table = (1 << (2 * height + 1).bit_length(),)  # more than twice as many places as rows
    shapes = {"rows": (height,), "count of rows": (2,), "hash table of rows": table,
              "places of rows": (height,)}  # fmt: skip
    symbols = (kept(f"{name} of {p.name}", p, shape, "int") for name, shape in shapes.items())
    return Group(axes, sizes, *symbols)


def sum_of(p: sp.Symbol, group: Group | None) -> TensorSymbol:
    """The symbol of the sum of a parameter's gradients, of the shape in which it is held."""
    shape = getattr(p, "shape", ())
    if group is not None:
        shape = (group.height, *(size for a, size in enumerate(shape) if a not in group.axes))
    return kept(f"sum of gradients of {p.name}", p, shape)


def kept(name: str, p: sp.Symbol, shape: tuple, dtype: str = "float") -> TensorSymbol:
    """A new state symbol that belongs to a parameter."""
    key = digest("state", name, shape)
    identity = digest(key, getattr(p, "identity", p.name))
    return TensorSymbol(name, shape, dtype, "state", key, identity)
