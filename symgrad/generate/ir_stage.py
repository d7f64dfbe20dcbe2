"""What one thread does without waiting, as a function in LLVM assembly: blocks and products.

    define hidden void @stage_0(i64 %table, i64 %at, i64 %n) {
      ...
      call void @product_0(i64 %n, float 1.0, ptr %t3, ptr %t6, float 0.0, ptr %t9)
      call void @block_1(i64 %table, i64 %n)

A statement of the driver loop takes numba's front end a millisecond or more, and a choice between
them a time that grows with all others.  So the loop has one call for all of this; the products
themselves are made at the head of the module (`matrix_product`), as they are for numba source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from symgrad.generate.ir_memory import ORDERED
from symgrad.generate.ir_text import Value, constant, type_of
from symgrad.generate.ir_writer import Table, Writer, loaded
from symgrad.generate.products import Products, Way
from symgrad.generate.text import Names, remark
from symgrad.lower.kernel import (
    THREAD,
    Alone,
    Buffer,
    Comment,
    Expression,
    Matrix,
    Number,
    Product,
    Statement,
    Whole,
)  # fmt: skip

Run = Sequence[Statement]


class Stage(Writer):
    """Writes one function.

    block:    writes a run of loops and assignments as a function, and names it with its integers
    made:     the products that it calls
    """

    def __init__(
        self, name: str, body: Run, names: Names, table: Table, products: Products,
        runs: Callable[[Run], Iterable[tuple[bool, Run]]],
        block: Callable[[Run], tuple[str, list[str]]],
    ) -> None:  # fmt: skip
        super().__init__(name, names, table)
        self.products, self.runs, self.block = products, runs, block
        self.memory.absent = self.cell_value
        self.made: dict[str, None] = {}
        self.read_ordered()
        self.statements(body)

    def text(self, words: Mapping[str, int]) -> str:
        """words: of arrays in the run's table, by their names."""
        integers = "".join(f", i64 %{i}" for i in self.integers)
        pointers = loaded(self.memory.pointers, words)
        return "\n".join([
            f"define hidden void @{self.name}(i64 %table{integers}) nounwind {{",
            "entry:", "  %words = inttoptr i64 %table to ptr", *pointers, *self.lines.entry,
            *self.lines.body, "  ret void", "}", "",
        ])  # fmt: skip

    def statements(self, body: Run) -> None:
        for plain, run in self.runs(body):
            if plain:
                self._block(run)
                continue
            for s in run:
                if isinstance(s, Product):
                    self._product(s)
                else:
                    assert isinstance(s, Alone)
                    self._alone(s)

    def _block(self, run: Run) -> None:
        """A call, and the remarks on what follows."""
        end = len(run)
        while end and isinstance(run[end - 1], Comment):
            end -= 1
        if end:
            name, integers = self.block(run[:end])
            given = "".join(f", {self.memory.integer(i).typed}" for i in integers)
            self.lines.add(f"call void @{name}(i64 %table{given})")
        for s in run[end:]:
            assert isinstance(s, Comment)
            self.lines.remark(remark(s.text))

    def _alone(self, s: Alone) -> None:
        first = self.lines.value(f"icmp eq i64 {self.memory.integer(THREAD.name).text}, 0", "bool")
        self._branch(first, "alone", lambda: self.statements(s.body))

    def _branch(self, condition: Value, stem: str, then: Callable[[], None]) -> None:
        label = self.lines.fresh(stem)
        self.lines.add(f"br {condition.typed}, label %{label}, label %{label}.end")
        self.lines.label(label)
        then()
        self.lines.add(f"br label %{label}.end")
        self.lines.label(f"{label}.end")

    # ---- products

    def _product(self, s: Product) -> None:
        self.memory.current.clear()  # numbers in cells may be others now
        size = self.expressions.value(s.samples or Whole(self.products.size(s)))
        alpha, beta = map(self._factor, (s.alpha, s.beta))
        a, b, c = (f"ptr {self._start(s, m)}" for m in (s.a, s.b, s.c))
        given = f"{size.typed}, {alpha.typed}, {a}, {b}, {beta.typed}, {c}"
        for way in self.products.ways(s):
            self.made[way.name] = None
            call = f"call void @{way.name}({given})"
            if way.above is None:
                self.lines.add(call)
            else:
                self._branch(self._is_for(s, way), "share", partial(self.lines.add, call))

    def _is_for(self, s: Product, way: Way) -> Value:
        """Whether a thread's share has the length that a product is made for."""
        x = self.memory.index(self.products.length(s))
        fits = self.lines.value(f"icmp sgt {x.typed}, {way.above}", "bool")
        if way.most is None:
            return fits
        short = self.lines.value(f"icmp sle {x.typed}, {way.most}", "bool")
        return self.lines.value(f"and {fits.typed}, {short.text}", "bool")

    def _factor(self, x: Expression) -> Value:
        dtype = self.products.kernel.dtype
        if isinstance(x, Number):
            return constant(x.value, dtype)
        return self.lines.cast(self.expressions.value(x), dtype)

    def _start(self, s: Product, m: Matrix) -> str:
        """Where a matrix, or a thread's share of it, begins."""
        at = self.memory.index(self.products.start(s, m))
        rows = self._array(m.buffer)
        if m.collected:
            data = self._array(m.collected)
            rows = self.lines.value(f"select {ORDERED.typed}, ptr {rows}, ptr {data}", "int64").text
        if at.text == "0":
            return rows
        kind = type_of(m.buffer.dtype)
        return self.lines.value(f"getelementptr {kind}, ptr {rows}, {at.typed}", "int64").text

    def _array(self, buffer: Buffer) -> str:
        """The address of the array in which a buffer lies."""
        array = self.products.kernel.memory.get(buffer.home, buffer.home)
        return self.lines.named(Value(self.address(array), "int64"), self.names(array)).text
