"""Memory and local variables in LLVM assembly: where an element lies, how it is read and written.

In a loop that takes several samples at a time, its lanes, an element that lies beside the one of
the sample before is read with its neighbours; elements further apart are gathered.  What lies
beyond the last sample is masked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from symgrad.generate.cpu_expressions import axis_name
from symgrad.generate.ir_text import Lines, Value, constant, suffix_of, type_of
from symgrad.generate.text import Names
from symgrad.lower import index as ix
from symgrad.lower.index import Index, Quotient, Remainder
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Apply,
    Axis,
    Buffer,
    Counter,
    Expression,
    Load,
    Whole,
)

At = tuple[Index, ...]
Positions = Mapping[Buffer, Index]
ORDER, ORDERED, FAULT = "%order", Value("%ordered", "bool"), "%fault"


@dataclass(frozen=True, slots=True)
class Lanes:
    """Several samples at a time, or the elements of a row.

    count:     how many
    numbers:   the axis' value in each lane
    inside:    whether the loop goes so far; None of a row
    stop:      the number behind its last
    positions: variables that are the sample at a position of the order, and that position
    extent:    the elements of a row: what lies in memory of a vector
    """

    axis: Axis
    count: int
    numbers: Value
    inside: Value | None
    stop: Value
    positions: Positions
    extent: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """An address, or one for each lane.

    row:       whether it is the first of as many neighbours as lanes
    unordered: the first of them where samples come in no order
    """

    pointer: str
    dtype: str
    lanes: int = 1
    row: bool = False
    unordered: str = ""


class Memory:
    """What a function's lines read and write.

    axes:       the loops that are open
    current:    local variables that are values
    variables:  those that have memory
    pointers:   the arrays that were used, by name
    integers:   the integers of the driver loop that were used
    value:      writes an expression
    absent:     finds a variable that is neither
    keep:       is told of every variable that is set and is a value
    """

    value: Callable[[Expression], Value]
    absent: Callable[[Buffer], Value]

    def __init__(self, lines: Lines, names: Names) -> None:
        self.lines, self.names = lines, names
        self.axes: dict[Axis, Value] = {}
        self.current: dict[Buffer, Value] = {}
        self.variables: dict[Buffer, str] = {}
        self.pointers: dict[str, None] = {}
        self.integers: set[str] = set()
        self.lanes: Lanes | None = None
        self.keep: Callable[[Buffer, Value], None] = lambda home, x: None

    def read(self, buffer: Buffer, index: At) -> Value:
        if buffer.role == "batch_size":
            return self.integer("n")
        if buffer.is_local:
            home = buffer.home
            if home in self.current:
                return self.current[home]
            if home not in self.variables:
                self.current[home] = self.absent(home)
                return self.current[home]
            place = self.variables[home]
            return self.lines.value(f"load {type_of(home.dtype)}, ptr {place}", home.dtype)
        return self.load(self.place(buffer, index))

    def integer(self, name: str) -> Value:
        """An integer that the driver loop keeps."""
        self.integers.add(name)
        return Value(f"%{name}", "int64")

    def write(self, buffer: Buffer, index: At, x: Value) -> None:
        if not buffer.is_local:
            self.store(self.place(buffer, index), x)
        elif buffer.home in self.variables:
            self.lines.add(f"store {x.typed}, ptr {self.variables[buffer.home]}")
        else:
            self.current[buffer.home] = self.lines.named(x, self.names(buffer))
            self.keep(buffer.home, self.current[buffer.home])

    # ---- indices

    def index(self, i: Index) -> Value:
        """constant + coefficient * atom + ..., what is the same in all lanes first."""
        parts = [self._times(self._atom(atom), k) for atom, k in i.terms]
        parts.sort(key=lambda x: x.lanes)
        total = constant(i.constant, "int64")
        for x in parts:
            total = x if total.text == "0" else self._whole("add nsw", total, x)
        return total

    def _times(self, x: Value, k: int) -> Value:
        return x if k == 1 else self._whole("mul nsw", x, constant(k, "int64"))

    def _whole(self, operation: str, x: Value, y: Value) -> Value:
        x, y = self.lines.together(x, y)
        return self.lines.value(f"{operation} {x.typed}, {y.text}", "int64", x.lanes)

    def _atom(self, atom: Any) -> Value:
        if isinstance(atom, Axis):
            lanes = self.lanes
            if lanes and atom is lanes.axis:
                return lanes.numbers
            return self.axes[atom] if atom in self.axes else self.integer(axis_name(atom))
        if isinstance(atom, Counter):
            return self.integer(atom.name)
        if isinstance(atom, Quotient | Remainder):
            return self._divided(atom)
        return self.value(atom)

    def _divided(self, atom: Quotient | Remainder) -> Value:
        """The quotient or remainder, rounded downwards."""
        x, d = self.index(atom.index), constant(atom.divisor, "int64")
        quotient = isinstance(atom, Quotient)
        if atom.index.lower >= 0:
            return self._whole("udiv" if quotient else "urem", x, d)
        rest = self._whole("srem", x, d)
        below = self._whole("ashr", rest, constant(63, "int64"))  # -1 where it is negative
        if quotient:
            return self._whole("add", self._whole("sdiv", x, d), below)
        return self._whole("add", rest, self._whole("and", below, d))

    # ---- addresses

    def place(self, buffer: Buffer, index: At) -> Place:
        return self._place(f"%{self.names(buffer)}", buffer.dtype, flat(buffer, index))

    def offset(self, buffer: Buffer, index: At) -> Value:
        """The offset of an element."""
        return self.index(flat(buffer, index))

    def element(self, buffer: Buffer, offset: Value) -> Place:
        """The one element at an offset."""
        name, kind = f"%{self.names(buffer)}", type_of(buffer.dtype)
        self.pointers[name] = None
        code = f"getelementptr inbounds {kind}, ptr {name}, {offset.typed}"
        return Place(self.lines.value(code, "int64").text, buffer.dtype)

    def _place(self, pointer: str, dtype: str, at: Index) -> Place:
        lanes = self.lanes
        self.pointers[pointer] = None
        row = self._first(at)
        if lanes and row:
            return Place(self._address(pointer, dtype, row), dtype, lanes.count, row=True)
        where = self.index(at)
        near = self._first(self._unordered(at)) if where.lanes > 1 else None
        unordered = self._address(pointer, dtype, near) if near else ""
        name = self._address(pointer, dtype, where)
        return Place(name, dtype, where.lanes, unordered=unordered)

    def _address(self, pointer: str, dtype: str, offset: Value) -> str:
        code = f"getelementptr inbounds {type_of(dtype)}, ptr {pointer}, {offset.typed}"
        return self.lines.value(code, "int64").text

    def _first(self, at: Index) -> Value | None:
        """The index in the first lane, if those of the others follow it one by one."""
        lanes = self.lanes
        if lanes is None or (lanes.axis, 1) not in at.terms:
            return None
        rest = Index(at.constant, tuple(t for t in at.terms if t[0] is not lanes.axis))
        base = self.index(rest)
        return self._whole("add nsw", base, self.axes[lanes.axis]) if base.lanes == 1 else None

    def _unordered(self, at: Index) -> Index:
        """The index where samples come in no order: each is at its own position."""
        parts = [(self._own_position(atom) or ix.of(atom), k) for atom, k in at.terms]
        return ix.linear(parts, at.constant)

    def _own_position(self, atom: Any) -> Index | None:
        if isinstance(atom, Load) and self.lanes:
            return self.lanes.positions.get(atom.buffer.home)
        return position_in(atom)

    def load(self, place: Place, beyond: Value | None = None, only: Value | None = None) -> Value:
        """What lies there; in lanes that are masked out, `beyond` or 0."""
        make = self._either if place.unordered else self._loaded
        x = make(place, beyond, only)
        return self.lines.cast(x, "int64") if x.dtype == "int32" else x

    def _either(self, place: Place, beyond: Value | None, only: Value | None) -> Value:
        """Gathered where samples come in an order, else read with the neighbours."""
        lines, label = self.lines, self.lines.fresh("read")
        near = Place(place.unordered, place.dtype, place.lanes, row=True)
        lines.add(f"br {ORDERED.typed}, label %{label}.far, label %{label}.near")
        sources = []
        for name, where in (("far", place), ("near", near)):
            lines.label(f"{label}.{name}")
            sources.append(f"[ {self._loaded(where, beyond, only).text}, %{label}.{name} ]")
            lines.add(f"br label %{label}.end")
        lines.label(f"{label}.end")
        kind = type_of(place.dtype, place.lanes)
        return lines.value(f"phi {kind} {', '.join(sources)}", place.dtype, place.lanes)

    def _loaded(self, place: Place, beyond: Value | None, only: Value | None) -> Value:
        kind, align = type_of(place.dtype, place.lanes), ITEM_BYTES[place.dtype]
        if place.lanes == 1:
            code = f"load {kind}, ptr {place.pointer}, align {align}"
            return self.lines.value(code, place.dtype)
        if self.lanes and self.lanes.extent:
            kind, n = type_of(place.dtype, self.lanes.extent), self.lanes.extent
            code = f"load {kind}, ptr {place.pointer}, align {align}"
            return self.lines.part(self.lines.value(code, place.dtype, n), 0, place.lanes)
        suffix, other = (
            suffix_of(place.dtype, place.lanes),
            beyond.text if beyond else "zeroinitializer",
        )
        mask = (only or self._mask).typed
        if place.row:
            code = f"@llvm.masked.load.{suffix}.p0(ptr {place.pointer}, i32 {align}, {mask}"
        else:
            pointers = f"<{place.lanes} x ptr> {place.pointer}"
            code = f"@llvm.masked.gather.{suffix}.v{place.lanes}p0({pointers}, i32 {align}, {mask}"
        return self.lines.value(f"call {kind} {code}, {kind} {other})", place.dtype, place.lanes)

    def store(self, place: Place, x: Value) -> None:
        align = ITEM_BYTES[place.dtype]
        if place.lanes == 1:
            self.lines.add(f"store {x.typed}, ptr {place.pointer}, align {align}")
            return
        x, suffix = self.lines.spread(x, place.lanes), suffix_of(place.dtype, place.lanes)
        if self.lanes and self.lanes.extent:
            row = self.lines.part(x, 0, self.lanes.extent)
            self.lines.add(f"store {row.typed}, ptr {place.pointer}, align {align}")
            return
        if place.row:
            name, to = f"masked.store.{suffix}.p0", f"ptr {place.pointer}"
        else:
            name = f"masked.scatter.{suffix}.v{place.lanes}p0"
            to = f"<{place.lanes} x ptr> {place.pointer}"
        self.lines.add(f"call void @llvm.{name}({x.typed}, {to}, i32 {align}, {self._mask.typed})")

    @property
    def _mask(self) -> Value:
        assert self.lanes and self.lanes.inside
        return self.lanes.inside

    # ---- integers that the run is given

    def position(self, at: Expression) -> Value:
        """The sample at a position: its own number where there is no order.

        Lanes that are masked out are read at a place that exists all the same: processors take
        hundreds of cycles to see that a load of a page that is not there has to read nothing.
        """
        where = _as_index(at)
        x = self.index(where)
        if x.lanes > 1:
            ordered = self.lines.spread(ORDERED, x.lanes)
            code = f"and {self._mask.typed}, {ordered.text}"
            only = self.lines.value(code, "bool", x.lanes)
            samples = self._place(ORDER, "int64", where)
            if samples.row:
                code = f"select {ORDERED.typed}, ptr {samples.pointer}, ptr {ORDER}"
                samples = replace(samples, pointer=self.lines.value(code, "int64").text)
            return self.load(samples, beyond=x, only=only)
        here = self.lines.value(f"select {ORDERED.typed}, {x.typed}, i64 0", "int64")
        self.pointers[ORDER] = None
        place = self.lines.value(f"getelementptr i64, ptr {ORDER}, {here.typed}", "int64").text
        sample = self.load(Place(place, "int64"))
        return self.lines.value(f"select {ORDERED.typed}, {sample.typed}, {x.typed}", "int64")

    def clamp(self, at: Value, size: Value) -> Value:
        """An index within 0 ... size - 1; the run's fault becomes 1 where it was not."""
        lines = self.lines
        self.pointers[FAULT] = None
        at, size = lines.together(at, size)
        outside = lines.value(f"icmp uge {at.typed}, {size.text}", "bool", at.lanes)
        if at.lanes > 1:
            outside = lines.value(f"and {outside.typed}, {self._mask.text}", "bool", at.lanes)
            suffix = suffix_of("bool", at.lanes)
            any = f"call i1 @llvm.vector.reduce.or.{suffix}({outside.typed})"
            outside = lines.value(any, "bool")
        # other threads may do so too: nothing but a 1 is ever stored
        mask = lines.value(f"insertelement <1 x i1> poison, {outside.typed}, i64 0", "int64").text
        lines.add(
            f"call void @llvm.masked.store.v1i64.p0(<1 x i64> <i64 1>, ptr {FAULT}, i32 8, "
            f"<1 x i1> {mask})"
        )
        last = self._whole("sub", size, constant(1, "int64"))
        inside = self._bounded("smin", at, last)
        return self._bounded("smax", inside, constant(0, "int64", at.lanes))

    def _bounded(self, name: str, x: Value, y: Value) -> Value:
        suffix = suffix_of("int64", x.lanes)
        code = f"call {x.type} @llvm.{name}.{suffix}({x.typed}, {y.typed})"
        return self.lines.value(code, "int64", x.lanes)


def position_in(x: Any) -> Index | None:
    """The position whose sample x is, if it is one."""
    found = isinstance(x, Apply) and x.operation == "position"
    return _as_index(x.operands[0]) if found else None


def _as_index(at: Expression) -> Index:
    return at.index if isinstance(at, Whole) else ix.of(at)


def flat(buffer: Buffer, index: At) -> Index:
    """The offset of an element in its array."""
    shape = buffer.shape
    if len(index) > len(shape):  # a sample's row, or a recorded number's slot, in front
        shape = (1, *shape)
    return ix.flat(index, shape)
