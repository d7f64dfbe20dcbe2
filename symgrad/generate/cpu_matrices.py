"""Matrix products, calls of libraries and copies of rows in numba source."""

from __future__ import annotations

import math

from symgrad.generate.blocks import Blocks
from symgrad.generate.cpu_expressions import Printer
from symgrad.generate.products import Products, is_made
from symgrad.generate.shares import Shares, stretch
from symgrad.generate.text import Lines
from symgrad.lower.index import Index
from symgrad.lower.kernel import Buffer, Call, Collect, Kernel, Matrix, Number, Product, Stack


class Matrices:
    """Writes statements on whole matrices.

    blocks: the kernel's assembly, where there is some
    """

    def __init__(self, kernel: Kernel, lines: Lines, printer: Printer, shares: Shares) -> None:
        self.kernel, self.lines, self.printer = kernel, lines, printer
        self.names = printer.names
        self.products = Products(kernel, self.names, shares)
        self.blocks: Blocks | None = None

    def product(self, s: Product) -> None:
        """A product made for its sizes; where two of them are n, for whole mini-batches, and a call
        of BLAS for others."""
        alpha, beta = (  # converted to the matrices' dtype there
            repr(x.value) if isinstance(x, Number) else self.printer.text(x)
            for x in (s.alpha, s.beta)
        )
        a, b, c = (self._matrix(x, self.products.start(s, x)) for x in (s.a, s.b, s.c))
        if is_made(s):
            self._by_ways(s, alpha, a, b, beta, c)
            return
        with self.lines.block(f"if n == {self.kernel.batch_size}:"):
            self._by_ways(s, alpha, a, b, beta, c)
        with self.lines.block("else:"):
            self._by_library(s, alpha, a, b, beta, c)

    def _by_ways(self, s: Product, alpha: str, a: str, b: str, beta: str, c: str) -> None:
        size = self._text(self.products.size(s))
        size = size if s.samples is None else self.printer.text(s.samples)
        for k, way in enumerate(self.products.ways(s)):
            call = f"{way.name}({size}, {alpha}, {a}, {b}, {beta}, {c})"
            if way.above is None:
                self.lines.add(call)
                continue
            length = self._text(self.products.length(s))
            with self.lines.block(f"{'el' if k else ''}if {length} > {way.above}:"):
                self.lines.add(call)

    def _by_library(self, s: Product, alpha: str, a: str, b: str, beta: str, c: str) -> None:
        self.printer.used.add("gemm")
        m, n, k = ("n" if e is None else str(e) for e in s.sizes)
        m, n = (
            self._text(self.products.length(s)) if s.shared == name else size
            for name, size in (("m", m), ("n", n))
        )
        flags = f"{int(s.a.transposed)}, {int(s.b.transposed)}"
        a, b, c = (f"{x}, {y.leading}" for x, y in zip((a, b, c), (s.a, s.b, s.c), strict=True))
        self.lines.add(f"gemm({flags}, {m}, {n}, {k}, {alpha}, {a}, {b}, {beta}, {c})")

    def _text(self, i: Index) -> str:
        return self.printer.index(i)[0]

    def _array(self, b: Buffer) -> str:
        """An array as products know it: where blocks are called, its memory."""
        array = self.kernel.memory.get(b.home, b.home)
        taken = self.blocks and array in self.blocks.in_table
        return self.names(array) if taken else self.names.array(array)

    def _matrix(self, m: Matrix, start: Index) -> str:
        """A matrix's array and where it begins, or a thread's share of it."""
        array = f"{self.names(m.buffer)}_rows" if m.collected else self._array(m.buffer)
        return f"{array}, {self._text(start)}"

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
        named = not self.blocks or s.buffer in self.blocks.rows  # blocks know where the rows are
        lines.add(f"# the samples' rows of {data} together")
        with lines.block("if ordered:"):
            bounds = ", ".join(stretch(None)) if s.shared else count
            with lines.block(f"for b in range({bounds}):"):
                lines.add(f"row_at = order[{first} + b] * {size}")
                with lines.block(f"for j in range({size}):"):
                    lines.add(f"{rows}[{place}b * {size} + j] = {data}[row_at + j]")
            if named:
                lines.add(f"{rows}_rows = {self.names.array(s.buffer)}")
            lines.add(f"{rows}_start = 0")
        with lines.block("else:"):
            start = f"({first})" if s.first.terms else first
            if named:
                lines.add(f"{rows}_rows = {self.names.array(s.data)}")
            lines.add(f"{rows}_start = {start} * {size}{back}")
