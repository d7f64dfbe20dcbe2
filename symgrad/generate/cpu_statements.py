"""Statements of the loop IR as lines of numba source."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.generate.blocks import Blocks, is_driving, stages
from symgrad.generate.cpu_expressions import Printer, axis_name
from symgrad.generate.cpu_matrices import Matrices
from symgrad.generate.jam import TOGETHER, jammed, jams
from symgrad.generate.pieces import LEAST, LONG, VECTOR, pieces
from symgrad.generate.shares import Shares, stretch
from symgrad.generate.text import Lines, Names, remark
from symgrad.lower.expressions import accesses, roots, walk
from symgrad.lower.kernel import (
    ITEM_BYTES,
    Alone,
    Apply,
    Barrier,
    Call,
    Collect,
    Comment,
    Distinct,
    Kernel,
    Loop,
    Prefetch,
    Product,
    Statement,
    Store,
    Update,
)  # fmt: skip

TWICE = 50  # statements of a loop that may be printed twice
MANY = 8  # turns of a loop of which LLVM would make vectors
FEW_SUMS, FEW_TERMS = 3, 64  # sums side by side, and what they add up, that may be unrolled


class Statements:
    """Writes the statements of one kernel; where there are blocks, as calls of them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.lines, self.names = kernel, Lines(), Names()
        self.printer = Printer(self.names)
        self.blocks: Blocks | None = None
        self.shares = Shares(kernel)
        self.matrices = Matrices(kernel, self.lines, self.printer, self.shares)

    def statements(self, body: Sequence[Statement]) -> None:
        """A section: as it stands, or its runs of loops and assignments as calls of blocks."""
        for assembled, run in stages(body):
            if self.blocks and assembled:
                self.lines.add(self.blocks.call(run))
                continue
            for s in run:
                self._statement(s)

    def _statement(self, s: Statement) -> None:
        if isinstance(s, Loop):
            self._loop(s)
        elif isinstance(s, Store):
            place = self.printer.place(s.buffer, s.index)
            self.lines.add(f"{place} = {self.printer.text(s.value)}")
        elif isinstance(s, Update):
            self._update(s)
        elif isinstance(s, Product):
            self.matrices.product(s)
        elif isinstance(s, Call):
            self.matrices.call(s)
        elif isinstance(s, Collect):
            self.matrices.collect(s)
        elif isinstance(s, Alone):
            with self.lines.block("if thread == 0:"):
                self.statements(s.body)
        elif isinstance(s, Barrier):
            self.barrier()
        elif isinstance(s, Prefetch):
            self.printer.used.add("prefetch")
            self.lines.add(f"prefetch({self.names(s.buffer)}, {self.printer.index(s.offset)[0]})")
        elif isinstance(s, Distinct):
            self._distinct(s)
        else:
            assert isinstance(s, Comment)
            self.lines.add(f"# {remark(s.text)}")

    def _loop(self, s: Loop) -> None:
        if s.comment:
            self.lines.add(f"# {remark(s.comment)}")
        if self.printer.ordered is None and _reads_in_order(s):
            for ordered, head in ((True, "if ordered:"), (False, "else:")):
                self.printer.ordered = ordered
                with self.lines.block(head):
                    self._for(s)
            self.printer.ordered = None
            return
        self._for(s)

    def _for(self, s: Loop) -> None:
        extent = "n" if s.axis.extent is None else str(s.axis.extent)
        extent = ", ".join(stretch(s.axis.extent)) if s.shared else extent
        bounds = ", ".join(map(self.printer.text, s.bounds)) or extent
        if s.axis.step > 1:
            bounds = f"{'' if s.shared else '0, '}{bounds}, {s.axis.step}"
        if not self.blocks and jams(s):
            bounds = self._jammed(s, bounds)
        cut = pieces(s, self.kernel.dtype)
        for a, b in cut:
            self._range(s, f"{a}, {b}" if a else str(b), s.body, self._is_rolled(s, b - a))
        if not cut:
            self._range(s, bounds, s.body, self._is_rolled(s, s.axis.extent or 0))

    def _is_rolled(self, s: Loop, turns: int) -> bool:
        """Whether so many turns add up several rows of whole vectors, or of an even part of one.

        Unrolled, they would be added number by number; of few sums LLVM finds the vectors again.
        """
        sums = sum(isinstance(t, Update) and t.buffer.is_local for t in s.body)
        if self.blocks or turns < LEAST or not _is_row(s):
            return False
        row = turns * ITEM_BYTES[self.kernel.dtype]
        fits = VECTOR % row == 0 or row % VECTOR == 0
        return fits and (sums > FEW_SUMS or (sums > 1 and sums * turns > FEW_TERMS))

    def _jammed(self, s: Loop, bounds: str) -> str:
        """Four turns at a time; the bounds of those that are left."""
        begin, _, end = bounds.rpartition(", ")
        end = end if end.isidentifier() else f"({end})"
        count = f"({end} - {begin})" if begin else end
        middle = f"{begin and begin + ' + '}{count} // {TOGETHER} * {TOGETHER}"
        self._range(s, f"{begin or 0}, {middle}, {TOGETHER}", jammed(s))
        return f"{middle}, {end}"

    def _range(self, s: Loop, bounds: str, body: Sequence[Statement], rolled: bool = False) -> None:
        with self.lines.block(f"for {axis_name(s.axis)} in range({bounds}):"):
            note = "rolled" if rolled else _note(s, self.kernel.dtype)
            if note:
                self.printer.used.add(note)
                self.lines.add(f"{note}()")
            if self.blocks and is_driving(s):
                self.statements(body)
                return
            for t in body:
                self._statement(t)

    def _update(self, s: Update) -> None:
        place, value = self.printer.place(s.buffer, s.index), self.printer.text(s.value)
        if s.combine in ("add", "mul"):
            self.lines.add(f"{place} {'+' if s.combine == 'add' else '*'}= {value}")
        else:
            function = {"max": "maximum", "min": "minimum"}[s.combine]
            self.printer.used.add(function)
            self.lines.add(f"{place} = {function}({place}, {value})")

    def _distinct(self, s: Distinct) -> None:
        place, row = self.printer.place(s.buffer, s.index), self.printer.text(s.row)
        found = ", ".join(self.names(b) for b in s.found.buffers)
        if s.found.lasts:
            self.printer.used.add("joined")
            self.lines.add(f"{place} = joined({row}, {found})")
            return
        bits = s.found.table.shape[0].bit_length() - 1
        self.printer.used.add("distinct")
        self.lines.add(f"{place} = distinct({row}, {found}, {bits})")

    def barrier(self) -> None:
        self.printer.used.add("barrier")
        self.lines.add(f"barrier(sync, {self.kernel.threads})")


