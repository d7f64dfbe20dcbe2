"""A whole product as one LLVM function: loops over panels of k, tiles, and their edges."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from llvmlite import ir

from symgrad.generate.micro_finish import Finish
from symgrad.generate.micro_machine import Machine
from symgrad.generate.micro_plan import Plan, Shape, View, column_tiles, row_counts, view
from symgrad.generate.micro_tile import Memory, Tile, internal, tile_function
from symgrad.generate.micro_turn import Turn, pack_function, square, turn_function
from symgrad.generate.micro_vectors import (
    BIT,
    FLOATS,
    I64,
    ITEM_BYTES,
    Count,
    divide,
    element,
    i64,
    minus,
    repeat,
    smaller,
)  # fmt: skip

ARGUMENTS = ("size", "alpha", "a", "b", "beta", "c", "bias")


def product_function(module: ir.Module, shape: Shape, plan: Plan, machine: Machine) -> ir.Function:
    """The function in this module that computes products of this shape; its arguments: ARGUMENTS.

    size is the size that is only known when the code runs; beta and bias may be left out of use.
    """
    name = _named("product", shape, plan, machine)
    if name in module.globals:
        return module.globals[name]
    x = FLOATS[shape.dtype]
    p = x.as_pointer()
    function = internal(module, name, [I64, x, p, p, x, p, p])
    given = dict(zip(ARGUMENTS, function.args, strict=True))
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    _Emitter(builder, shape, plan, machine, view(shape, plan.turned), given).emit()
    builder.ret_void()
    return function


def _named(what: str, *facts: object) -> str:
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return f"symgrad_{what}_{digest}"


@dataclass(frozen=True)
class _Emitter:
    builder: ir.IRBuilder
    shape: Shape
    plan: Plan
    machine: Machine
    view: View
    given: dict[str, ir.Value]

    def emit(self) -> None:
        builder, plan, view = self.builder, self.plan, self.view
        depth: Count = self.given["size"] if view.sampled == "depth" else view.depth
        width = plan.vectors * plan.lanes
        room = -(-min(plan.panel, view.depth) // plan.lanes) * plan.lanes
        panel = self._room(room * width) if plan.packed else None
        rows = -(-plan.rows // self._side) * self._side
        self.given["tile"] = self._room(rows * width) if plan.turned else None
        one = ir.Constant(FLOATS[self.shape.dtype], 1.0)
        given = self.shape.beta
        beta = self.given["beta"] if given is None else ir.Constant(one.type, float(given))
        if not self._several:
            self._panel(panel, 0, depth, beta, BIT(1))
            return
        last = i64(divide(builder, minus(builder, depth, 1), plan.panel)[0])

        def each(p: ir.Value) -> None:
            start = builder.mul(p, i64(plan.panel))
            now = smaller(builder, plan.panel, minus(builder, depth, start))
            first = builder.icmp_signed("==", p, i64(0))
            so_far = builder.select(first, beta, one)
            self._panel(panel, start, now, so_far, builder.icmp_signed("==", p, last))

        repeat(builder, builder.add(last, i64(1)), each)

    @property
    def _several(self) -> bool:
        return self.view.depth > self.plan.panel

    def _room(self, elements: int) -> ir.Value:
        """Memory on the stack."""
        kind = ir.ArrayType(FLOATS[self.shape.dtype], elements)
        place = self.builder.alloca(kind)
        place.align = 64
        return self.builder.bitcast(place, FLOATS[self.shape.dtype].as_pointer())

    def _panel(
        self, panel: ir.Value | None, start: Count, depth: Count, beta: ir.Value, finish: ir.Value
    ) -> None:
        """All tiles for one stretch of k."""
        builder = self.builder
        work = {
            "depth": i64(depth), "alpha": self.given["alpha"], "beta": beta, "finish": finish,
            "a": element(builder, self.given["a"], (start, self.view.a[1])),
            "b": element(builder, self.given["b"], (start, self.view.b[0])),
            "c": self.given["c"], "bias": self.given["bias"],
        }  # fmt: skip
        if self.plan.across:
            self._each_row(
                lambda i, rows, kind: self._each_column(
                    lambda j, columns, tile: self._tile(work, i, rows, j, columns, kind(tile))
                )
            )
            return

        def column(j: Count, columns: Count, tile: Tile) -> None:
            here = work | {"b": element(builder, work["b"], (j, self.view.b[1]))}
            if panel is not None:
                self._pack(here, columns, tile, panel)
                here["b"] = panel
            self._each_row(
                lambda i, rows, kind: self._tile(here, i, rows, j, columns, kind(tile), placed=True)
            )

        self._each_column(column)

    def _each_column(self, body: Callable[[Count, Count, Tile], None]) -> None:
        """body(first column, columns, tile) for all tiles in a row of them."""
        plan, builder, view = self.plan, self.builder, self.view
        width = plan.vectors * plan.lanes
        if view.sampled != "columns":
            start = 0
            for tile, number in column_tiles(plan, view.columns, self._narrowest):
                first, columns = start, tile.columns
                self._count(number, first, columns, lambda j, t=tile: body(j, t.columns, t))
                start += number * columns
            return
        size = self.given["size"]
        full = Tile(plan.rows, plan.vectors, plan.lanes, plan.lanes)
        number, rest = divide(builder, size, width)
        if view.columns >= width:
            self._count(number, 0, width, lambda j: body(j, width, full))
        some = Tile(plan.rows, 1, plan.lanes, plan.lanes, some_columns=True)
        after = minus(builder, size, rest)
        pieces, _ = divide(builder, builder.add(rest, i64(plan.lanes - 1)), plan.lanes)

        def tail(j: Count) -> None:
            body(j, smaller(builder, plan.lanes, minus(builder, size, j)), some)

        self._count(pieces, after, plan.lanes, tail)

    @property
    def _narrowest(self) -> int:
        return 16 // ITEM_BYTES[self.shape.dtype]

    def _each_row(self, body: Callable[[Count, Count, Callable[[Tile], Tile]], None]) -> None:
        """body(first row, rows, tile -> tile of so many rows) for all tiles in a column of them."""
        plan, builder, view = self.plan, self.builder, self.view
        if view.sampled != "rows":
            start = 0
            for rows, number in row_counts(plan, view.rows):
                kind = lambda tile, r=rows: replace(tile, rows=r)  # noqa: E731
                self._count(number, start, rows, lambda i, r=rows, k=kind: body(i, r, k))
                start += number * rows
            return
        size = self.given["size"]
        number, rest = divide(builder, size, plan.rows)
        self._count(number, 0, plan.rows, lambda i: body(i, plan.rows, lambda tile: tile))
        after, some = minus(builder, size, rest), builder.icmp_signed(">", rest, i64(0))
        with builder.if_then(some):
            body(after, rest, lambda tile: replace(tile, some_rows=True))

    def _count(self, number: Count, start: Count, step: int, body: Callable) -> None:
        """body(start + t * step) for t < number."""
        builder = self.builder

        def one(t: ir.Value) -> None:
            body(builder.add(i64(start), builder.mul(t, i64(step))))

        repeat(builder, number, one)

    @property
    def _side(self) -> int:
        return square(self.plan.lanes, self.shape.dtype)

    @property
    def _memory(self) -> Memory:
        view, plan = self.view, self.plan
        step = plan.vectors * plan.lanes if plan.turned else view.c[0]
        return Memory(
            self.shape.dtype, view.a, view.b, step, plan.packed, self.machine.fused
        )  # fmt: skip

    @property
    def _finish(self) -> Finish:
        shape, several = self.shape, self._several
        beta = None if shape.beta == 0 and several else shape.beta
        return Finish(beta, several, shape.bias, shape.activation)

    def _pack(self, work: dict, columns: Count, tile: Tile, panel: ir.Value) -> None:
        function = self._function(pack_function, self._memory, replace(tile, rows=1))
        self.builder.call(function, [work["depth"], work["b"], i64(columns), panel])

    def _tile(
        self, work: dict, i: Count, rows: Count, j: Count, columns: Count, tile: Tile,
        placed: bool = False,
    ) -> None:  # fmt: skip
        """One tile; placed: b points at its first column already."""
        builder, view = self.builder, self.view
        b = work["b"] if placed else element(builder, work["b"], (j, view.b[1]))
        a = element(builder, work["a"], (i, view.a[0]))
        c = element(builder, work["c"], (i, view.c[0]), (j, view.c[1]))
        along = i if self.plan.turned else j
        bias = element(builder, work["bias"], (along, 1)) if self.shape.bias else work["bias"]
        sizes = [i64(rows), i64(columns)]
        alpha, beta, finish = work["alpha"], work["beta"], work["finish"]
        if not self.plan.turned:
            function = self._function(tile_function, self._memory, tile, self._finish)
            builder.call(function, [work["depth"], alpha, a, b, beta, c, bias, *sizes, finish])
            return
        one, room = ir.Constant(alpha.type, 1.0), self.given["tile"]
        function = self._function(tile_function, self._memory, tile, Finish(0))
        builder.call(function, [work["depth"], one, a, b, one, room, bias, *sizes, finish])
        whole = not (tile.some_rows or tile.some_columns) and (
            tile.rows % self._side == 0 and tile.columns % self._side == 0
        )
        turn = Turn(
            self.shape.dtype, self._side, self._memory.c, view.c[1], whole, self.machine.fused
        )
        function = self._function(turn_function, turn, self._finish)
        builder.call(function, [room, alpha, beta, c, bias, *sizes, finish])

    def _function(self, make: Callable[..., ir.Function], *facts: object) -> ir.Function:
        module, name = self.builder.module, _named(make.__name__, *facts)
        return module.globals.get(name) or make(module, name, *facts)
