"""What accumulation keeps between two updates: its memory, in files, and how much it is.

Of a table there is room for every row, of which the first places are used: those are what a file
holds.  The hash table is made again by the first kernel that looks for a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from symgrad.calculus.groups import COUNT, Group
from symgrad.calculus.update import Applied
from symgrad.train.memory import filled

Arrays = Mapping[sp.Symbol, np.ndarray]


def by_group(rule: Applied | None) -> dict[Group, list[sp.Symbol]]:
    """Each group of rows, and the sums that are held in it."""
    found: dict[Group, list[sp.Symbol]] = {}
    for p, group in rule.groups.items() if rule else ():
        assert rule is not None
        found.setdefault(group, []).append(rule.accumulators[p])
    return found


def packed(rule: Applied | None, arrays: Arrays) -> dict[sp.Symbol, np.ndarray]:
    """The arrays as a file holds them: of groups the rows that there are, and no hash table."""
    result = dict(arrays)
    for group, sums in by_group(rule).items():
        if group.count in arrays:
            count = arrays[group.count][: COUNT + 1]
            result[group.count] = count
            result |= {s: arrays[s][: count[0]] for s in (group.rows, *sums)}
            del result[group.table], result[group.places]
    return result


def unpacked(rule: Applied, saved: Arrays, dtype: np.dtype) -> dict[sp.Symbol, np.ndarray]:
    """The arrays of the groups again; ValueError or KeyError where the saved ones do not fit."""
    result: dict[sp.Symbol, np.ndarray] = {}
    for group, sums in by_group(rule).items():
        result |= {s: filled(s, 0, dtype) for s in (*group.symbols, *sums)}
        rows, count = saved[group.rows], saved[group.count]
        lengths = {group.count: 1, **dict.fromkeys((group.rows, *sums), len(rows))}
        for s, length in lengths.items():
            place = result[s][:length]
            if saved[s].shape != place.shape or saved[s].dtype.kind != place.dtype.kind:
                raise ValueError(f"the array of {s.name!r} has shape {saved[s].shape}")
            place[...] = saved[s]
        distinct = np.unique(rows)
        inside = not len(rows) or 0 <= distinct[0] <= distinct[-1] < group.height
        if not inside or not len(distinct) == len(rows) == count[COUNT]:
            raise ValueError(f"{group.rows.name}: they are no distinct rows of {group.height}")
    return result


def in_use(rule: Applied | None, arrays: Arrays) -> tuple[int, int]:
    """How many rows are held between two updates, and the bytes of memory that they take."""
    total = taken = 0
    for group, sums in by_group(rule).items():
        if group.count in arrays:
            count = arrays[group.count][COUNT].item()
            total += count
            taken += 8 * (2 * count + (1 << (2 * count).bit_length() if count else 0))
            taken += sum(arrays[s][:count].nbytes for s in sums)
    return total, taken


def held(rule: Applied | None, arrays: Arrays) -> int:
    """The bytes of all arrays; of groups, those in use."""
    groups = {s for g, sums in by_group(rule).items() for s in (*g.symbols, *sums)}
    return in_use(rule, arrays)[1] + sum(a.nbytes for s, a in arrays.items() if s not in groups)


def sums_to_come(rule: Applied | None, arrays: Arrays) -> int:
    """The bytes of the gradients' sums that training with accumulation will hold, and no other
    has; of those in rows nobody knows how many there will be."""
    if rule is None:
        return 0
    whole = {p: s for p, s in rule.accumulators.items() if p not in rule.groups}
    return sum(arrays[p].nbytes for p, s in whole.items() if s not in arrays)
