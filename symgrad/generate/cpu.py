"""The CPU target: a kernel as one numba function in readable Python.

What is large in it is LLVM assembly: see blocks.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symgrad.generate.blocks import Blocks, is_driving, is_large, runs
from symgrad.generate.cpu_expressions import Printer, axis_name
from symgrad.generate.cpu_operations import LIBRARY, NATIVE, RANDOM, VECTOR_MATH
from symgrad.generate.jam import TOGETHER, jammed, jams
from symgrad.generate.pieces import pieces
from symgrad.generate.shares import Shares, stretch
from symgrad.generate.source import Source
from symgrad.generate.text import Lines, Names, remark
from symgrad.language.garbage import rare_collections
from symgrad.lower.expressions import roots, walk
from symgrad.lower.kernel import (
    FAR,
    ITEM_BYTES,
    ROW,
    SLOT,
    Alone,
    Apply,
    Barrier,
    Buffer,
    Call,
    Collect,
    Comment,
    Counter,
    Distinct,
    Kernel,
    Loop,
    Matrix,
    Number,
    Prefetch,
    Product,
    Stack,
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
    "symgrad.generate.random_bits": RANDOM,
    "symgrad.generate.vector_math": VECTOR_MATH,
}
TWICE = 50  # statements of a loop that may be printed twice
FASTMATH = ("afn", "arcp", "contract", "nsz", "reassoc")  # NaN and infinity keep their meaning


@rare_collections()
def generate(kernel: Kernel) -> Source:
    """The kernel's code.

    `run(order, ordered, recorded, first, last, every, pending, *arrays)` works through the
    positions first ... last - 1 in mini-batches and returns the new `pending`, or -1 where an
    index that the model computes was out of range.  Arrays are flat, in the order of
    `source.buffers`.  Where several threads run it together, each passes its number after
    `pending`.
    """
    writer = _Writer(kernel)
    buffers, blocks, nothing = writer.kernel.buffers, writer.blocks, frozenset[Buffer]()
    return Source(
        writer.text, ENTRY, buffers, writer.modules, kernel.dtype, kernel.batch_size,
        by_table=blocks is not None, in_table=blocks.in_table if blocks else nothing,
        threads=kernel.threads, own=blocks.own if blocks else nothing,
    )  # fmt: skip


class _Writer:
    """Writes one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.lines, self.names = kernel, Lines(), Names()
        self.printer = Printer(self.names)
        self.blocks: Blocks | None = None
        self.products: dict[str, str] = {}  # how each product is made -> its name
        self.shares = Shares(kernel)
        if kernel.fault:
            self.names.set(kernel.fault, "fault")
        if kernel.sync:
            self.names.set(kernel.sync, "sync")
        for b in kernel.buffers:
            self.names(b)
        for b, array in kernel.memory.items():
            self.names.set(b, self.names(array))
        if is_large(kernel):
            self.blocks = Blocks(kernel, self.names)
            self.kernel, self.printer.cells = self.blocks.kernel, self.blocks.cells
        self._run()
        body = self.lines.text
        self.text = self._head(body) + body

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(self._imports())

    def _imports(self) -> dict[str, list[str]]:
        """Module -> what the code uses of it."""
        used = {*self.printer.used, *(("shared",) if self.kernel.threads > 1 else ())}
        used.add("pointer")
        used |= {"matrix_product"} if self.products else set()
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
        for made, name in self.products.items():
            head.add(f"{name} = {made}")
        if self.blocks and self.blocks.made:
            for block in self.blocks.made:
                head.add(f'{block.name} = external("{block.name}", {1 + len(block.integers)})')
            head.add("", f'ASSEMBLY = r"""\n{self.blocks.assembly}"""')
        head.add("", "")
        return head.text

    # ---- the function

    def _run(self) -> None:
        k, lines = self.kernel, self.lines
        flags = ", ".join(f'"{f}"' for f in FASTMATH)
        lines.add(f'@nb.njit(fastmath={{{flags}}}, error_model="numpy")')
        fixed = ["orders", "ordered", "recorded", "first", "last", "every", "pending"]
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
        self._barrier()

    def _barrier(self) -> None:
        self.printer.used.add("barrier")
        self.lines.add(f"barrier(sync, {self.kernel.threads})")

    def _close(self) -> None:
        written = [b for b in self.kernel.buffers if b in self.kernel.written and b.is_local]
        written = [] if self.blocks else written
        self._by_one([f"{self.names.array(b)}[0] = {self.names(b)}" for b in written])
        if self.kernel.threads > 1 and not written:
            self._barrier()  # nobody returns before all are done
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
            return
        lines.add("at = first", "left = last - first", "period = -1")
        with lines.block("if not ordered:"):
            lines.add("period = orders[0]  # after so many samples the first one comes again")
            lines.add("at = first % period", "last = min(last, period)")
        for c in used:
            if c in (SLOT, ROW):
                lines.add(f"{c.name} = 0")
        with lines.block("while left > 0:"):
            lines.add(f"n = min({k.batch_size}, left)")
            lines.add(*(self.shares.bounds(None) if self.shares.samples else ()))
            self._step()
            lines.add("at = at + n if at + n != period else 0", "left -= n")
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
        self._statements(k.step)
        if k.update is not None:
            lines.add("pending += 1")
            with lines.block("if pending >= every:"):
                lines.add("# ---- the update")
                self._statements(k.update)
                lines.add("pending = 0")

    def _section(self, title: str, body: Sequence[Statement]) -> None:
        if body:
            self.lines.add("", f"# ---- {title}")
        self._statements(body)

    # ---- statements

    def _statements(self, body: Sequence[Statement]) -> None:
        """A section: as it stands, or its runs of loops and assignments as calls of blocks."""
        for plain, run in runs(body):
            if self.blocks and plain:
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
            self._product(s)
        elif isinstance(s, Call):
            self._call(s)
        elif isinstance(s, Collect):
            self._collect(s)
        elif isinstance(s, Alone):
            with self.lines.block("if thread == 0:"):
                self._statements(s.body)
        elif isinstance(s, Barrier):
            self._barrier()
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
        ranges = [f"{a}, {b}" if a else str(b) for a, b in pieces(s, self.kernel.dtype)]
        for part in ranges or [bounds]:
            self._range(s, part, s.body)

    def _jammed(self, s: Loop, bounds: str) -> str:
        """Four turns at a time; the bounds of those that are left."""
        begin, _, end = bounds.rpartition(", ")
        end = end if end.isidentifier() else f"({end})"
        count = f"({end} - {begin})" if begin else end
        middle = f"{begin and begin + ' + '}{count} // {TOGETHER} * {TOGETHER}"
        self._range(s, f"{begin or 0}, {middle}, {TOGETHER}", jammed(s))
        return f"{middle}, {end}"

    def _range(self, s: Loop, bounds: str, body: Sequence[Statement]) -> None:
        with self.lines.block(f"for {axis_name(s.axis)} in range({bounds}):"):
            if self.blocks and is_driving(s):
                self._statements(body)
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
        bits = s.found.table.shape[0].bit_length() - 1
        self.printer.used.add("distinct")
        self.lines.add(f"{place} = distinct({row}, {found}, {bits})")

    def _product(self, s: Product) -> None:
        """A product made for its sizes; where two of them are n, a call of BLAS."""
        alpha, beta = (  # converted to the matrices' dtype there
            repr(x.value) if isinstance(x, Number) else self.printer.text(x)
            for x in (s.alpha, s.beta)
        )
        flags = f"{int(s.a.transposed)}, {int(s.b.transposed)}"
        sizes = ["n" if e is None else str(e) for e in s.sizes]
        if s.shared:
            side = "mn".index(s.shared)
            begin, end = stretch(s.sizes[side])
            sizes[side] = f"{end} - {begin}"
        a, b, c = (self._matrix(x, self._first(s, x)) for x in (s.a, s.b, s.c))
        if s.sizes.count(None) > 1:
            self.printer.used.add("gemm")
            m, n, k = sizes
            a, b, c = (f"{x}, {y.leading}" for x, y in zip((a, b, c), (s.a, s.b, s.c), strict=True))
            self.lines.add(f"gemm({flags}, {m}, {n}, {k}, {alpha}, {a}, {b}, {beta}, {c})")
            return
        size = sizes[s.sizes.index(None)] if None in s.sizes else "0"
        if s.samples is not None:
            size = self.printer.text(s.samples)
        call = f"({size}, {alpha}, {a}, {b}, {beta}, {c})"
        if not s.shared:
            self.lines.add(self._made_product(s, flags, s.sizes) + call)
            return
        self._shared_product(s, flags, f"{end} - {begin}", call)

    def _first(self, s: Product, x: Matrix) -> str:
        """Where a thread's share of a matrix begins."""
        along = {"m": (s.a, s.c), "n": (s.b, s.c), "": ()}[s.shared]
        if x not in along:
            return ""
        begin, _ = stretch(s.sizes["mn".index(s.shared)])
        rows = (s.shared == "m") != x.transposed
        return f"{begin} * {x.leading}" if rows else begin

    def _shared_product(self, s: Product, flags: str, size: str, call: str) -> None:
        """A product for each size that a thread's share has."""
        side = "mn".index(s.shared)
        lengths = self.shares.sizes(s.sizes[side])
        made = [m for m in lengths if m]
        sampled = "mnk"[s.sizes.index(None)] if None in s.sizes else ""
        for k, one in enumerate(made):
            sizes = list(s.sizes)
            sizes[side] = one
            line = self._made_product(s, flags, sizes, sampled) + call
            if lengths == [one]:
                return self.lines.add(line)
            # one for the longest also serves the shorter ones of a smaller mini-batch
            less = made[k + 1] if one != made[-1] else 0
            with self.lines.block(f"{'el' if k else ''}if {size} > {less}:"):
                self.lines.add(line)
        return None

    def _made_product(self, s: Product, flags: str, sizes: Sequence[int | None],
                      sampled: str | None = None) -> str:  # fmt: skip
        """The name of the product for these sizes, made at the head of the module."""
        if sampled is None:
            sampled = "mnk"[s.sizes.index(None)] if None in s.sizes else ""
        most = s.most or self.kernel.batch_size
        whole = [most if e is None else e for e in sizes]
        facts = ", ".join(map(str, [*whole, s.a.leading, s.b.leading, s.c.leading]))
        made = f'matrix_product("{self.kernel.dtype}", {flags}, {facts}'
        if sampled:
            made += f', sampled="{sampled}"'
        if isinstance(s.beta, Number) and s.beta.value in (0, 1):
            made += f", beta={int(s.beta.value)}"
        return self.products.setdefault(made + ")", f"product_{len(self.products)}")

    def _array(self, b: Buffer) -> str:
        """An array as products know it: where blocks are called, its memory."""
        array = self.kernel.memory.get(b.home, b.home)
        taken = self.blocks and array in self.blocks.in_table
        return self.names(array) if taken else self.names.array(array)

    def _matrix(self, m: Matrix, first: str = "") -> str:
        """A matrix's array and where it begins, or a thread's share of it."""
        offset = self.printer.index(m.offset)[0]
        if first:
            offset = first if offset == "0" else f"{first} + {offset}"
        if m.collected is None:
            return f"{self._array(m.buffer)}, {offset}"
        name = self.names(m.buffer)
        start = f"{name}_start" + (f" + {offset}" if offset != "0" else "")
        return f"{name}_rows, {start}"

    def _call(self, s: Call) -> None:
        """One call for all matrices of a stack."""
        self.printer.used.add(s.routine)
        sizes = ", ".join(map(str, (*s.sizes, *s.flags)))
        stacks = ", ".join(map(self._stack, (s.x, *s.operands)))
        self.lines.add(f"{s.routine}({sizes}, {stacks}, {self.names(s.work)})")

    def _stack(self, s: Stack) -> str:
        many = str(s.many) if not s.per_sample else "n" if s.many == 1 else f"n * {s.many}"
        return f"{many}, {self.names(s.buffer.home)}"

    def _collect(self, s: Collect) -> None:
        """Rows in an order are copied together; otherwise they lie together already."""
        size = math.prod(s.data.shape)
        rows, data, lines = self.names(s.buffer), self.names(s.data), self.lines
        first = f"at + {self.printer.index(s.first)[0]}" if s.first.terms else "at"
        count = "n" if s.samples is None else self.printer.text(s.samples)
        place = f"{self.printer.index(s.place)[0]} + " if s.place.terms else ""
        back = f" - {self.printer.index(s.place)[0]}" if s.place.terms else ""
        lines.add(f"# the samples' rows of {data} together")
        with lines.block("if ordered:"):
            bounds = ", ".join(stretch(None)) if s.shared else count
            with lines.block(f"for b in range({bounds}):"):
                lines.add(f"row_at = order[{first} + b] * {size}")
                with lines.block(f"for j in range({size}):"):
                    lines.add(f"{rows}[{place}b * {size} + j] = {data}[row_at + j]")
            lines.add(f"{rows}_rows = {self.names.array(s.buffer)}", f"{rows}_start = 0")
        with lines.block("else:"):
            start = f"({first})" if s.first.terms else first
            lines.add(f"{rows}_rows = {self.names.array(s.data)}")
            lines.add(f"{rows}_start = {start} * {size}{back}")


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
