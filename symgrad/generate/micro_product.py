"""A whole product as one LLVM function: loops over panels of k, strips of columns, tiles, edges.

What is known when the code is compiled is covered by tiles of its own size.  Where the number of
rows or columns is only known when it runs, what the tiles leave over is left to `micro_edge`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from llvmlite import ir

from symgrad.generate.micro_edge import edge_function
from symgrad.generate.micro_finish import Finish
from symgrad.generate.micro_machine import Machine
from symgrad.generate.micro_plan import Plan, Shape, View, column_tiles, row_counts, view
from symgrad.generate.micro_tile import Memory, Tile, internal, tile_function
from symgrad.generate.micro_turn import square, turn_function
from symgrad.generate.micro_vectors import (
    BIT,
    FLOATS,
    I64,
    ITEM_BYTES,
    POINTER,
    Count,
    Vectors,
    divide,
    i64,
    minus,
    repeat,
    smaller,
)

ARGUMENTS = ("size", "alpha", "a", "b", "beta", "c", "bias")


def product_function(module: ir.Module, shape: Shape, plan: Plan, machine: Machine) -> ir.Function:
    """The function in this module that computes products of this shape; its arguments: ARGUMENTS.

    size is the size that is only known when the code runs; beta and bias may be left out of use.
    Where the plan turns the product round, b is given for a and a for b.
    """
    name = _named("product", shape, plan, machine)
    if name in module.globals:
        return module.globals[name]
    x, p = FLOATS[shape.dtype], POINTER
    function = internal(module, name, [I64, x, p, p, x, p, p])
    given = dict(zip(ARGUMENTS, function.args, strict=True))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    v = Vectors(builder, shape.dtype, plan.lanes, machine.fused)
    _Emitter(v, shape, plan, view(shape, plan.turned), given).emit()
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

    # ---- panels of k

    def emit(self) -> None:
        plan, view, builder = self.plan, self.view, self.v.builder
        one, zero = (ir.Constant(FLOATS[self.shape.dtype], x) for x in (1.0, 0.0))
        beta = {0: zero, 1: one, None: self.given["beta"]}[self.shape.beta]
        depth: Count = self.given["size"] if view.sampled == "depth" else view.depth
        panel = self.v.room(min(plan.panel, view.depth) * plan.width) if view.packed else None
        side = square(self.shape.dtype)
        tile = self.v.room(-(-plan.rows // side) * side * plan.width) if plan.turned else None
        always = {"alpha": self.given["alpha"], "one": one, "panel": panel, "tile": tile}
        if not self._several:
            self._panel(always | {"beta": beta, "finish": BIT(1)}, 0, depth)
            return
        last = i64(divide(builder, minus(builder, depth, 1), plan.panel)[0])

        def each(p: Any) -> None:
            start = builder.mul(p, i64(plan.panel))
            now = smaller(builder, plan.panel, minus(builder, depth, start))
            so_far = builder.select(builder.icmp_signed("==", p, i64(0)), beta, one)
            finish = builder.icmp_signed("==", p, last)
            self._panel(always | {"beta": so_far, "finish": finish}, start, now)

        repeat(builder, builder.add(last, i64(1)), each)

    @property
    def _several(self) -> bool:
        return self.view.depth > self.plan.panel

    def _panel(self, work: dict[str, Any], start: Count, depth: Count) -> None:
        """All tiles for one stretch of k."""
        v, view = self.v, self.view
        a = v.at(self.given["a"], (start, view.a[1]))
        b = v.at(self.given["b"], (start, view.b[0]))
        work = work | {"depth": i64(depth), "a": a}

        def strip(j: Count) -> dict[str, Any]:
            return work | {"b": v.at(b, (j, view.b[1]))}

        if self.plan.across:
            self._each_row(lambda i, rows, tall: self._each_column(
                lambda j, columns, tile: self._cell(strip(j), i, rows, tall, j, columns, tile)
            ))  # fmt: skip
            return

        def column(j: Count, columns: Count, tile: Tile | None) -> None:
            here = strip(j)
            if view.packed:
                here["b"] = self._packed(here, columns, tile)
            self._each_row(lambda i, rows, tall: self._cell(here, i, rows, tall, j, columns, tile))

        self._each_column(column)

    # ---- rows and columns of tiles

    def _each_column(self, body: Callable[[Count, Count, Tile | None], None]) -> None:
        """body(first column, columns, tile) for all strips; tile None: columns is not known."""
        plan, builder, view = self.plan, self.v.builder, self.view
        if view.sampled == "columns":
            number, rest = divide(builder, self.given["size"], plan.width)
            full = Tile(plan.rows, plan.vectors, plan.lanes, plan.lanes)
            if view.columns >= plan.width:
                self._count(number, 0, plan.width, lambda j: body(j, plan.width, full))
            after = minus(builder, self.given["size"], rest)
            with builder.if_then(builder.icmp_signed(">", i64(rest), i64(0))):
                body(after, rest, None)
            return
        start = 0
        for tile, number in column_tiles(plan, view.columns, 16 // ITEM_BYTES[self.shape.dtype]):
            self._count(number, start, tile.columns, lambda j, t=tile: body(j, t.columns, t))
            start += number * tile.columns

    def _each_row(self, body: Callable[[Count, Count, int], None]) -> None:
        """body(first row, rows, height) for all rows of tiles; height 0: rows is not known."""
        plan, builder, view = self.plan, self.v.builder, self.view
        if view.sampled == "rows":
            number, rest = divide(builder, self.given["size"], plan.rows)
            self._count(number, 0, plan.rows, lambda i: body(i, plan.rows, plan.rows))
            body(minus(builder, self.given["size"], rest), rest, 0)
            return
        start = 0
        for rows, number in row_counts(plan, view.rows):
            self._count(number, start, rows, lambda i, r=rows: body(i, r, r))
            start += number * rows

    def _count(self, number: Count, start: int, step: int, body: Callable) -> None:
        """body(start + t * step) for t < number."""
        builder = self.v.builder

        def one(t: Any) -> None:
            body(builder.add(i64(start), builder.mul(t, i64(step))))

        repeat(builder, number, one)

    def _cell(
        self, work: dict, i: Count, rows: Count, tall: int, j: Count, columns: Count,
        tile: Tile | None,
    ) -> None:  # fmt: skip
        """One tile, or the edge in its place; work: b points at the first column."""
        v, view = self.v, self.view
        c = v.at(self.given["c"], (i, view.c[0]), (j, view.c[1]))
        along = i if self.plan.turned else j
        bias = v.at(self.given["bias"], (along, 1)) if self.shape.bias else self.given["bias"]
        here = work | {"a": v.at(work["a"], (i, view.a[0])), "c": c, "bias": bias}
        if not (tall and tile):
            self._edge(here, rows, columns)
        elif self.plan.turned:
            self._turned(here, replace(tile, rows=tall))
        else:
            self._tile(here, replace(tile, rows=tall), self._finish)

    # ---- calls

    @property
    def _memory(self) -> Memory:
        view, width = self.view, self.plan.width
        b = width if view.packed else view.b[0]
        c = width if self.plan.turned else view.c[0]
        some = view.sampled != "depth" and view.depth > 0
        return Memory(self.shape.dtype, view.a, b, c, view.packed, some, self.v.fused)

    @property
    def _finish(self) -> Finish:
        shape, several = self.shape, self._several
        beta = None if shape.beta == 0 and several else shape.beta
        return Finish(True, beta, several, shape.bias, shape.activation)

    def _packed(self, work: dict, columns: Count, tile: Tile | None) -> Any:
        """A panel with these columns of b."""
        stored = tile.width if tile else self.plan.width
        source, target = (work["b"], self.view.b[1]), (work["panel"], self.plan.width)
        sizes = (columns, work["depth"], stored)
        self._turn(source, target, sizes, Finish(False), work, work["b"])
        return work["panel"]

    def _tile(self, work: dict, tile: Tile, finish: Finish) -> None:
        function = self._function(tile_function, self._memory, tile, finish)
        names = ("depth", "alpha", "a", "b", "beta", "c", "bias", "finish")
        self.v.builder.call(function, [work[name] for name in names])

    def _turned(self, work: dict, tile: Tile) -> None:
        """A tile that is put down turned round."""
        plain = self._finish == Finish()
        self._tile(work | {"c": work["tile"]}, tile, Finish(plain))
        ends = (work["tile"], self.plan.width), (work["c"], self.view.c[1])
        sizes = (tile.rows, tile.columns, tile.rows)
        self._turn(*ends, sizes, Finish(False) if plain else self._finish, work, work["bias"])

    def _edge(self, work: dict, rows: Count, columns: Count) -> None:
        facts = (self.shape.dtype, self.plan.lanes, self.v.fused, self._finish)
        function = self._function(edge_function, *facts)
        memory, view, turned = self._memory, self.view, self.plan.turned
        strides = (*view.a, memory.b, *view.c, int(turned), int(not turned))
        names = ("a", "b", "c", "bias", "alpha", "beta", "finish", "depth")
        whole = [i64(n) for n in (rows, columns, *strides)]
        self.v.builder.call(function, [*(work[name] for name in names), *whole])

    def _turn(
        self, source: tuple, target: tuple, sizes: tuple, finish: Finish, work: dict, bias: Any
    ) -> None:
        function = self._function(turn_function, self.shape.dtype, self.v.fused, finish)
        self.v.builder.call(function, [
            source[0], i64(source[1]), target[0], i64(target[1]), *map(i64, sizes), work["alpha"],
            work["beta"], bias, work["finish"],
        ])  # fmt: skip

    def _function(self, make: Callable[..., ir.Function], *facts: object) -> ir.Function:
        module, name = self.v.builder.module, _named(make.__name__, *facts)
        return module.globals.get(name) or make(module, name, *facts)
