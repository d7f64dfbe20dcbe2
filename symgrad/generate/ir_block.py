"""A run of statements as a function in LLVM assembly.

    define hidden void @block_0(i64 %table, i64 %at, i64 %n)     what the driver loop calls
    define internal void @block_0.body(ptr noalias %d0_x, ..., ptr noalias %words, i64 %at, i64 %n)

The first takes the arrays' addresses from the run's table; the second is the mathematics, told
that no two arrays overlap.  Numbers that other parts of the run know too are loaded at its
beginning and stored at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.generate import ir_lanes
from symgrad.generate.cpu_expressions import axis_name
from symgrad.generate.ir_expressions import Expressions
from symgrad.generate.ir_locals import Use, uses
from symgrad.generate.ir_memory import ORDER, Memory
from symgrad.generate.ir_text import Lines, Value, constant, type_of
from symgrad.generate.ir_totals import Total
from symgrad.generate.shares import stretch
from symgrad.generate.text import Names, remark
from symgrad.lower.kernel import Buffer, Comment, Loop, Statement, Store, Update

ORDER_WORD, ORDERED_WORD = 0, 2  # places in the table: LEADING of build/entry.py


@dataclass(frozen=True)
class Table:
    """Where the run keeps what it knows.

    words:  array -> the place of its address in the table
    cells:  a number that several parts of the run know -> the array that holds it, and where
    width:  lanes of the machine's vectors for the kernel's dtype
    """

    words: dict[Buffer, int]
    cells: dict[Buffer, tuple[Buffer, int]]
    width: int


class Block:
    """Writes one function; `totals` are the functions that it calls to add up lanes."""

    def __init__(self, name: str, body: Sequence[Statement], names: Names, table: Table) -> None:
        self.name, self.names, self.table = name, names, table
        self.lines = Lines()
        self.sums: ir_lanes.Sums | None = None  # of the loop that takes several samples at a time
        self.memory = Memory(self.lines, names)
        self.expressions = Expressions(self.lines, self.memory)
        self.totals: dict[Total, None] = {}
        self.uses = uses(body)
        self._open()
        self.statements(body)
        self._close()

    # ---- the function around the statements

    @property
    def integers(self) -> list[str]:
        """The integers that it is called with, after the table."""
        return sorted(self.memory.integers)

    @property
    def text(self) -> str:
        pointers = self.memory.pointers
        integers = "".join(f", i64 %{i}" for i in self.integers)
        words = {f"%{self.names(b)}": w for b, w in self.table.words.items()} | {ORDER: ORDER_WORD}
        given = "".join(f"ptr noalias {p}, " for p in pointers)
        passed = "".join(f"ptr {p}, " for p in pointers)
        head = [f"define hidden void @{self.name}(i64 %table{integers}) nounwind {{",
                "  %words = inttoptr i64 %table to ptr"]  # fmt: skip
        for p in pointers:
            head += [f"  {p}.at = getelementptr i64, ptr %words, i64 {words[p]}",
                     f"  {p} = load ptr, ptr {p}.at"]  # fmt: skip
        return "\n".join([
            *head,
            f"  call void @{self.name}.body({passed}ptr %words{integers})",
            "  ret void", "}", "",
            f"define internal void @{self.name}.body({given}ptr noalias %words{integers}) "
            "nounwind noinline {",
            "entry:", *self.lines.entry, *self.lines.body, "}", "",
        ])  # fmt: skip

    def _open(self) -> None:
        """Memory for variables; what they and other values are at the beginning."""
        lines, memory = self.lines, self.memory
        word = lines.at_entry(f"getelementptr i64, ptr %words, i64 {ORDERED_WORD}", "int64")
        word = lines.at_entry(f"load i64, ptr {word.text}", "int64")
        lines.entry.append(f"  %ordered = icmp ne {word.typed}, 0")
        for home, use in self.uses.items():
            start = self._cell_value(home, use) if home in self.table.cells else None
            if use.is_value:
                if start:
                    memory.current[home] = start
                continue
            kind = type_of(home.dtype)
            place = memory.variables[home] = f"%{lines.fresh(self.names(home) + '.memory')}"
            lines.entry.append(f"  {place} = alloca {kind}")
            if start:
                lines.add(f"store {start.typed}, ptr {place}")

    def _cell(self, home: Buffer) -> str:
        """The address of a number."""
        array, slot = self.table.cells[home]
        word = f"getelementptr i64, ptr %words, i64 {self.table.words[array]}"
        place = self.lines.value(word, "int64")
        pointer = self.lines.value(f"load ptr, ptr {place.text}", "int64")
        code = f"getelementptr {type_of(array.dtype)}, ptr {pointer.text}, i64 {slot}"
        return self.lines.value(code, "int64").text

    def _cell_value(self, home: Buffer, use: Use) -> Value | None:
        if use.is_value and use.set_first:
            return None
        kind = self.table.cells[home][0].dtype
        x = self.lines.value(f"load {type_of(kind)}, ptr {self._cell(home)}", kind)
        return self.lines.named(self.lines.cast(x, home.dtype), self.names(home))

    def _close(self) -> None:
        for home, use in self.uses.items():
            if use.written and home in self.table.cells:
                x = self.memory.read(home, ())
                x = self.lines.cast(x, self.table.cells[home][0].dtype)
                self.lines.add(f"store {x.typed}, ptr {self._cell(home)}")
        self.lines.add("ret void")

    # ---- statements

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
        if self.sums and self.sums.take(s):
            return
        value = self.expressions.value(s.value)
        old = self.memory.read(s.buffer, s.index)
        new = self.expressions.apply(s.combine, [old, value], s.buffer.dtype)
        self.memory.write(s.buffer, s.index, new)

    def _loop(self, s: Loop) -> None:
        if s.comment:
            self.lines.remark(remark(s.comment))
        start, stop = self._bounds(s)
        lanes = ir_lanes.lanes_of(s, self.uses, self.table.width)
        if lanes > 1:
            ir_lanes.loop(self, s, lanes, start, stop)
            return
        with self.lines.loop(start, stop, axis_name(s.axis)) as i:
            self.memory.axes[s.axis] = i
            self.statements(s.body)

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
