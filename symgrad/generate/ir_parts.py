"""A long loop body in several functions, which hand values on in memory.

LLVM keeps every value of a function in mind at once, and its time grows with the square of what is
alive.  Parts of a few hundred operations keep it in proportion to the number of operations.  What a
later part reads lies in a frame on the stack, in a place that others take over when it is done; so
do the lanes of sums, and numbers from before the loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.generate import ir_lanes
from symgrad.generate.cpu_expressions import axis_name
from symgrad.generate.ir_text import Value
from symgrad.generate.ir_writer import Writer
from symgrad.generate.size import size_of
from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import Buffer, Comment, Loop, Statement, Store, Update

LARGEST = 400  # operations of a part
LINE = 64  # bytes: places begin at multiples of it


def cut(body: Sequence[Statement]) -> list[list[Statement]]:
    """The statements in pieces of about LARGEST operations."""
    pieces: list[list[Statement]] = [[]]
    size = 0
    for s in body:
        more = size_of([s])
        if size + more > LARGEST and pieces[-1]:
            pieces.append([])
            size = 0
        pieces[-1].append(s)
        size += more
    return pieces


class Frame:
    """Memory on the stack, in places of one size or another."""

    def __init__(self, writer: Writer) -> None:
        self.writer, self.size = writer, 0
        self.name = f"%{writer.lines.fresh('frame')}"
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

    def close(self) -> None:
        self.writer.lines.entry.append(f"  {self.name} = alloca [{self.size} x i8], align {LINE}")


def _bytes(kind: str) -> int:
    """What a type takes, in whole words for a number."""
    lanes, _, name = kind.strip("<>").rpartition(" x ")
    size = {"double": 8, "float": 4, "i64": 8, "i8": 1, "i1": 1}[name] * int(lanes or 1)
    return size if lanes else 8


class Parts:
    """The functions of one loop's body."""

    def __init__(
        self, writer: Writer, s: Loop, pieces: Sequence[Sequence[Statement]], sums: ir_lanes.Sums
    ) -> None:
        self.writer, self.loop, self.pieces, self.sums = writer, s, pieces, sums
        self.frame = Frame(writer)
        self.positions = ir_lanes.positions_in(s)
        self.last: dict[Buffer, int] = {}  # the part that uses a variable last
        self.kept: dict[Buffer, tuple[Value, int]] = {}  # variable -> its value, offset
        self.offsets: dict[Buffer, int] = {}  # sum -> where its lanes are
        for k, piece in enumerate(pieces):
            self.last.update((home, k) for home in _read(piece) if home not in sums.combines)
        self.ending: list[list[Buffer]] = [[] for _ in pieces]
        for home, k in self.last.items():
            self.ending[k].append(home)
        inner = {t.buffer.home for t in s.body if isinstance(t, Store) and t.buffer.is_local}
        for home in self.last:
            if home not in inner:
                self.keep(writer, home, writer.memory.read(home, ()))

    def begin(self, home: Buffer, kind: str) -> str:
        """The address of a sum's lanes, before the loop."""
        self.offsets[home] = self.frame.take(kind)
        code = f"getelementptr i8, ptr {self.frame.name}, i64 {self.offsets[home]}"
        return self.writer.lines.value(code, "int64").text

    def keep(self, writer: Writer, home: Buffer, x: Value) -> None:
        """Put a value where later parts find it."""
        offset = self.frame.take(x.type)
        name = self.frame.name if writer is self.writer else "%frame"
        place = writer.lines.value(f"getelementptr i8, ptr {name}, i64 {offset}", "int64")
        # LLVM would look for neighbours of every number to store together, in quadratic time
        volatile = "volatile " if x.lanes == 1 else ""
        writer.lines.add(f"store {volatile}{x.typed}, ptr {place.text}")
        self.kept[home] = x, offset

    def call(self, first: Value, stop: Value) -> None:
        """Write the parts, and their calls one after the other."""
        outer = self.writer
        for k, piece in enumerate(self.pieces):
            part = Part(self, k, piece)
            outer.memory.pointers |= part.memory.pointers
            outer.memory.integers |= part.memory.integers
            outer.totals |= part.totals
            outer.others.append(part.text)
            given = [f"ptr {p}" for p in (self.frame.name, "%words", *part.memory.pointers)]
            given += [x.typed for x in outer.memory.axes.values()]
            given += [first.typed, stop.typed, *(f"i64 %{i}" for i in part.integers)]
            outer.lines.add(f"call void @{part.name}({', '.join(given)})")
        self.frame.close()


class Part(Writer):
    """Writes one function."""

    def __init__(self, parts: Parts, number: int, piece: Sequence[Statement]) -> None:
        outer = parts.writer
        super().__init__(f"{outer.name}.part_{len(outer.others)}", outer.names, outer.table)
        self.parts, self.number = parts, number
        self.outer = [axis_name(a) for a in outer.memory.axes]
        for a in outer.memory.axes:
            self.memory.axes[a] = Value(f"%{axis_name(a)}", "int64")
        self.axis = axis_name(parts.loop.axis)
        self.sums, before = parts.sums, parts.sums.places
        parts.sums.places = self._places(piece)
        self.memory.absent, self.memory.keep = self._found, self._keep
        self.read_ordered()
        first, stop = (Value(f"%{name}", "int64") for name in (self.axis, "stop"))
        ir_lanes.begin(self, parts.loop.axis, parts.sums.count, first, stop, parts.positions)
        self.statements(piece)
        parts.sums.places = before
        self._release()

    @property
    def text(self) -> str:
        given = [f"ptr noalias {p}" for p in ("%frame", "%words", *self.memory.pointers)]
        given += [f"i64 %{i}" for i in (*self.outer, self.axis, "stop", *self.integers)]
        head = f"define internal void @{self.name}({', '.join(given)}) nounwind noinline {{"
        return "\n".join([
            head, "entry:", *self.lines.entry, *self.lines.body, "  ret void", "}", ""
        ])  # fmt: skip

    def _places(self, piece: Sequence[Statement]) -> dict[Buffer, str]:
        """Where the sums lie that this part adds to."""
        before = self.parts.sums.places
        found = dict.fromkeys(t.buffer.home for t in piece if isinstance(t, Update))
        return {home: self._place(self.parts.offsets[home]) for home in found if home in before}

    def _place(self, offset: int) -> str:
        return self.lines.value(f"getelementptr i8, ptr %frame, i64 {offset}", "int64").text

    def _found(self, home: Buffer) -> Value:
        """A value that an earlier part, or what stands before the loop, has kept."""
        x, offset = self.parts.kept[home]
        code = f"load {x.type}, ptr {self._place(offset)}"
        return self.lines.named(self.lines.value(code, x.dtype, x.lanes), self.names(home))

    def _keep(self, home: Buffer, x: Value) -> None:
        if self.parts.last.get(home, -1) > self.number:
            self.parts.keep(self, home, x)

    def _release(self) -> None:
        """Give up the places of what was used for the last time."""
        for home in self.parts.ending[self.number]:
            x, offset = self.parts.kept.get(home, (None, 0))
            if x and x.lanes > 1:
                self.parts.frame.release(x.type, offset)


def _read(piece: Sequence[Statement]) -> dict[Buffer, None]:
    """The variables that statements read, those that they add to included, in their order."""
    found: dict[Buffer, None] = {}
    for s in piece:
        if isinstance(s, Comment):
            continue
        for b, _ in accesses(s):
            if b.is_local and b.role != "batch_size":
                found[b.home] = None
        if isinstance(s, Update) and s.buffer.is_local:
            found[s.buffer.home] = None
    return found
