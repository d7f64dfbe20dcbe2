"""The distinct rows of many mini-batches, which outlive a kernel's calls."""

from __future__ import annotations

from typing import Any

import numba as nb

from symgrad.generate.native import distinct


@nb.njit(error_model="numpy", _nrt=False)
def joined(row: int, rows: Any, count: Any, table: Any, places: Any) -> int:
    """The number of a row among the count[0] distinct ones in `rows`; a new one is added.

    The hash table begins small and grows, so that little of its memory is ever touched.  With
    count[1] = 0 it is made anew: whoever writes rows without it leaves that there.
    """
    known = count[0]
    if (known + 1) * 2 > 1 << count[1]:
        while (known + 1) * 2 > 1 << count[1]:
            count[1] += 1
        count[0] = 0
        for k in range(known):
            distinct(rows[k], rows, count, table, places, count[1])
    return distinct(row, rows, count, table, places, count[1])
