"""The CPU target: a kernel as one numba function in readable Python.

What is large in it is LLVM assembly: see blocks.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symgrad.build.entry import NUMBERS
from symgrad.generate.blocks import Blocks, is_large
from symgrad.generate.cpu_operations import GROUPS, LIBRARY, NATIVE, NOTES, RANDOM, VECTOR_MATH
from symgrad.generate.cpu_statements import Statements
from symgrad.generate.source import Source
from symgrad.generate.text import Lines, remark
from symgrad.language.garbage import rare_collections
from symgrad.lower.expressions import roots
from symgrad.lower.kernel import (
    FAR,
    ITEM_BYTES,
    ROW,
    SLOT,
    Buffer,
    Counter,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    Whole,
    statements,
)  # fmt: skip
from symgrad.lower.prefetch import CACHE

ENTRY = "run"
MODULES = {
    "symgrad.build.blas": ("gemm",),
    "symgrad.generate.library": LIBRARY,
    "symgrad.generate.micro_kernels": ("matrix_product",),
    "symgrad.generate.native": NATIVE,
    "symgrad.generate.notes": NOTES,
    "symgrad.generate.random_bits": RANDOM,
    "symgrad.generate.row_groups": GROUPS,
    "symgrad.generate.vector_math": VECTOR_MATH,
}
FASTMATH = ("afn", "arcp", "contract", "nsz", "reassoc")  # NaN and infinity keep their meaning
IN_ORDER = FASTMATH[:-1]  # sums and products stay as they are written


@rare_collections()
def generate(kernel: Kernel) -> Source:
    """The kernel's code.

    `run(order, ordered, recorded, first, last, epoch, every, pending, *arrays)` works through the
    positions first ... last - 1 in mini-batches, none of which goes on beyond a multiple of
    `epoch`, and returns the new `pending`, or -1 where an index that the model computes was out of
    range.  Arrays are flat, in the order of `source.buffers`.  Where several threads run it
    together, each passes its number after `pending`.
    """
    writer = _Writer(kernel)
    buffers, blocks, nothing = writer.kernel.buffers, writer.blocks, frozenset[Buffer]()
    return Source(
        writer.text, ENTRY, buffers, writer.modules, kernel.dtype, kernel.batch_size,
        by_table=blocks is not None, in_table=blocks.in_table if blocks else nothing,
        threads=kernel.threads, own=blocks.own if blocks else nothing,
    )  # fmt: skip


class _Writer(Statements):
    """Writes one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        if kernel.fault:
            self.names.set(kernel.fault, "fault")
        if kernel.sync:
            self.names.set(kernel.sync, "sync")
        for b in kernel.buffers:
            self.names(b)
        for b, array in kernel.memory.items():
            self.names.set(b, self.names(array))
        if is_large(kernel):
            self.blocks = self.matrices.blocks = Blocks(kernel, self.names, self.matrices.products)
            self.kernel, self.printer.cells = self.blocks.kernel, self.blocks.cells
        self.totals = self._with_totals()
        self._run()
        body = self.lines.text
        self.text = self._head(body) + body

    def _with_totals(self) -> dict[Buffer, Buffer]:
        """Numbers that every step records -> where the kernel keeps their sum over all steps.

        To read them again takes as long as a tenth of the smallest steps.
        """
        k = self.kernel
        if k.batch_size > 1 or k.threads > 1 or self.blocks:
            return {}
        recorded = [b for b in k.buffers if b.role == "output" and not b.shape]
        totals = {b: Buffer("total", b.label, (), b.dtype) for b in recorded}
        new = totals.values()
        self.kernel = replace(k, buffers=(*k.buffers, *new), written=k.written.union(new))
        return totals

    @property
    def _is_straight(self) -> bool:
        """Whether a step is one sample's and sums up nothing in loops, by vectors: LLVM would only
        undo the order of `known_first`."""
        sections = self.kernel.sections[1:]
        loops = [s for section in sections for s in section if isinstance(s, Loop)]
        summed = any(isinstance(s, Update) for s in statements(tuple(loops)))
        return self.kernel.batch_size == 1 and not summed

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(self._imports())

    def _imports(self) -> dict[str, list[str]]:
        """Module -> what the code uses of it."""
        used = {*self.printer.used, *(("shared",) if self.kernel.threads > 1 else ())}
        used.add("pointer")
        used |= {"matrix_product"} if self.matrices.products.made else set()
        used |= {"external"} if self.blocks and self.blocks.made else set()
        known = {module: [f for f in names if f in used] for module, names in MODULES.items()}
        return {module: names for module, names in known.items() if names}

    def _head(self, body: str) -> str:
        """Imports and constants."""
        k, head = self.kernel, Lines()
        head.add(f'"""Written by symgrad: {k.dtype}, mini-batches of {k.batch_size}."""', "")
        if k.plan:
            head.add(*(f"# {remark(line)}" for line in k.plan.splitlines()), "")
        if "math." in body:
            head.add("import math", "")
        head.add("import numba as nb", "import numpy as np", "")
        for module, names in self._imports().items():
            head.add(f"from {module} import {', '.join(names)}")
        head.add("")
        for (value, dtype), name in self.printer.constants.items():
            value = value if value not in ("inf", "-inf", "nan") else f'"{value}"'
            head.add(f"{name} = np.{dtype}({value})")
        for made, name in self.matrices.products.made.items():
            head.add(f"{name} = {made}")
        if self.blocks and self.blocks.made:
            for function, integers in self.blocks.called.items():
                head.add(f'{function} = external("{function}", {integers})')
            head.add("", f'ASSEMBLY = r"""\n{self.blocks.assembly}"""')
        head.add("", "")
        return head.text

    # ---- the function

    def _run(self) -> None:
        k, lines = self.kernel, self.lines
        flags = ", ".join(f'"{f}"' for f in (IN_ORDER if self._is_straight else FASTMATH))
        lines.add(f'@nb.njit(fastmath={{{flags}}}, error_model="numpy")')
        fixed = ["orders", *NUMBERS]
        fixed += ["thread"] if k.threads > 1 else []
        lines.add(f"def {ENTRY}(")
        lines.add(f"    {', '.join(fixed)},")
        for b in self._passed:
            lines.add(f"    {self.names.array(b)},  # {self._described(b)}")
        if self.blocks:
            lines.add("    table,  # where the blocks find every array")
        with lines.block("):"):
            self._open()
            self._section("what stays the same for the whole run", k.once)
            self._batches()
            self._close()

    @property
    def _passed(self) -> list[Buffer]:
        """The arrays that are arguments."""
        return [b for b in self.kernel.buffers if not (self.blocks and b in self.blocks.in_table)]

    def _described(self, b: Buffer) -> str:
        shape = "x".join(map(str, b.shape)) or "1"
        label = f" {remark(b.label)!r}" if b.label else ""
        return f"{b.role}{label}, {shape} {b.dtype}" + (" a sample" if b.role == "data" else "")

    def _open(self) -> None:
        access = "shared" if self.kernel.threads > 1 else "pointer"
        self.lines.add("order = pointer(orders)")
        for b in self._passed:
            name, array = self.names(b), self.names.array(b)
            alone = b.is_local and not self.blocks
            self.lines.add(f"{name} = {array}[0]" if alone else f"{name} = {access}({array})")
        for b, word in self.blocks.factors.items() if self.blocks else ():
            self.printer.used.add(f"{b.dtype}_in")
            self.lines.add(f"{self.names(b)} = {b.dtype}_in(table, {word})")
        if self.kernel.fault:
            self._by_one(["fault[0] = 0"])
        if FAR in self._counters():
            data = [b for b in self._passed if b.role == "data"]
            sizes = [f"{self.names.array(b)}.size * {ITEM_BYTES[b.dtype]}" for b in data]
            size = " + ".join(sizes) or "0"  # data that only the assembly reads is not counted
            self.lines.add(f"far = np.int64(ordered != 0 and {size} > {CACHE})")
        for extent in self.shares.extents:
            self.lines.add(*self.shares.bounds(extent))

    def _by_one(self, lines: Sequence[str]) -> None:
        """What one thread does before the others go on."""
        if self.kernel.threads == 1 or not lines:
            self.lines.add(*lines)
            return
        with self.lines.block("if thread == 0:"):
            self.lines.add(*lines)
        self.barrier()

    def _close(self) -> None:
        written = [b for b in self.kernel.buffers if b in self.kernel.written and b.is_local]
        written = [] if self.blocks else written
        self._by_one([f"{self.names.array(b)}[0] = {self.names(b)}" for b in written])
        if self.kernel.threads > 1 and not written:
            self.barrier()  # nobody returns before all are done
        returned = "-1 if fault[0] else pending" if self.kernel.fault else "pending"
        self.lines.add(f"return {returned}")

    def _batches(self) -> None:
        k, lines = self.kernel, self.lines
        used = self._counters()
        lines.add("", "# ---- the mini-batches")
        if k.batch_size == 1:
            with lines.block("for at in range(first, last):"):
                lines.add("n = 1")
                for c in (SLOT, ROW):
                    if c in used:
                        lines.add(f"{c.name} = (at - first) * recorded")
                self._step()
                for b, total in self.totals.items():
                    lines.add(f"{self.names(total)} += {self.names(b)}[slot]")
            return
        self.printer.used.add("minimum")
        lines.add("at = first", "left = last - first", "rest = epoch - first % epoch")
        with lines.block("if not ordered:"):
            lines.add("at = first % epoch", "last = minimum(last, epoch)")
        for c in used:
            if c in (SLOT, ROW):
                lines.add(f"{c.name} = 0")
        with lines.block("while left > 0:"):
            lines.add(f"n = minimum({k.batch_size}, minimum(left, rest))")
            lines.add(*(self.shares.bounds(None) if self.shares.samples else ()))
            self._step()
            lines.add("left -= n", "rest = rest - n if rest != n else epoch")
            lines.add("at = at + n if ordered or rest != epoch else 0")
            if SLOT in used:
                lines.add("slot += recorded")
            if ROW in used:
                lines.add("row += n * recorded")

    def _counters(self) -> dict[Counter, None]:
        """The counters that the step uses."""
        found: dict[Counter, None] = {}
        for s in statements(self.kernel.step):
            indices = list(s.index) if isinstance(s, Store | Update) else []
            indices += [x.index for x in roots(s) if isinstance(x, Whole)]
            found.update((a, None) for i in indices for a, _ in i.terms if isinstance(a, Counter))
        return found

    def _step(self) -> None:
        k, lines = self.kernel, self.lines
        self.statements(k.step)
        if k.update is not None:
            lines.add("pending += 1")
            with lines.block("if pending >= every:"):
                lines.add("# ---- the update")
                self.statements(k.update)
                lines.add("pending = 0")

    def _section(self, title: str, body: Sequence[Statement]) -> None:
        if body:
            self.lines.add("", f"# ---- {title}")
        self.statements(body)
