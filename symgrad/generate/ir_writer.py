"""Statements as lines of LLVM assembly, for whole blocks and for parts of long loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from symgrad.generate import ir_lanes, ir_rows
from symgrad.generate.cpu_expressions import axis_name
from symgrad.generate.ir_expressions import Expressions
from symgrad.generate.ir_inverse import estimated
from symgrad.generate.ir_locals import Use
from symgrad.generate.ir_memory import Memory
from symgrad.generate.ir_sums import Sums
from symgrad.generate.ir_text import Lines, Value, constant, type_of
from symgrad.generate.ir_totals import Total
from symgrad.generate.pieces import LEAST, VECTOR
from symgrad.generate.shares import stretch
from symgrad.generate.text import Names, remark
from symgrad.lower.kernel import ITEM_BYTES, Buffer, Comment, Loop, Statement, Store, Update

ORDERED_WORD = 2  # its place in the table: LEADING of build/entry.py


@dataclass(frozen=True)
class Table:
    """Where the run keeps what it knows.

    words:     array -> the place of its address in the table
    cells:     a number that several parts of the run know -> the array that holds it, and where
    width:     lanes of the machine's vectors for the kernel's dtype
    registers: for vectors
    estimates: whether 1/x is estimated by an instruction, and divisions take longer
    """

    words: dict[Buffer, int]
    cells: dict[Buffer, tuple[Buffer, int]]
    width: int
    registers: int
    estimates: bool


def loaded(pointers: Iterable[str], words: Mapping[str, int]) -> list[str]:
    """Lines that read the addresses of arrays from the table, into values with their names."""
    lines = []
    for p in pointers:
        lines.append(f"  {p}.at = getelementptr i64, ptr %words, i64 {words[p]}")
        lines.append(f"  {p} = load ptr, ptr {p}.at")
    return lines


class Writer:
    """Writes statements into one function.

    totals: the functions that it calls to add up lanes
    others: functions that are written on the way, in full
    sums:   of the loop that takes several samples or elements at a time, while it is open
    """

    def __init__(self, name: str, names: Names, table: Table) -> None:
        self.name, self.names, self.table = name, names, table
        self.lines = Lines()
        self.memory = Memory(self.lines, names)
        self.expressions = Expressions(self.lines, self.memory)
        self.uses: Mapping[Buffer, Use] = {}
        self.totals: dict[Total, None] = {}
        self.others: list[str] = []
        self.sums: Sums | ir_rows.RowSums | None = None

    @property
    def integers(self) -> list[str]:
        """The integers of the driver loop that it is called with."""
        return sorted(self.memory.integers)

    def read_ordered(self) -> None:
        """Whether samples come in an order."""
        word = self.lines.at_entry(f"getelementptr i64, ptr %words, i64 {ORDERED_WORD}", "int64")
        word = self.lines.at_entry(f"load i64, ptr {word.text}", "int64")
        self.lines.entry.append(f"  %ordered = icmp ne {word.typed}, 0")

    def address(self, array: Buffer) -> str:
        """An array's address, from the table."""
        word = f"getelementptr i64, ptr %words, i64 {self.table.words[array]}"
        place = self.lines.value(word, "int64")
        return self.lines.value(f"load ptr, ptr {place.text}", "int64").text

    def cell(self, home: Buffer) -> str:
        """The address of a number."""
        array, slot = self.table.cells[home]
        code = f"getelementptr {type_of(array.dtype)}, ptr {self._array(array)}, i64 {slot}"
        return self.lines.value(code, "int64").text

    def _array(self, array: Buffer) -> str:
        """The address of an array of cells, which is passed where there are several in it."""
        if not array.shape or array.shape[0] == 1:
            return self.address(array)
        name = f"%{self.names(array)}"
        self.memory.pointers[name] = None
        return name

    def cell_value(self, home: Buffer) -> Value:
        kind = self.table.cells[home][0].dtype
        x = self.lines.value(f"load {type_of(kind)}, ptr {self.cell(home)}", kind)
        return self.lines.named(self.lines.cast(x, home.dtype), self.names(home))

    def lanes_of(self, body: Sequence[Statement], count: int) -> None:
        """The statements on vectors of so many lanes."""
        self.expressions.estimated = estimated(body, count) if self.table.estimates else {}
        self.statements(body)
        self.expressions.estimated = {}

    def statements(self, body: Sequence[Statement]) -> None:
        for s in body:
            if isinstance(s, Loop):
                self._loop(s)
            elif isinstance(s, Comment):
                self.lines.remark(remark(s.text))
            elif isinstance(s, Store):
                self.memory.write(s.buffer, s.index, self.expressions.value(s.value))
            else:
                assert isinstance(s, Update)
                self.update(s)

    def update(self, s: Update) -> None:
        if self.sums and self.sums.take(self, s):
            return
        value = self.expressions.value(s.value)
        old = self.memory.read(s.buffer, s.index)
        new = self.expressions.apply(s.combine, [old, value], s.buffer.dtype)
        self.memory.write(s.buffer, s.index, new)

    def _loop(self, s: Loop) -> None:
        if s.comment:
            self.lines.remark(remark(s.comment))
        start, stop = self._bounds(s)
        if self.memory.lanes is None and ir_rows.is_row(s, self.uses):
            ir_rows.write(self, s)
            return
        lanes = ir_lanes.lanes_of(s, self.uses, self.table.width)
        if lanes > 1:
            ir_lanes.loop(self, s, lanes, start, stop)
            return
        with self.lines.loop(start, stop, axis_name(s.axis), rolled=_is_vector(s)) as i:
            self.memory.axes[s.axis] = i
            self.statements(s.body)
        del self.memory.axes[s.axis]

    def _bounds(self, s: Loop) -> tuple[Value, Value]:
        """The first number of a loop, and the one behind its last."""
        start = self.expressions.value(s.start) if s.start else constant(0, "int64")
        if s.stop:
            return start, self.expressions.value(s.stop)
        if s.shared:
            begin, end = map(self.memory.integer, stretch(s.axis.extent))
            return begin, end
        if s.axis.extent is None:
            return start, self.memory.integer("n")
        return start, constant(s.axis.extent, "int64")


def _is_vector(s: Loop) -> bool:
    """Whether a loop computes a vector or more of elements, and nothing beside them.

    Of fewer than the longest vectors have, as many as make a shorter one: the rest of a row would
    be computed number by number.
    """
    parts = [t for t in s.body if isinstance(t, Store | Update)]
    extent = s.axis.extent or 0
    if len(parts) < len(s.body) or extent < LEAST:
        return False
    row = extent * min(ITEM_BYTES.get(t.buffer.dtype, 1) for t in parts)
    return row >= VECTOR or VECTOR % row == 0
