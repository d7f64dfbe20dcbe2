"""Matrix products, calls of libraries and copies of rows in numba source."""

from __future__ import annotations

import math
from collections.abc import Sequence

from symgrad.generate.blocks import Blocks
from symgrad.generate.cpu_expressions import Printer
from symgrad.generate.shares import Shares, stretch
from symgrad.generate.text import Lines
from symgrad.lower.kernel import Buffer, Call, Collect, Kernel, Matrix, Number, Product, Stack


class Matrices:
    """Writes statements on whole matrices.

    made:   how each product is made, at the head of the module -> its name
    blocks: the kernel's assembly, where there is some
    """

    def __init__(self, kernel: Kernel, lines: Lines, printer: Printer, shares: Shares) -> None:
        self.kernel, self.lines, self.printer, self.shares = kernel, lines, printer, shares
        self.names = printer.names
        self.made: dict[str, str] = {}
        self.blocks: Blocks | None = None

    def product(self, s: Product) -> None:
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
        return self.made.setdefault(made + ")", f"product_{len(self.made)}")

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

    def call(self, s: Call) -> None:
        """One call for all matrices of a stack."""
        self.printer.used.add(s.routine)
        sizes = ", ".join(map(str, (*s.sizes, *s.flags)))
        stacks = ", ".join(map(self._stack, (s.x, *s.operands)))
        self.lines.add(f"{s.routine}({sizes}, {stacks}, {self.names(s.work)})")

    def _stack(self, s: Stack) -> str:
        many = str(s.many) if not s.per_sample else "n" if s.many == 1 else f"n * {s.many}"
        return f"{many}, {self.names(s.buffer.home)}"

    def collect(self, s: Collect) -> None:
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
