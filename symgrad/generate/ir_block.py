"""A run of statements as a function in LLVM assembly.

    define hidden void @block_0(i64 %table, i64 %at, i64 %n)     what the driver loop calls
    define internal void @block_0.body(ptr noalias %d0_x, ..., ptr noalias %words, i64 %at, i64 %n)

The first takes the arrays' addresses from the run's table; the second is the mathematics, told
that no two arrays overlap.  Numbers that other parts of the run know too are loaded before the
first statement that reads them, and stored after the last that sets them: for hundreds at a time
there are no registers, and LLVM takes long to see that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from symgrad.generate.ir_locals import Use, uses
from symgrad.generate.ir_text import Value, type_of
from symgrad.generate.ir_writer import Table, Writer, loaded
from symgrad.generate.text import Names
from symgrad.lower.kernel import Buffer, Statement


class Block(Writer):
    """Writes one function."""

    def __init__(self, name: str, body: Sequence[Statement], names: Names, table: Table) -> None:
        super().__init__(name, names, table)
        self.uses = uses(body)
        for home, use in self.uses.items():
            use.shared = home in table.cells
        self.read_ordered()
        first: dict[int, list[Buffer]] = defaultdict(list)
        last: dict[int, list[Buffer]] = defaultdict(list)
        for home, use in self.uses.items():
            first[use.first].append(home)
            if use.written and use.shared:
                last[use.last].append(home)
        for k, s in enumerate(body):
            self._begin(first[k])
            self.statements((s,))
            self._keep(last[k])
        self.lines.add("ret void")

    # ---- the function around the statements

    def head(self, body: str, linkage: str, words: Mapping[str, int]) -> str:
        """What the driver loop, or a stage, calls.

        body: the function that does the mathematics; words: of arrays by their names
        """
        pointers = self.memory.pointers
        integers = self._integers
        passed = "".join(f"ptr {p}, " for p in pointers)
        return "\n".join([
            f"define {linkage} void @{self.name}(i64 %table{integers}) nounwind {{",
            "  %words = inttoptr i64 %table to ptr", *loaded(pointers, words),
            f"  call void @{body}({passed}ptr %words{integers})",
            "  ret void", "}", "",
        ])  # fmt: skip

    @property
    def body(self) -> str:
        """The mathematics."""
        given = "".join(f"ptr noalias {p}, " for p in self.memory.pointers)
        return "\n".join([
            f"define internal void @{self.name}.body({given}ptr noalias %words{self._integers}) "
            "nounwind noinline {",
            "entry:", *self.lines.entry, *self.lines.body, "}", "", *self.others,
        ])  # fmt: skip

    @property
    def _integers(self) -> str:
        return "".join(f", i64 %{i}" for i in self.integers)

    def _begin(self, homes: Sequence[Buffer]) -> None:
        """Memory for variables; what they and other values are before they are touched."""
        lines, memory = self.lines, self.memory
        for home in homes:
            start = self._at_first(home, self.uses[home])
            if self.uses[home].is_value:
                if start:
                    memory.current[home] = start
                continue
            kind = type_of(home.dtype)
            place = memory.variables[home] = f"%{lines.fresh(self.names(home) + '.memory')}"
            lines.entry.append(f"  {place} = alloca {kind}")
            if start:
                lines.add(f"store {start.typed}, ptr {place}")

    def _at_first(self, home: Buffer, use: Use) -> Value | None:
        """What a number is at the beginning, where that matters."""
        if home not in self.table.cells or (use.is_value and use.set_first):
            return None
        return self.cell_value(home)

    def _keep(self, homes: Sequence[Buffer]) -> None:
        """Store numbers that other parts of the run know, now that nothing changes them."""
        for home in homes:
            x = self.memory.read(home, ())
            x = self.lines.cast(x, self.table.cells[home][0].dtype)
            self.lines.add(f"store volatile {x.typed}, ptr {self.cell(home)}")  # see ir_parts
