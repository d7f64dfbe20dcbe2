"""What a loop over lanes adds up: the lanes of each sum, in memory until all samples are in.

A long body in parts may have a sum for each of thousands of parameters.  Sums of a kind lie in a
row there, and what happens to each before the loop and after it is a loop over the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symgrad.generate.ir_memory import At
from symgrad.generate.ir_text import Lines, Value, constant, type_of
from symgrad.generate.ir_totals import Total
from symgrad.lower.index import Index
from symgrad.lower.kernel import ITEM_BYTES, Axis, Buffer, Counter, Loop, Store, Update
from symgrad.lower.tasks import start_of

if TYPE_CHECKING:
    from symgrad.generate.ir_parts import Parts
    from symgrad.generate.ir_writer import Writer

START = constant(0, "int64")


@dataclass
class Row:
    """Sums of a kind.

    place:  the address of the first one's lanes, and of a copy from before the last samples
    stride: bytes to the next one's
    """

    kind: Total
    homes: Sequence[Buffer]
    place: str
    stride: int
    before: str = ""

    @contextmanager
    def each(self, lines: Lines) -> Iterator[Value]:
        """What is written meanwhile is done for each sum: its number."""
        if len(self.homes) == 1:
            yield START
            return
        with lines.loop(START, constant(len(self.homes), "int64"), "sum") as k:
            yield k

    def address(self, lines: Lines, row: str, k: Value) -> str:
        """Of the k-th sum's lanes in this row or its copy."""
        if len(self.homes) == 1:
            return row
        offset = lines.value(f"mul nsw {k.typed}, {self.stride}", "int64")
        return lines.value(f"getelementptr i8, ptr {row}, {offset.typed}", "int64").text

    def load(self, lines: Lines, row: str, k: Value) -> Value:
        code = f"load {self.kind.type}, ptr {self.address(lines, row, k)}"
        return lines.value(code, self.kind.dtype, self.kind.lanes)

    def store(self, lines: Lines, row: str, k: Value, x: Value) -> None:
        lines.add(f"store {x.typed}, ptr {self.address(lines, row, k)}")


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
        self.rows: list[Row] = []

    def begin(self, writer: Writer, parts: Parts | None) -> None:
        """Memory for the lanes, in which nothing has been added up."""
        kinds: dict[object, list[Buffer]] = {}
        for home, combine in self.combines.items():
            kinds.setdefault((combine, home.dtype) if parts else home, []).append(home)
        for homes in kinds.values():
            kind = Total(self.combines[homes[0]], homes[0].dtype, self.count)
            if parts:
                row = Row(kind, homes, *parts.begin(homes, kind.type))
            else:
                stem = f"{writer.names(homes[0])}.lanes"
                row = Row(kind, homes, _stacked(writer.lines, stem, kind.type), 0)
                self.places[homes[0]] = row.place
            self.rows.append(row)
            nothing = constant(start_of(kind.combine, kind.dtype), kind.dtype, self.count)
            with row.each(writer.lines) as k:
                row.store(writer.lines, row.place, k, nothing)

    def keep_before_last(self, writer: Writer, first: Value, stop: Value) -> None:
        """Copy the sums before the last samples, if those are fewer than lanes."""
        if not self.rows:
            return
        lines = writer.lines
        end = lines.value(f"add nsw {first.typed}, {self.count}", "int64")
        fewer = lines.value(f"icmp sgt {end.typed}, {stop.text}", "bool")
        with lines.loop(START, lines.cast(fewer, "int64"), "copy"):
            for row in self.rows:
                stem, bytes = f"{writer.names(row.homes[0])}.lanes", row.stride * len(row.homes)
                kind = f"[{bytes} x i8], align 64" if bytes else row.kind.type
                row.before = _stacked(lines, stem, kind)
                with row.each(lines) as k:
                    row.store(lines, row.before, k, row.load(lines, row.place, k))

    def finish(self, writer: Writer, start: Value, stop: Value) -> None:
        """Add up the lanes of each sum, and what was there before the loop."""
        if not self.rows:
            return
        lines, memory = writer.lines, writer.memory
        inside = self.inside(writer, start, stop)
        for row in self.rows:
            writer.totals[row.kind] = None
            one = type_of(row.kind.dtype)
            totals = _stacked(lines, "totals", f"[{len(row.homes)} x {one}]")
            with row.each(lines) as k:
                after, before = (row.load(lines, at, k) for at in (row.place, row.before))
                code = f"select {inside.typed}, {after.typed}, {before.typed}"
                x = lines.value(code, row.kind.dtype, self.count)
                total = lines.value(row.kind.call(x), row.kind.dtype)
                at = lines.value(f"getelementptr {one}, ptr {totals}, {k.typed}", "int64")
                lines.add(f"store {total.typed}, ptr {at.text}")
            for i, home in enumerate(row.homes):
                at = lines.value(f"getelementptr {one}, ptr {totals}, i64 {i}", "int64")
                total = lines.value(f"load {one}, ptr {at.text}", home.dtype)
                old = memory.read(home, ())
                combine = row.kind.combine
                memory.write(home, (), writer.expressions.apply(combine, [old, total], home.dtype))

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
        elif not s.buffer.is_local and not aligned([s.index], self.axis):
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


def aligned(indices: list[At], axis: Axis) -> bool:
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


def _stacked(lines: Lines, stem: str, kind: str) -> str:
    """Memory on the stack."""
    place = f"%{lines.fresh(stem)}"
    lines.entry.append(f"  {place} = alloca {kind}")
    return place


def _kept(lines: Lines, x: Value) -> str:
    """The lanes in memory."""
    place = _stacked(lines, "lanes", x.type)
    lines.add(f"store {x.typed}, ptr {place}")
    return place


def _lane(lines: Lines, place: str, lane: Value, dtype: str) -> Value:
    code = f"getelementptr inbounds {type_of(dtype)}, ptr {place}, {lane.typed}"
    pointer = lines.value(code, "int64").text
    align = ITEM_BYTES[dtype]
    return lines.value(f"load {type_of(dtype)}, ptr {pointer}, align {align}", dtype)
