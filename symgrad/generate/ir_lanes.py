"""Loops over samples with long bodies: several samples at a time, one in each lane of a vector.

    for b = 0, 8, 16, ...:  the body on vectors; lanes beyond the last sample are masked out
    then:                   the lanes of each sum are added, always in the same order

LLVM would do so itself for short bodies.  For long ones it gives up, or takes long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from symgrad.generate.cpu_expressions import axis_name
from symgrad.generate.ir_locals import Use, uses
from symgrad.generate.ir_memory import At, Lanes
from symgrad.generate.ir_text import Value, constant, type_of
from symgrad.generate.ir_totals import Total
from symgrad.generate.size import size_of
from symgrad.lower.expressions import accesses
from symgrad.lower.index import Index
from symgrad.lower.kernel import ITEM_BYTES, Axis, Buffer, Comment, Counter, Loop, Store, Update
from symgrad.lower.tasks import start_of

if TYPE_CHECKING:
    from symgrad.generate.ir_block import Block

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
    for home, use in uses(s.body).items():
        if use.stores:
            if not (known[home].is_value and all(p[-1:] == (s,) for p in known[home].stores)):
                return False
        elif use.updates and (use.reads or len(_combines(s, home)) > 1):
            return False
    return True


def _combines(s: Loop, home: Buffer) -> set[str]:
    return {t.combine for t in s.body if isinstance(t, Update) and t.buffer.home is home}


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


def loop(block: Block, s: Loop, count: int, start: Value, stop: Value) -> None:
    """The loop, `count` samples at a time."""
    lines, memory = block.lines, block.memory
    sums = block.sums = Sums(block, s, count, stop)
    with lines.loop(start, stop, axis_name(s.axis), count) as first:
        every = ", ".join(f"i64 {i}" for i in range(count))
        spread = lines.spread(first, count)
        numbers = lines.value(f"add nsw {spread.typed}, <{every}>", "int64", count)
        end = lines.spread(stop, count)
        inside = lines.value(f"icmp slt {numbers.typed}, {end.text}", "bool", count)
        memory.axes[s.axis] = first
        memory.lanes = Lanes(s.axis, count, numbers, inside)
        block.statements(s.body)
        memory.lanes = None
    block.sums = None
    sums.finish()


class Sums:
    """What a loop over lanes adds up."""

    def __init__(self, block: Block, s: Loop, count: int, stop: Value) -> None:
        self.block, self.loop, self.count, self.stop = block, s, count, stop
        self.places: dict[Buffer, tuple[str, str]] = {}  # variable -> memory of its lanes, combine
        stored = {t.buffer.home for t in s.body if isinstance(t, Store)}
        for t in s.body:
            if isinstance(t, Update) and t.buffer.is_local and t.buffer.home not in stored:
                self._begin(t)

    def _begin(self, s: Update) -> None:
        home, lines = s.buffer.home, self.block.lines
        if home in self.places:
            return
        kind = type_of(home.dtype, self.count)
        place = f"%{lines.fresh(self.block.names(home) + '.lanes')}"
        lines.entry.append(f"  {place} = alloca {kind}")
        lines.add(f"store {self._start(s.combine, home.dtype).typed}, ptr {place}")
        self.places[home] = place, s.combine

    def _start(self, combine: str, dtype: str) -> Value:
        return constant(start_of(combine, dtype), dtype, self.count)

    def take(self, s: Update) -> bool:
        """Write a sum's update; whether it is one of these sums or has elements for places."""
        home = s.buffer.home
        if home in self.places:
            self._add(s, *self.places[home])
        elif not s.buffer.is_local and not _aligned([s.index], self.loop.axis):
            self._one_by_one(s)
        else:
            return False
        return True

    def _add(self, s: Update, place: str, combine: str) -> None:
        lines, dtype = self.block.lines, s.buffer.dtype
        x = lines.spread(self.block.expressions.value(s.value), self.count)
        inside, nothing = self._inside, self._start(combine, dtype)
        x = lines.value(f"select {inside.typed}, {x.typed}, {nothing.typed}", dtype, self.count)
        old = lines.value(f"load {x.type}, ptr {place}", dtype, self.count)
        new = self.block.expressions.apply(combine, [old, x], dtype)
        lines.add(f"store {new.typed}, ptr {place}")

    @property
    def _inside(self) -> Value:
        assert self.block.memory.lanes is not None
        return self.block.memory.lanes.inside

    def _one_by_one(self, s: Update) -> None:
        """Samples that may meet in one element add to it one after the other."""
        lines, memory, dtype = self.block.lines, self.block.memory, s.buffer.dtype
        x = lines.spread(self.block.expressions.value(s.value), self.count)
        at = lines.spread(memory.offset(s.buffer, s.index), self.count)
        where, what = self._kept(at), self._kept(x)
        assert memory.lanes is not None
        first = memory.axes[self.loop.axis]
        rest = lines.value(f"sub nsw {self.stop.typed}, {first.text}", "int64")
        code = f"call i64 @llvm.smin.i64({rest.typed}, i64 {self.count})"
        with lines.loop(constant(0, "int64"), lines.value(code, "int64"), "lane") as lane:
            one, index = self._lane(what, lane, dtype), self._lane(where, lane, "int64")
            place = memory.element(s.buffer, index)
            new = self.block.expressions.apply(s.combine, [memory.load(place), one], dtype)
            memory.store(place, new)

    def _kept(self, x: Value) -> str:
        """The lanes in memory."""
        lines = self.block.lines
        place = f"%{lines.fresh('lanes')}"
        lines.entry.append(f"  {place} = alloca {x.type}")
        lines.add(f"store {x.typed}, ptr {place}")
        return place

    def _lane(self, place: str, lane: Value, dtype: str) -> Value:
        lines = self.block.lines
        code = f"getelementptr inbounds {type_of(dtype)}, ptr {place}, {lane.typed}"
        align = ITEM_BYTES[dtype]
        pointer = lines.value(code, "int64").text
        return lines.value(f"load {type_of(dtype)}, ptr {pointer}, align {align}", dtype)

    def finish(self) -> None:
        """Add up the lanes, and what was there before the loop."""
        lines, memory = self.block.lines, self.block.memory
        for home, (place, combine) in self.places.items():
            kind = Total(combine, home.dtype, self.count)
            x = lines.value(f"load {kind.type}, ptr {place}", home.dtype, self.count)
            self.block.totals[kind] = None
            total = lines.value(kind.call(x), home.dtype)
            old = memory.read(home, ())
            memory.write(home, (), self.block.expressions.apply(combine, [old, total], home.dtype))