def _note(s: Loop, dtype: str) -> str:
    """What a loop starts with, each of whose many turns goes through rows that lie together, its
    own: what is the same for all turns is in registers when those are vectors."""
    rows = [t for t in s.body if isinstance(t, Loop) and _is_row(t, own=True)]
    if not rows or not (s.axis.extent is None or s.axis.extent >= MANY):
        return ""
    longest = max(t.axis.extent or 0 for t in rows) * ITEM_BYTES[dtype]
    unrolled = s.axis.extent is not None and longest > LONG * VECTOR
    return "one_by_one" if unrolled else "apart"


def _is_row(s: Loop, own: bool = False) -> bool:
    """Whether a loop goes through numbers that lie together; own: from a place that changes."""
    if s.bounds or not all(isinstance(t, Store | Update) for t in s.body):
        return False
    read = [index for t in s.body for _, index in accesses(t)]
    together = [index for index in read if index and (s.axis, 1) in index[-1].terms]
    if own:
        together = [at for at in together if any(a is not s.axis for i in at for a, _ in i.terms)]
    return bool(together) and (s.axis.extent or 0) >= LEAST


def _reads_in_order(s: Loop) -> bool:
    """Whether a loop over samples, and no other, looks up where each stands in the data.

    Two loops, one for each way, are vectorised where one that decides for every sample is not.
    """
    if s.axis.extent is not None or any(isinstance(t, Loop) for t in s.body):
        return False
    found = (x for t in s.body for x in walk(roots(t)))
    return len(s.body) <= TWICE and any(
        isinstance(x, Apply) and x.operation == "position" for x in found
    )
