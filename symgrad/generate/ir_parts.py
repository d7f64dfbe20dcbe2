"""A long loop body in several functions, which hand values on in memory.

LLVM keeps every value of a function in mind at once, and its time grows with the square of what is
alive.  Parts of a few hundred operations keep it in proportion to the number of operations.  What a
later part reads lies in a frame on the stack, in a place that others take over when it is done,
unless it costs less to compute it again.  The lanes of sums and numbers from before the loop are
held beside the frame.

Where most results wait for each other, as in a long chain, a processor would wait too.  Such a body
is worked off in strips of several vectors:

    for a strip of samples:
        for each vector in it:  part 1
        for each vector in it:  part 2
        ...

Then the next vector's operations are under way while one waits; and what parts share between
vectors, parameters and sums, stays in registers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from symgrad.generate import ir_lanes
from symgrad.generate.cpu_expressions import axis_name
from symgrad.generate.ir_again import computed_again
from symgrad.generate.ir_cut import read_in, waits
from symgrad.generate.ir_ready import READY
from symgrad.generate.ir_sums import Sums
from symgrad.generate.ir_text import Lines, Value, constant, type_of
from symgrad.generate.ir_writer import Writer
from symgrad.lower.kernel import Buffer, Loop, Statement, Store, Update


@dataclass(frozen=True)
class Strip:
    """How a processor likes strips.

    vectors: of a strip at most
    frames:  bytes that their frames may take
    """

    vectors: int
    frames: int


# By the vector registers that there are, and whether divisions take longer: those processors do two
# multiply-adds of whole vectors a cycle, and wait for what does not fit the first-level cache.
STRIPS = {
    (16, False): Strip(32, 256 * 1024),
    (32, False): Strip(8, 256 * 1024),
    (32, True): Strip(4, 36 * 1024),
}
AGAIN = 2  # operations that cost less than a place in a frame
COPIES = re.compile(r"copies\*(\d+)")  # in assembly, until it is known how many there are
ITEM = {8: "i64", 4: "i32", 1: "i8"}  # a number of so many bytes
LINE = 64  # bytes: frames begin at multiples of it, and places for vectors as long


@contextmanager
def strips(
    lines: Lines, start: Value, stop: Value, size: int, count: int
) -> Iterator[tuple[Value, Value]]:
    """What is written meanwhile is repeated for strips of samples: their first, and their end.

    A strip has `size` samples, the last fewer; those that fill no vector of `count` lanes have one
    of their own.
    """

    def whole(code: str) -> Value:
        return lines.value(code, "int64")

    samples = whole(f"sub nsw {stop.typed}, {start.text}")
    rest = whole(f"and {samples.typed}, {count - 1}")
    full = whole(f"sub nsw {stop.typed}, {rest.text}")
    up = whole(f"add nsw {samples.typed}, {size - 1}")
    strips = whole(f"sdiv {whole(f'sub nsw {up.typed}, {rest.text}').typed}, {size}")
    one = lines.cast(lines.value(f"icmp ne {rest.typed}, 0", "bool"), "int64")
    number = whole(f"add nsw {strips.typed}, {one.text}")
    with lines.loop(constant(0, "int64"), number, "strip") as strip:
        at = whole(f"add nsw {whole(f'mul nsw {strip.typed}, {size}').typed}, {start.text}")
        first = whole(f"call i64 @llvm.smin.i64({at.typed}, {full.typed})")
        next = whole(f"add nsw {first.typed}, {size}")
        end = whole(f"call i64 @llvm.smin.i64({next.typed}, {full.typed})")
        last = lines.value(f"icmp eq {first.typed}, {full.text}", "bool")
        yield first, whole(f"select {last.typed}, {stop.typed}, {end.typed}")


class Frame:
    """Memory on the stack, in places of one size or another.

    Of a strip's vectors each place has as many copies, side by side: memory is read and written in
    order, and an address is a sum of what is known beforehand and the vector's number.
    """

    def __init__(self, writer: Writer, stem: str) -> None:
        self.writer, self.size = writer, 0
        self.name = f"%{writer.lines.fresh(stem)}"
        self._free: dict[int, list[int]] = {}

    def take(self, kind: str) -> int:
        """The offset of a place for a value of that LLVM type."""
        free = self._free.get(_bytes(kind))
        if free:
            return free.pop()
        size = _bytes(kind)
        start = -(-self.size // min(size, LINE)) * min(size, LINE)
        self.size = start + size
        return start

    def release(self, kind: str, offset: int) -> None:
        self._free.setdefault(_bytes(kind), []).append(offset)

    def close(self, copies: int) -> None:
        size = copies * -(-self.size // LINE) * LINE
        self.writer.lines.entry.append(f"  {self.name} = alloca [{size} x i8], align {LINE}")


def _bytes(kind: str) -> int:
    """What a type takes, in whole words for a number."""
    lanes, _, name = kind.strip("<>").rpartition(" x ")
    size = {"double": 8, "float": 4, "i64": 8, "i8": 1, "i1": 1}[name] * int(lanes or 1)
    return size if lanes else 8


class Parts:
    """The functions of one loop's body."""

    def __init__(
        self, writer: Writer, s: Loop, pieces: Sequence[Sequence[Statement]], sums: Sums
    ) -> None:
        self.writer, self.loop, self.pieces, self.sums = writer, s, pieces, sums
        self.in_strips = waits(s.body)
        self.frame, self.held = Frame(writer, "frame"), Frame(writer, "held")
        self.positions = ir_lanes.positions_in(s)
        self.last: dict[Buffer, int] = {}  # the part that uses a variable last
        self.kept: dict[Buffer, tuple[Value, int]] = {}  # variable -> its value, offset
        self.offsets: dict[Buffer, int] = {}  # sum -> where its lanes are
        for k, piece in enumerate(pieces):
            self.last.update((home, k) for home in read_in(piece) if home not in sums.combines)
        self.strip = STRIPS[writer.table.registers, writer.table.estimates]
        self.again = computed_again(pieces, self.last, AGAIN)
        self.ending: list[list[Buffer]] = [[] for _ in pieces]
        for home, k in self.last.items():
            self.ending[k].append(home)
        inner = {t.buffer.home for t in s.body if isinstance(t, Store) and t.buffer.is_local}
        for home in self.last:
            if home not in inner:
                self.keep(writer, home, writer.memory.read(home, ()))

    def begin(self, homes: Sequence[Buffer], kind: str) -> tuple[str, int]:
        """Memory for the lanes of sums: the address of the first, and bytes to the next."""
        self.offsets.update((home, self.held.take(kind)) for home in homes)
        first = self.offsets[homes[0]]
        code = f"getelementptr i8, ptr {self.held.name}, i64 {first}"
        return self.writer.lines.value(code, "int64").text, _bytes(kind)

    def keep(self, writer: Writer, home: Buffer, x: Value) -> None:
        """Put a value where later parts find it."""
        offset = (self.frame if x.lanes > 1 else self.held).take(x.type)
        held = self.held.name if writer is self.writer else "%held"
        # LLVM would look for neighbours of every number to store together, in quadratic time
        volatile = "volatile " if x.lanes == 1 else ""
        writer.lines.add(f"store {volatile}{x.typed}, ptr {_place(writer, x, offset, held)}")
        self.kept[home] = x, offset

    def write(self) -> int:
        """Write the parts; how many samples they work off at a time."""
        outer = self.writer
        self.made = [Part(self, k, piece) for k, piece in enumerate(self.pieces)]
        for part in self.made:
            outer.memory.pointers |= part.memory.pointers
            outer.memory.integers |= part.memory.integers
            outer.totals |= part.totals
        most = min(self.strip.vectors, self.strip.frames // max(self.frame.size, 1))
        vectors = max(most, 1) if self.in_strips else 1
        self.copies = vectors | 1  # odd: processors take addresses a page apart for the same
        outer.others += [part.text for part in self.made]
        self.frame.close(self.copies)
        self.held.close(1)
        return vectors * self.sums.count

    def call(self, first: Value, stop: Value) -> None:
        """Call the parts one after the other."""
        outer = self.writer
        for part in self.made:
            frames = self.frame.name, self.held.name
            given = [f"ptr {p}" for p in (*frames, "%words", *part.memory.pointers)]
            given += [x.typed for x in outer.memory.axes.values()]
            given += [first.typed, stop.typed, *(f"i64 %{i}" for i in part.integers)]
            outer.lines.add(f"call void @{part.name}({', '.join(given)})")


class Part(Writer):
    """Writes one function."""

    def __init__(self, parts: Parts, number: int, piece: Sequence[Statement]) -> None:
        outer = parts.writer
        name = f"{outer.name}.part_{len(outer.others) + number}"
        super().__init__(name, outer.names, outer.table)
        self.parts, self.number = parts, number
        self.outer = [axis_name(a) for a in outer.memory.axes]
        for a in outer.memory.axes:
            self.memory.axes[a] = Value(f"%{axis_name(a)}", "int64")
        self.axis = axis_name(parts.loop.axis)
        self.sums = parts.sums
        parts.sums.places = self._places(piece)
        self.memory.absent, self.memory.keep = self._found, self._keep
        self.read_ordered()
        first, stop = Value("%first", "int64"), Value("%stop", "int64")
        with self._vectors(first, stop) as i:
            axis = parts.loop.axis
            ir_lanes.begin(self, axis, parts.sums.count, i, stop, parts.positions)
            self.lanes_of(piece, parts.sums.count)
        if parts.in_strips:
            for home, place in parts.sums.places.items():
                self._copied(home, place, self._held(home))
        self._release()

    @property
    def text(self) -> str:
        given = [f"ptr noalias {p}" for p in ("%frame", "%held", "%words", *self.memory.pointers)]
        given += [f"i64 %{i}" for i in (*self.outer, "first", "stop", *self.integers)]
        kind = "nounwind noinline" + (f" {READY}" if self._is_ready else "")
        entry = "\n".join(self.lines.entry)
        entry = COPIES.sub(lambda found: str(self.parts.copies * int(found[1])), entry)
        return "\n".join([
            f"define internal void @{self.name}({', '.join(given)}) {kind} {{", "entry:",
            entry, *self.lines.body, "  ret void", "}", "",
        ])  # fmt: skip

    @property
    def _is_ready(self) -> bool:
        """Whether it reads no arrays, and calls none of our functions."""
        return not (self.memory.pointers or any("@symgrad." in line for line in self.lines.body))

    @contextmanager
    def _vectors(self, first: Value, stop: Value) -> Iterator[Value]:
        """What is written meanwhile is done for each vector of a strip: its first sample."""
        lines, count = self.lines, self.parts.sums.count
        if not self.parts.in_strips:
            lines.add("%done = add i64 0, 0")
            yield first
            return
        with lines.loop(first, stop, self.axis, count, hidden=True) as i:
            lines.add(f"%done = sub nsw {i.typed}, {first.text}")
            yield i

    def _places(self, piece: Sequence[Statement]) -> dict[Buffer, str]:
        """Where the sums are that this part adds to: in variables while it goes through a strip."""
        found = dict.fromkeys(t.buffer.home for t in piece if isinstance(t, Update))
        place = self._variable if self.parts.in_strips else self._held
        return {home: place(home) for home in found if home in self.parts.offsets}

    def _variable(self, home: Buffer) -> str:
        kind = type_of(home.dtype, self.parts.sums.count)
        place = f"%{self.lines.fresh(self.names(home) + '.lanes')}"
        self.lines.entry.append(f"  {place} = alloca {kind}")
        self._copied(home, self._held(home), place)
        return place

    def _held(self, home: Buffer) -> str:
        """The address of a sum's lanes."""
        code = f"getelementptr i8, ptr %held, i64 {self.parts.offsets[home]}"
        return self.lines.value(code, "int64").text

    def _copied(self, home: Buffer, start: str, to: str) -> None:
        kind = type_of(home.dtype, self.parts.sums.count)
        x = self.lines.value(f"load {kind}, ptr {start}", home.dtype, self.parts.sums.count)
        self.lines.add(f"store {x.typed}, ptr {to}")

    def _found(self, home: Buffer) -> Value:
        """A value that an earlier part, or what stands before the loop, has kept or made."""
        if home in self.parts.again:
            again = self.expressions.value(self.parts.again[home])
            return self.lines.named(again, self.names(home))
        x, offset = self.parts.kept[home]
        code = f"load {x.type}, ptr {_place(self, x, offset, '%held')}"
        return self.lines.named(self.lines.value(code, x.dtype, x.lanes), self.names(home))

    def _keep(self, home: Buffer, x: Value) -> None:
        if self.parts.last.get(home, -1) > self.number and home not in self.parts.again:
            self.parts.keep(self, home, x)

    def _release(self) -> None:
        """Give up the places of what was used for the last time."""
        for home in self.parts.ending[self.number]:
            x, offset = self.parts.kept.get(home, (None, 0))
            if x and x.lanes > 1:
                self.parts.frame.release(x.type, offset)


def _place(writer: Writer, x: Value, offset: int, held: str) -> str:
    """The address of a kept value: a number's, or a vector's among its copies."""
    lines = writer.lines
    if x.lanes == 1:
        return lines.value(f"getelementptr i8, ptr {held}, i64 {offset}", "int64").text
    row = lines.at_entry(f"getelementptr i8, ptr %frame, i64 copies*{offset}", "int64")
    item = ITEM[_bytes(x.type) // x.lanes]
    return lines.value(f"getelementptr {item}, ptr {row.text}, i64 %done", "int64").text
