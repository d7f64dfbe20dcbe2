"""A whole product as one LLVM function: loops over panels of k, strips of columns, tiles, edges.

Where the number of rows or columns is only known when the code runs, the tiles are for the largest.
Of fewer, as in the last mini-batch of an epoch, whole tiles are as ever, and what is left over goes
to `micro_edge`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from llvmlite import ir

from symgrad.generate.micro_edge import edge_function
from symgrad.generate.micro_finish import Finish
from symgrad.generate.micro_machine import Machine
from symgrad.generate.micro_plan import Plan, Shape, View, column_tiles, row_counts, view
from symgrad.generate.micro_tile import SHORT, Memory, Tile, internal, tile_function
from symgrad.generate.micro_turn import copy_function, square, turn_function
from symgrad.generate.micro_vectors import (
    FLOATS,
    I64,
    ITEM_BYTES,
    POINTER,
    Count,
    Vectors,
    divide,
    heap,
    i64,
    minus,
    repeat,
    smaller,
)

ARGUMENTS = ("size", "alpha", "a", "b", "beta", "c")


def product_function(module: ir.Module, shape: Shape, plan: Plan, machine: Machine) -> ir.Function:
    """The function in this module that computes products of this shape; its arguments: ARGUMENTS.

    size is the size that is only known when the code runs; beta may be left out of use.
    Where the plan turns the product round, b is given for a and a for b.
    """
    name = _named("product", shape, plan, machine.fused)
    if name in module.globals:
        return module.globals[name]
    x, p = FLOATS[shape.dtype], POINTER
    function = internal(module, name, [I64, x, p, p, x, p])
    given = dict(zip(ARGUMENTS, function.args, strict=True))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    v = Vectors(builder, shape.dtype, plan.lanes, machine.fused)
    _Emitter(v, shape, plan, view(shape, plan.turned, plan.copied, plan.block > 0), given).emit()
    builder.ret_void()
    return function


def _named(what: str, *facts: object) -> str:
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return f"symgrad_{what}_{digest}"


@dataclass(frozen=True)
class _Emitter:
    v: Vectors
    shape: Shape
    plan: Plan
    view: View
    given: dict[str, Any]

    def emit(self) -> None:
        builder, view = self.v.builder, self.view
        limit = {"rows": view.rows, "columns": view.columns}.get(view.sampled)
        with self._strips() as panel:
            work = self._start() | {"panel": panel}
            if limit is None:
                self._panels(work, self._tiles)
                return
            whole = builder.icmp_signed("==", self.given["size"], i64(limit))
            with builder.if_else(whole, likely=True) as (then, otherwise):
                with then:
                    self._panels(work, self._tiles)
                with otherwise:
                    self._panels(work, self._edges)

    @contextmanager
    def _strips(self) -> Iterator[Any]:
        """Memory for strips of b; the stack of a thread is too small for many of them."""
        if not self.view.packed:
            yield None
        elif not self.plan.block:
            yield self.v.room(self._length * self.plan.width)
        else:
            size = ITEM_BYTES[self.shape.dtype] * self._length * self.plan.block
            with heap(self.v.builder, size) as place:
                yield place

    # ---- panels of k

    def _start(self) -> dict[str, Any]:
        """What is the same for all panels of k."""
        plan, view, dtype = self.plan, self.view, self.shape.dtype
        one, zero = (ir.Constant(FLOATS[dtype], x) for x in (1.0, 0.0))
        beta = {0: zero, 1: one, None: self.given["beta"]}[self.shape.beta]
        side = square(dtype)
        tall = -(-plan.rows // side) * side
        return {
            "alpha": self.given["alpha"], "beta": beta, "one": one,
            "lines": self.v.room(self._length * self._lines) if view.gathered else None,
            "tile": self.v.room(tall * plan.width) if plan.turned else None,
        }  # fmt: skip

    def _panels(self, work: dict, cover: Callable[[dict], None]) -> None:
        """cover the result, once for each stretch of k."""
        builder, view, length = self.v.builder, self.view, self.plan.panel
        depth: Count = self.given["size"] if view.sampled == "depth" else view.depth
        if not self._several:
            cover(work | self._stretch(0, depth))
            return
        last = builder.sdiv(i64(minus(builder, depth, 1)), i64(length))  # 0 where k is 0

        def each(p: Any) -> None:
            start = builder.mul(p, i64(length))
            now = smaller(builder, length, minus(builder, depth, start))
            first = builder.icmp_signed("==", p, i64(0))
            beta = builder.select(first, work["beta"], work["one"])
            cover(work | self._stretch(start, now) | {"beta": beta})

        repeat(builder, builder.add(last, i64(1)), each)

    @property
    def _several(self) -> bool:
        return self.view.depth > self.plan.panel

    @property
    def _length(self) -> int:
        """Rows of a panel."""
        return min(self.plan.panel, self.view.depth)

    def _stretch(self, start: Count, depth: Count) -> dict[str, Any]:
        a = self.v.at(self.given["a"], (start, self.view.a[1]))
        return {
            "depth": i64(depth),
            "a": a,
            "b": self.v.at(self.given["b"], (start, self.view.b[0])),
        }

    # ---- tiles, where rows and columns are known

    def _tiles(self, work: dict) -> None:
        columns, block = self.view.columns, self.plan.block
        if block:
            whole, rest = divmod(columns, block)
            self._count(whole, 0, block, partial(self._block, work, block))
            self._count(int(rest > 0), whole * block, block, partial(self._block, work, rest))
            return
        if self.plan.across:
            self._each_row(lambda rows, i: self._each_column(columns,
                lambda tile, j: self._cell(self._strip(work, j), i, j, replace(tile, rows=rows))
            ))  # fmt: skip
            return

        def column(tile: Tile, j: Any) -> None:
            here = self._strip(work, j)
            if self.view.packed:
                here["b"] = self._packed(here, tile.columns, tile.width)
            self._each_row(lambda rows, i: self._cell(here, i, j, replace(tile, rows=rows)))

        self._each_column(columns, column)

    def _block(self, work: dict, columns: int, first: Any) -> None:
        """These columns: their strips are copied, then tiles follow each other along rows."""
        builder = self.v.builder

        def copied(j: Any) -> Any:
            return self.v.at(work["panel"], (j, self._length))

        def copy(tile: Tile, j: Any) -> None:
            here = self._strip(work, builder.add(first, j)) | {"panel": copied(j)}
            self._packed(here, tile.columns, tile.width)

        def row(rows: int, i: Any) -> None:
            if self.view.gathered:
                self._gather(work, rows, i)
            self._each_column(columns, lambda tile, j: self._cell(
                work | {"b": copied(j)}, i, builder.add(first, j), replace(tile, rows=rows)
            ))  # fmt: skip

        self._each_column(columns, copy)
        self._each_row(row)

    @property
    def _lines(self) -> int:
        """Elements for each k of rows of a that are copied."""
        return -(-self.plan.rows // self.plan.lanes) * self.plan.lanes

    def _gather(self, work: dict, rows: int, i: Any) -> None:
        """Copy the rows of a for tiles in row i."""
        facts = (self.shape.dtype, self.plan.lanes, self.v.fused, self._lines, self._lines)
        sizes = [i64(n) for n in (self.view.a[1], work["depth"], rows)]
        source = self.v.at(work["a"], (i, 1))
        function = self._function(copy_function, *facts)
        self.v.builder.call(function, [source, work["lines"], *sizes])

    def _strip(self, work: dict, j: Any) -> dict[str, Any]:
        return work | {"b": self.v.at(work["b"], (j, self.view.b[1]))}

    def _each_column(self, columns: int, body: Callable[[Tile, Any], None]) -> None:
        """body(tile, first column) for all strips of so many columns."""
        start, narrowest = 0, 16 // ITEM_BYTES[self.shape.dtype]
        for tile, number in column_tiles(self.plan, columns, narrowest):
            self._count(number, start, tile.columns, partial(body, tile))
            start += number * tile.columns

    def _each_row(self, body: Callable[[int, Any], None]) -> None:
        """body(rows, first row) for all rows of tiles."""
        start = 0
        for rows, number in row_counts(self.plan, self.view.rows):
            self._count(number, start, rows, partial(body, rows))
            start += number * rows

    def _count(self, number: int, start: int, step: int, body: Callable[[Any], None]) -> None:
        """body(start + t * step) for t < number."""
        builder = self.v.builder
        repeat(builder, number, lambda t: body(
            builder.add(i64(start), builder.mul(t, i64(step)))))  # fmt: skip

    def _cell(self, work: dict, i: Any, j: Any, tile: Tile) -> None:
        here = self._placed(work, i, j)
        if self.view.gathered:
            here["a"] = work["lines"]
        if self.plan.turned:
            self._turned(here, tile)
        else:
            self._tile(here, tile, self._finish)

    def _placed(self, work: dict, i: Count, j: Count) -> dict[str, Any]:
        """With a and c at row i and column j."""
        v, view = self.v, self.view
        return work | {
            "a": v.at(work["a"], (i, view.a[0])),
            "c": v.at(self.given["c"], (i, view.c[0]), (j, view.c[1])),
        }

    # ---- where there are fewer rows or columns than was planned for

    def _edges(self, work: dict) -> None:
        if self.view.sampled == "rows":
            self._some_rows(work)
        else:
            self._some_columns(work)

    def _some_rows(self, work: dict) -> None:
        """Strip by strip, whole tiles and the rows that are left over."""
        builder, high = self.v.builder, self.plan.rows
        whole, rest = divide(builder, self.given["size"], high)
        below = builder.mul(i64(whole), i64(high))

        def strip(tile: Tile, j: Any) -> None:
            here = self._strip(work, j)
            if self.view.packed:
                here["b"] = self._packed(here, tile.columns, tile.width)
            repeat(builder, whole, lambda t: self._apart(here, builder.mul(t, i64(high)), j, tile))
            self._edge(self._placed(here, below, j), rest, tile.columns)

        self._each_column(self.view.columns, strip)

    def _apart(self, work: dict, i: Any, j: Any, tile: Tile) -> None:
        """A tile by itself."""
        if self.view.gathered:
            self._gather(work, tile.rows, i)
        self._cell(work, i, j, tile)

    def _some_columns(self, work: dict) -> None:
        """Whole strips, then what is left over."""
        builder, width = self.v.builder, self.plan.width
        whole, rest = divide(builder, self.given["size"], width)
        tile = Tile(self.plan.rows, self.plan.vectors, self.plan.lanes, self.plan.lanes)

        def strip(columns: Count, t: Any, cover: Callable[[dict, Any], None]) -> None:
            j = builder.mul(t, i64(width))
            here = self._strip(work, j)
            if self.view.packed:
                here["b"] = self._packed(here, columns, width)
            cover(here, j)

        def tiles(here: dict, j: Any) -> None:
            self._each_row(lambda rows, i: self._apart(here, i, j, replace(tile, rows=rows)))

        def edge(here: dict, j: Any) -> None:
            self._edge(self._placed(here, 0, j), self.view.rows, rest)

        some = builder.zext(builder.icmp_signed(">", i64(rest), i64(0)), I64)
        repeat(builder, whole, lambda t: strip(width, t, tiles))
        repeat(builder, some, lambda _: strip(rest, whole, edge))

    # ---- calls

    @property
    def _memory(self) -> Memory:
        view, width = self.view, self.plan.width
        b = width if view.packed else view.b[0]
        c = width if self.plan.turned else view.c[0]
        some = view.sampled != "depth" and view.depth > 0
        short = some and view.depth <= SHORT
        kind = (view.packed, self.plan.fetched, some, short, self.v.fused)
        a = (1, self._lines) if self.view.gathered else view.a
        return Memory(self.shape.dtype, a, b, c, *kind)

    @property
    def _finish(self) -> Finish:
        beta = self.shape.beta
        return Finish(beta=None if beta == 0 and self._several else beta)

    def _packed(self, work: dict, columns: Count, stored: int) -> Any:
        """A panel with these columns of b, filled up to so many."""
        if self.view.b[1] == 1:
            facts = (self.shape.dtype, self.plan.lanes, self.v.fused, stored, self.plan.width)
            function = self._function(copy_function, *facts)
            strides = [i64(n) for n in (self.view.b[0], work["depth"], columns)]
            self.v.builder.call(function, [work["b"], work["panel"], *strides])
            return work["panel"]
        source, target = (work["b"], self.view.b[1]), (work["panel"], self.plan.width)
        sizes = (columns, work["depth"], stored)
        self._turn(source, target, sizes, Finish(False), work)
        return work["panel"]

    def _tile(self, work: dict, tile: Tile, finish: Finish) -> None:
        function = self._function(tile_function, self._memory, tile, finish)
        names = ("depth", "alpha", "a", "b", "beta", "c")
        self.v.builder.call(function, [work[name] for name in names])

    def _turned(self, work: dict, tile: Tile) -> None:
        """A tile that is put down turned round."""
        plain = self._finish == Finish()
        self._tile(work | {"c": work["tile"]}, tile, Finish(plain))
        ends = (work["tile"], self.plan.width), (work["c"], self.view.c[1])
        sizes = (tile.rows, tile.columns, tile.rows)
        self._turn(*ends, sizes, Finish(False) if plain else self._finish, work)

    def _edge(self, work: dict, rows: Count, columns: Count) -> None:
        facts = (self.shape.dtype, self.plan.lanes, self.v.fused, self._finish)
        function = self._function(edge_function, *facts)
        strides = (*self.view.a, self._memory.b, *self.view.c)
        names = ("a", "b", "c", "alpha", "beta", "depth")
        sizes = [i64(n) for n in (rows, columns, *strides)]
        self.v.builder.call(function, [*(work[name] for name in names), *sizes])

    def _turn(self, source: tuple, target: tuple, sizes: tuple, finish: Finish, work: dict) -> None:
        function = self._function(turn_function, self.shape.dtype, self.v.fused, finish)
        self.v.builder.call(function, [
            source[0], i64(source[1]), target[0], i64(target[1]), *map(i64, sizes), work["alpha"],
            work["beta"],
        ])  # fmt: skip

    def _function(self, make: Callable[..., ir.Function], *facts: object) -> ir.Function:
        module, name = self.v.builder.module, _named(make.__name__, *facts)
        return module.globals.get(name) or make(module, name, *facts)
