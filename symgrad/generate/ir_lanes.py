"""Loops over samples with long bodies: several samples at a time, one in each lane of a vector.

    for b = 0, 8, 16, ...:  the body on vectors; lanes beyond the last sample are masked out
    then:                   the lanes of each sum are added, always in the same order

LLVM would do so itself for short bodies.  For long ones it gives up, or takes long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from symgrad.generate.cpu_expressions import axis_name
from symgrad.generate.ir_cut import cut
from symgrad.generate.ir_divisions import divided_first
from symgrad.generate.ir_late import late
from symgrad.generate.ir_locals import Use, uses
from symgrad.generate.ir_memory import At, Lanes, Positions, position_in
from symgrad.generate.ir_order import early
from symgrad.generate.ir_sums import Sums, aligned
from symgrad.generate.ir_text import Value
from symgrad.generate.size import size_of
from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import Axis, Buffer, Comment, Loop, Store, Update

if TYPE_CHECKING:
    from symgrad.generate.ir_writer import Writer

SHORTEST = 64  # operations in a body: LLVM takes care of shorter ones


def lanes_of(s: Loop, known: Mapping[Buffer, Use], width: int) -> int:
    """How many samples at a time: 1 where samples need each other, or where it would not pay."""
    if any(isinstance(t, Loop) for t in s.body) or size_of([s]) < SHORTEST:
        return 1
    if not (variables_stay(s, known) and elements_stay(s)):
        return 1
    return min(width, 1 << (s.axis.limit - 1).bit_length())


def variables_stay(s: Loop, known: Mapping[Buffer, Use]) -> bool:
    """Whether variables live within one iteration, or are sums that nobody reads meanwhile."""
    combined: dict[Buffer, set[str]] = {}
    for t in s.body:
        if isinstance(t, Update):
            combined.setdefault(t.buffer.home, set()).add(t.combine)
    for home, use in uses(s.body).items():
        if use.stores:
            if not (known[home].is_value and all(p[-1:] == (s,) for p in known[home].stores)):
                return False
        elif use.updates and (use.reads or len(combined.get(home, ())) > 1):
            return False
    return True


def elements_stay(s: Loop) -> bool:
    """Whether no iteration touches an element that another one writes, but by adding to it."""
    touched: dict[Buffer, list[At]] = {}
    written: dict[Buffer, list[Store | Update]] = {}
    for t in s.body:
        if isinstance(t, Comment):
            continue
        for buffer, index in accesses(t):
            if not buffer.is_local and index is not None:
                touched.setdefault(buffer.home, []).append(index)
        if isinstance(t, Store | Update) and not t.buffer.is_local:
            written.setdefault(t.buffer.home, []).append(t)
    for home, targets in written.items():
        indices = [*touched.get(home, ()), *(t.index for t in targets)]
        added = all(isinstance(t, Update) for t in targets) and home not in touched
        if not (aligned(indices, s.axis) or added):
            return False
    return True


# ---- writing


def loop(writer: Writer, s: Loop, count: int, start: Value, stop: Value) -> None:
    """The loop, `count` samples at a time; a long body in several functions."""
    from symgrad.generate.ir_parts import Parts, strips

    sums = Sums(s, count)
    s = s.over(early(late(s.body, sums.combines), sums.combines))
    pieces = cut(s.body, writer.table.registers)
    if writer.table.estimates:
        pieces = [divided_first(piece) for piece in pieces]
    parts = Parts(writer, s, pieces, sums) if len(pieces) > 1 else None
    sums.begin(writer, parts)
    if parts:
        size = parts.write()
        with strips(writer.lines, start, stop, size, count) as (first, end):
            sums.keep_before_last(writer, first, end)
            parts.call(first, end)
    else:
        with writer.lines.loop(start, stop, axis_name(s.axis), count) as first:
            sums.keep_before_last(writer, first, stop)
            begin(writer, s.axis, count, first, stop, positions_in(s))
            writer.sums = sums
            writer.lanes_of(s.body, count)
            writer.memory.lanes = writer.sums = None
            del writer.memory.axes[s.axis]
    sums.finish(writer, start, stop)


def positions_in(s: Loop) -> Positions:
    """Of the variables that are set to the sample at a position, that position."""
    local = (t for t in s.body if isinstance(t, Store) and t.buffer.is_local)
    found = ((t.buffer.home, position_in(t.value)) for t in local)
    return {home: at for home, at in found if at is not None}


def begin(
    writer: Writer, axis: Axis, count: int, first: Value, stop: Value, positions: Positions
) -> None:
    """From here on, what depends on the axis has lanes."""
    lines = writer.lines
    every = ", ".join(f"i64 {i}" for i in range(count))
    spread = lines.spread(first, count)
    numbers = lines.value(f"add nsw {spread.typed}, <{every}>", "int64", count)
    end = lines.spread(stop, count)
    inside = lines.value(f"icmp slt {numbers.typed}, {end.text}", "bool", count)
    writer.memory.axes[axis] = first
    writer.memory.lanes = Lanes(axis, count, numbers, inside, stop, positions)
