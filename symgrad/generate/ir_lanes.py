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
from symgrad.generate.ir_text import Lines, Value, constant, type_of
from symgrad.generate.ir_totals import Total
from symgrad.generate.size import size_of
from symgrad.lower.expressions import accesses
from symgrad.lower.index import Index
from symgrad.lower.kernel import ITEM_BYTES, Axis, Buffer, Comment, Counter, Loop, Store, Update
from symgrad.lower.tasks import start_of

if TYPE_CHECKING:
    from symgrad.generate.ir_writer import Writer

SHORTEST = 64  # operations in a body: LLVM takes care of shorter ones


def lanes_of(s: Loop, known: Mapping[Buffer, Use], width: int) -> int:
    """How many samples at a time: 1 where samples need each other, or where it would not pay."""
    if any(isinstance(t, Loop) for t in s.body) or size_of([s]) < SHORTEST:
        return 1
    if not (_variables_stay(s, known) and _elements_stay(s)):
        return 1
    return min(width, 1 << (s.axis.limit - 1).bit_length())


def _variables_stay(s: Loop, known: Mapping[Buffer, Use]) -> bool:
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


def _elements_stay(s: Loop) -> bool:
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
        if not (_aligned(indices, s.axis) or added):
            return False
    return True


def _aligned(indices: list[At], axis: Axis) -> bool:
    """Whether at one place all indices are the same, and others in every iteration."""
    return any(
        _counts(first, axis) and all(i[k] == first for i in indices)
        for k, first in enumerate(indices[0])
        if all(len(i) > k for i in indices)
    )


def _counts(i: Index, axis: Axis) -> bool:
    return any(a is axis for a, _ in i.terms) and all(
        isinstance(a, Axis | Counter) for a, _ in i.terms
    )


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
    for home, combine in sums.combines.items():
        kind = type_of(home.dtype, count)
        place = parts.begin(home, kind) if parts else _stacked(writer, home, kind)
        sums.places[home] = place
        writer.lines.add(f"store {nothing(combine, home.dtype, count).typed}, ptr {place}")
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
    if sums.combines:
        _finish(writer, sums, start, stop)


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


def nothing(combine: str, dtype: str, count: int) -> Value:
    """What a sum starts from, in every lane."""
    return constant(start_of(combine, dtype), dtype, count)


def _finish(writer: Writer, sums: Sums, start: Value, stop: Value) -> None:
    """Add up the lanes of each sum, and what was there before the loop."""
    lines, memory, inside = writer.lines, writer.memory, sums.inside(writer, start, stop)
    for home, combine in sums.combines.items():
        kind = Total(combine, home.dtype, sums.count)
        after, before = (
            lines.value(f"load {kind.type}, ptr {places[home]}", home.dtype, sums.count)
            for places in (sums.places, sums.before)
        )
        code = f"select {inside.typed}, {after.typed}, {before.typed}"
        x = lines.value(code, home.dtype, sums.count)
        writer.totals[kind] = None
        total = lines.value(kind.call(x), home.dtype)
        old = memory.read(home, ())
        memory.write(home, (), writer.expressions.apply(combine, [old, total], home.dtype))


