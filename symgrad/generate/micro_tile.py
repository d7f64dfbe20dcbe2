"""One tile of a matrix product: its sums stay in registers while k runs, then go to memory.

    c[i, j] = alpha * sum over k of a[i, k] b[k, j] + beta c[i, j],  i < rows, j < vectors * lanes

Elements of a are broadcast, rows of b are vectors.  Where c's columns are not contiguous (the
product was turned round: C' = B' A'), the tile is transposed in registers on its way out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from symgrad.generate.micro_vectors import (
    BIT, FLOATS, I64, Vectors, element, i64, repeat, smaller, when,
)  # fmt: skip

Activation = Callable[[Vectors, ir.Value], ir.Value]


@dataclass(frozen=True)
class Tile:
    """A kind of tile.

    last:          lanes in use in the last vector, where that is known
    some_rows:     only the first `rows` (a run-time argument) are there
    some_columns:  only the first `columns` (a run-time argument) are there
    """

    rows: int
    vectors: int
    lanes: int
    last: int
    some_rows: bool = False
    some_columns: bool = False

    @property
    def width(self) -> int:
        return self.vectors * self.lanes

    @property
    def columns(self) -> int:
        return self.width - self.lanes + self.last


@dataclass(frozen=True)
class Memory:
    """How a tile meets memory: strides in elements, and what happens on the way out.

    a: of rows and of k; b: of k and of columns (1 unless they were packed); c: of rows, columns
    beta: 0 or 1, or None for a number known when the code runs (0: c is not read)
    several: k comes in several panels; bias and activation belong to the last, `finish`
    """

    dtype: str
    a: tuple[int, int]
    b: tuple[int, int]
    c: tuple[int, int]
    packed: bool
    beta: int | None
    several: bool
    bias: bool
    activation: str | None
    fused: bool


@dataclass(frozen=True)
class Part:
    """A vector of results and where it goes; bias is added along it."""

    value: ir.Value
    place: ir.Value
    mask: ir.Value | None
    vectors: Vectors
    bias: ir.Value | None


def relu(v: Vectors, x: ir.Value) -> ir.Value:
    """x or 0, NaN staying NaN."""
    zero = v.number(0.0)
    return v.builder.select(v.builder.fcmp_ordered("<", x, zero), zero, x)


ACTIVATIONS: dict[str, Activation] = {"relu": relu}

ARGUMENTS = ("depth", "alpha", "a", "b", "beta", "c", "bias", "rows", "columns", "finish")


def tile_function(module: ir.Module, memory: Memory, tile: Tile, name: str) -> ir.Function:
    """The function that works one tile off; its arguments are ARGUMENTS."""
    x = FLOATS[memory.dtype]
    p = x.as_pointer()
    kinds = [I64, x, p, p, x, p, p, I64, I64, BIT]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    arguments = dict(zip(ARGUMENTS, function.args, strict=True))
    for given in ("a", "b", "c", "bias"):
        arguments[given].attributes.add("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    _Emitter(builder, memory, tile, arguments).emit()
    builder.ret_void()
    return function


@dataclass(frozen=True)
class _Emitter:
    builder: ir.IRBuilder
    memory: Memory
    tile: Tile
    given: dict[str, ir.Value]

    def emit(self) -> None:
        parts = self._parts(self._sums())
        values = self._finished(parts, self._accumulated(parts))
        for part, value in zip(parts, values, strict=True):
            part.vectors.store(value, part.place, part.mask)

    def _vectors(self, lanes: int) -> Vectors:
        return Vectors(self.builder, self.memory.dtype, lanes, self.memory.fused)

    def _sums(self) -> list[ir.Value]:
        """sum over k of a[i, k] * b[k, j], for each row and vector of the tile."""
        tile, memory, builder = self.tile, self.memory, self.builder
        v = self._vectors(tile.lanes)
        rows = [self._row(i) for i in range(tile.rows)]
        step = tile.width if memory.packed else memory.b[0]
        masks = [None if memory.packed else self._mask(j) for j in range(tile.vectors)]

        def body(k: ir.Value, *sums: ir.Value) -> list[ir.Value]:
            across = element(builder, self.given["a"], (k, memory.a[1]))
            down = element(builder, self.given["b"], (k, step))
            b = [v.load(element(builder, down, (j, tile.lanes)), m) for j, m in enumerate(masks)]
            new = []
            for i, row in enumerate(rows):
                a = v.splat(builder.load(builder.gep(across, [row])))
                new += [v.fma(a, b[j], sums[i * tile.vectors + j]) for j in range(tile.vectors)]
            return new

        zeros = [v.number(0.0)] * (tile.rows * tile.vectors)
        return repeat(builder, self.given["depth"], body, zeros)

    def _row(self, i: int) -> ir.Value:
        """Where row i of a begins; rows that are not there repeat the last one that is."""
        if not self.tile.some_rows:
            return i64(i * self.memory.a[0])
        last = self.builder.sub(self.given["rows"], i64(1))
        return self.builder.mul(i64(smaller(self.builder, i, last)), i64(self.memory.a[0]))

    def _mask(self, j: int) -> ir.Value | None:
        """The columns of vector j that are there."""
        v, tile = self._vectors(self.tile.lanes), self.tile
        if tile.some_columns:
            return v.first(self.builder.sub(self.given["columns"], i64(j * tile.lanes)))
        return v.first(tile.last if j == tile.vectors - 1 else tile.lanes)

    def _parts(self, values: list[ir.Value]) -> list[Part]:
        if self.memory.c[1] == 1:
            return [self._direct(i, j, values) for i in range(self.tile.rows)
                    for j in range(self.tile.vectors)]  # fmt: skip
        rows = range(0, self.tile.rows, self.tile.lanes)
        return [p for j in range(self.tile.vectors) for i in rows for p in self._turned(i, j, values)]

    def _direct(self, i: int, j: int, values: list[ir.Value]) -> Part:
        """Row i, vector j of the tile, as it lies in c."""
        builder, tile = self.builder, self.tile
        v, mask = self._vectors(tile.lanes), self._mask(j)
        if tile.some_rows:
            there = v.splat(builder.icmp_signed("<", i64(i), self.given["rows"]))
            mask = there if mask is None else builder.and_(mask, there)
        place = element(builder, self.given["c"], (i, self.memory.c[0]), (j, tile.lanes))
        value = values[i * tile.vectors + j]
        bias = self._bias(v, j * tile.lanes, self._mask(j)) if self.memory.bias else None
        return Part(value, place, mask, v, bias)

    def _turned(self, i: int, j: int, values: list[ir.Value]) -> list[Part]:
        """The columns of vector j, each with its rows i, i + 1, ... side by side."""
        builder, tile = self.builder, self.tile
        count = min(tile.rows - i, tile.lanes)
        group = 1 << (count - 1).bit_length()
        rows = [values[(i + min(r, count - 1)) * tile.vectors + j] for r in range(group)]
        flat = self._vectors(tile.lanes).transposed(rows)
        v = self._vectors(group)
        there = builder.sub(self.given["rows"], i64(i)) if tile.some_rows else count
        bias = self._bias(v, i, v.first(there)) if self.memory.bias else None
        known = tile.last if j == tile.vectors - 1 else tile.lanes
        parts = []
        for lane in range(tile.lanes if tile.some_columns else known):
            vector, at = divmod(lane * group, tile.lanes)
            value = v.shuffle(flat[vector], flat[vector], range(at, at + group))
            column = j * tile.lanes + lane
            place = element(builder, self.given["c"], (i, 1), (column, self.memory.c[1]))
            parts.append(Part(value, place, self._column(v, column, there), v, bias))
        return parts

    def _column(self, v: Vectors, column: int, rows: int | ir.Value) -> ir.Value | None:
        """The mask of a turned column: its rows, if it is there at all."""
        if not self.tile.some_columns:
            return v.first(rows)
        there = self.builder.icmp_signed("<", i64(column), self.given["columns"])
        return v.first(self.builder.select(there, i64(rows), i64(0)))

    def _bias(self, v: Vectors, start: int, mask: ir.Value | None) -> ir.Value:
        return v.load(element(self.builder, self.given["bias"], (start, 1)), mask)

    def _accumulated(self, parts: list[Part]) -> list[ir.Value]:
        """alpha * sum + beta * c."""
        alpha, beta = self.given["alpha"], self.given["beta"]
        alphas = [p.vectors.splat(alpha) for p in parts]
        if self.memory.beta == 1:
            old = [p.vectors.load(p.place, p.mask) for p in parts]
            return [
                p.vectors.fma(x, p.value, c) for p, x, c in zip(parts, alphas, old, strict=True)
            ]
        values = [self.builder.fmul(x, p.value) for x, p in zip(alphas, parts, strict=True)]
        if self.memory.beta == 0:
            return values

        def change(values: list[ir.Value]) -> list[ir.Value]:
            factor = parts[0].vectors.splat(beta)
            return [
                p.vectors.fma(factor, p.vectors.load(p.place, p.mask), x)
                for p, x in zip(parts, values, strict=True)
            ]

        some = self.builder.fcmp_unordered("!=", beta, ir.Constant(beta.type, 0.0))
        return when(self.builder, some, values, change)

    def _finished(self, parts: list[Part], values: list[ir.Value]) -> list[ir.Value]:
        """Bias and activation, once the sum is whole."""
        if not (self.memory.bias or self.memory.activation):
            return values

        def change(values: list[ir.Value]) -> list[ir.Value]:
            results = []
            for part, x in zip(parts, values, strict=True):
                if part.bias is not None:
                    x = self.builder.fadd(x, part.bias)
                if self.memory.activation:
                    x = ACTIVATIONS[self.memory.activation](part.vectors, x)
                results.append(x)
            return results

        if not self.memory.several:
            return change(values)
        return when(self.builder, self.given["finish"], values, change)
