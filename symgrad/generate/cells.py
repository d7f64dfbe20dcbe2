"""Code that sorts samples into cells, for threads whose rows are to stay apart.

A cell holds the samples of which each index is in one part of its rows.  The cells of one round
have no part in common: with three parts and two indices, cell 3 r + t is worked on by thread t in
round r and has

    part t of the first index, part (t + r) % 3 of the second one

With more indices r counts on: (t + r // 3) % 3 and (t + r) % 3 for the second and the third.
"""

from __future__ import annotations

HEAD = '''\
"""Sorts samples into cells of {indices} indices with {parts} parts each."""

import numba as nb
from symgrad.generate.native import barrier, called, pointer, shared


@nb.njit(error_model="numpy")
def classify(cells, limits, {names}, first, last):
    """The cell of each sample from `first` to `last` - 1."""
    cells, limits = pointer(cells), pointer(limits)
    {memory}
    for s in range(first, last):
'''
PART = """\
        {row}, {part} = {index}[s], 0
        for k in range({begin}, {end}):  # 1 for each limit up to the row: no branch to be guessed
            {part} -= (limits[k] - 1 - {row}) >> 63
"""
TURN = """\
        {part} -= part0
        {part} += {parts} & ({part} >> 63)
"""
TAIL = '''\
        cells[s - first] = {cell}
    return 0


@nb.njit(error_model="numpy")
def sort(
    samples, ends, mine, cells, known, limits, {names}, order, ordered, sync, first, last, thread
):
    """A thread's samples at positions `first` to `last` - 1, round by round; all threads call it.

    ends: behind each round's; mine: memory for the thread's positions; cells: memory for the cells
    of all positions; known: in an order, the cells of all samples
    """
    begin = first + (last - first) * thread // {parts}
    end = first + (last - first) * (thread + 1) // {parts}
    if ordered:
        for at in range(begin, end):
            cells[at - first] = known[order[at]]
    else:
        classify(cells[begin - first :], limits, {names}, begin, end)
    barrier(pointer(sync), {parts})
    samples, cells, order, mine = pointer(samples), shared(cells), pointer(order), pointer(mine)
    many = 0
    for k in range(last - first):
        mine[many] = k
        many += cells[k] % {parts} == thread
    place = 0
    for r in range({rounds}):
        for k in range(many):
            at = first + mine[k]
            samples[place] = order[at] if ordered else at
            place += cells[mine[k]] == {parts} * r + thread
        ends[r] = place
    barrier(pointer(sync), {parts})  # the first thread reads what all have found
    return 0


@nb.njit(error_model="numpy")
def work(calls, results, again, sync, thread):
    """Once all threads have come here, call kernels, in each round one for every thread.

    calls: of each round and thread, the kernel and its table of words, or 0; again: whether there
    is nothing to call, because samples have to be sorted once more
    """
    calls, results, again, sync = shared(calls), shared(results), shared(again), pointer(sync)
    barrier(sync, {parts})
    if again[0]:
        return 1
    for r in range({rounds}):
        at = {parts} * r + thread
        if calls[2 * at] != 0:
            results[at] = called(calls[2 * at], calls[2 * at + 1])
        barrier(sync, {parts})
    return 0
'''


def cells_text(indices: int, parts: int) -> str:
    """A module with the functions `classify`, `sort` and `work`."""
    names = [f"index{d}" for d in range(indices)]
    named = {"indices": indices, "parts": parts, "names": ", ".join(names)}
    memory = "\n    ".join(f"{name} = pointer({name})" for name in names)
    lines = [HEAD.format(**named, memory=memory)]
    for d, name in enumerate(names):
        begin, end = d * (parts - 1), (d + 1) * (parts - 1)
        lines.append(PART.format(row=f"row{d}", part=f"part{d}", index=name, begin=begin, end=end))
        if d:
            lines.append(TURN.format(part=f"part{d}", parts=parts))
    turns = [f"{parts ** (indices - d)} * part{d}" for d in range(1, indices)]
    named |= {"cell": " + ".join([*turns, "part0"]), "rounds": parts ** (indices - 1)}
    return "".join([*lines, TAIL.format(**named)])