class Sums:
    """What a loop over lanes adds up.

    combines: variable -> how it is combined
    places:   variable -> the memory of its lanes, in the function that is being written
    """

    def __init__(self, s: Loop, count: int) -> None:
        self.axis, self.count = s.axis, count
        stored = {t.buffer.home for t in s.body if isinstance(t, Store)}
        self.combines = {
            t.buffer.home: t.combine
            for t in s.body
            if isinstance(t, Update) and t.buffer.is_local and t.buffer.home not in stored
        }
        self.places: dict[Buffer, str] = {}
        self.before: dict[Buffer, str] = {}

    def keep_before_last(self, writer: Writer, first: Value, stop: Value) -> None:
        """Copy the sums before the last samples, if those are fewer than lanes."""
        if not self.places:
            return
        lines = writer.lines
        end = lines.value(f"add nsw {first.typed}, {self.count}", "int64")
        fewer = lines.value(f"icmp sgt {end.typed}, {stop.text}", "bool")
        with lines.loop(constant(0, "int64"), lines.cast(fewer, "int64"), "copy"):
            for home, place in self.places.items():
                kind = type_of(home.dtype, self.count)
                self.before[home] = _stacked(writer, home, kind)
                x = lines.value(f"load {kind}, ptr {place}", home.dtype, self.count)
                lines.add(f"store {x.typed}, ptr {self.before[home]}")

    def inside(self, writer: Writer, start: Value, stop: Value) -> Value:
        """The lanes that held a sample at the loop's end."""
        lines, count = writer.lines, self.count
        samples = lines.value(f"sub nsw {stop.typed}, {start.text}", "int64")
        past = lines.value(f"sub nsw {samples.typed}, 1", "int64")
        last = lines.spread(lines.value(f"and {past.typed}, {count - 1}", "int64"), count)
        every = ", ".join(f"i64 {i}" for i in range(count))
        return lines.value(f"icmp sge {last.typed}, <{every}>", "bool", count)

    def take(self, writer: Writer, s: Update) -> bool:
        """Write a sum's update; whether it is one of these sums or has elements for places."""
        if s.buffer.home in self.combines:
            self._add(writer, s)
        elif not s.buffer.is_local and not _aligned([s.index], self.axis):
            self._one_by_one(writer, s)
        else:
            return False
        return True

    def _add(self, writer: Writer, s: Update) -> None:
        lines, dtype, place = writer.lines, s.buffer.dtype, self.places[s.buffer.home]
        kind = type_of(dtype, self.count)
        old = lines.value(f"load {kind}, ptr {place}", dtype, self.count)
        if s.combine == "add":
            new = writer.expressions.added(old, s.value)
        else:
            x = lines.spread(writer.expressions.value(s.value), self.count)
            new = writer.expressions.apply(s.combine, [old, x], dtype)
        lines.add(f"store {new.typed}, ptr {place}")

    def _one_by_one(self, writer: Writer, s: Update) -> None:
        """Samples that may meet in one element add to it one after the other."""
        lines, memory, dtype = writer.lines, writer.memory, s.buffer.dtype
        x = lines.spread(writer.expressions.value(s.value), self.count)
        at = lines.spread(memory.offset(s.buffer, s.index), self.count)
        where, what = _kept(writer.lines, at), _kept(writer.lines, x)
        assert memory.lanes is not None
        first = memory.axes[self.axis]
        rest = lines.value(f"sub nsw {memory.lanes.stop.typed}, {first.text}", "int64")
        code = f"call i64 @llvm.smin.i64({rest.typed}, i64 {self.count})"
        with lines.loop(constant(0, "int64"), lines.value(code, "int64"), "lane") as lane:
            one, index = _lane(lines, what, lane, dtype), _lane(lines, where, lane, "int64")
            place = memory.element(s.buffer, index)
            new = writer.expressions.apply(s.combine, [memory.load(place), one], dtype)
            memory.store(place, new)


def _stacked(writer: Writer, home: Buffer, kind: str) -> str:
    """Memory on the stack for the lanes of a sum."""
    place = f"%{writer.lines.fresh(writer.names(home) + '.lanes')}"
    writer.lines.entry.append(f"  {place} = alloca {kind}")
    return place


def _kept(lines: Lines, x: Value) -> str:
    """The lanes in memory."""
    place = f"%{lines.fresh('lanes')}"
    lines.entry.append(f"  {place} = alloca {x.type}")
    lines.add(f"store {x.typed}, ptr {place}")
    return place


def _lane(lines: Lines, place: str, lane: Value, dtype: str) -> Value:
    code = f"getelementptr inbounds {type_of(dtype)}, ptr {place}, {lane.typed}"
    pointer = lines.value(code, "int64").text
    align = ITEM_BYTES[dtype]
    return lines.value(f"load {type_of(dtype)}, ptr {pointer}, align {align}", dtype)
