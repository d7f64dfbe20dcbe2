"""One tile of a matrix product: its sums stay in registers while k runs, then go to memory.

    c[i, j] = alpha * sum over k of a[i, k] b[k, j] + beta c[i, j],  i < rows, j < vectors * lanes

Elements of a are broadcast, rows of b are vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from symgrad.generate.micro_finish import Finish, Part, put
from symgrad.generate.micro_vectors import (
    BIT,
    FLOATS,
    I64,
    Vectors,
    element,
    fold,
    i64,
    smaller,
)  # fmt: skip


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
    """How a tile meets memory, strides in elements.

    a: strides of rows and of k; b: of k and of columns; c: of rows, its columns are contiguous
    packed: b is a panel of the tile's width, its last vector filled up
    """

    dtype: str
    a: tuple[int, int]
    b: tuple[int, int]
    c: int
    packed: bool
    fused: bool


ARGUMENTS = ("depth", "alpha", "a", "b", "beta", "c", "bias", "rows", "columns", "finish")


def tile_function(
    module: ir.Module, name: str, memory: Memory, tile: Tile, finish: Finish
) -> ir.Function:
    """The function that works one tile off; its arguments are ARGUMENTS."""
    x = FLOATS[memory.dtype]
    p = x.as_pointer()
    function = internal(module, name, [I64, x, p, p, x, p, p, I64, I64, BIT])
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    v = Vectors(builder, memory.dtype, tile.lanes, memory.fused)
    given = dict(zip(ARGUMENTS, function.args, strict=True))
    _Emitter(v, memory, tile, finish, given).emit()
    builder.ret_void()
    return function


def internal(module: ir.Module, name: str, arguments: list[ir.Type]) -> ir.Function:
    """A function of this module alone, whose pointers do not overlap."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "internal"
    for attribute in ("nounwind", "noinline"):  # jammed together, two tiles would spill
        function.attributes.add(attribute)
    for argument in function.args:
        if isinstance(argument.type, ir.PointerType):
            argument.attributes.add("noalias")
    return function


@dataclass(frozen=True)
class _Emitter:
    v: Vectors
    memory: Memory
    tile: Tile
    finish: Finish
    given: dict[str, ir.Value]

    def emit(self) -> None:
        sums, count = self._sums(), self.tile.vectors
        places = [(i, j) for i in range(self.tile.rows) for j in range(count)]
        parts = [self._part(i, j, x) for (i, j), x in zip(places, sums, strict=True)]
        put(self.v, self.finish, parts, self.given)

    def _sums(self) -> list[ir.Value]:
        """sum over k of a[i, k] * b[k, j], for each row and vector of the tile."""
        tile, memory, v, builder = self.tile, self.memory, self.v, self.v.builder
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
        return fold(builder, self.given["depth"], body, zeros)

    def _row(self, i: int) -> ir.Value:
        """Where row i of a begins; rows that are not there repeat the last one that is."""
        if not self.tile.some_rows:
            return i64(i * self.memory.a[0])
        builder = self.v.builder
        last = builder.sub(self.given["rows"], i64(1))
        return builder.mul(i64(smaller(builder, i, last)), i64(self.memory.a[0]))

    def _mask(self, j: int) -> ir.Value | None:
        """The columns of vector j that are there."""
        v, tile = self.v, self.tile
        if tile.some_columns:
            return v.first(v.builder.sub(self.given["columns"], i64(j * tile.lanes)))
        return v.first(tile.last if j == tile.vectors - 1 else tile.lanes)

    def _part(self, i: int, j: int, value: ir.Value) -> Part:
        """Row i, vector j of the tile."""
        v, builder, tile = self.v, self.v.builder, self.tile
        columns = mask = self._mask(j)
        if tile.some_rows:
            there = v.splat(builder.icmp_signed("<", i64(i), self.given["rows"]))
            mask = there if mask is None else builder.and_(mask, there)
        place = element(builder, self.given["c"], (i, self.memory.c), (j, tile.lanes))
        bias = None
        if self.finish.bias:
            bias = v.load(element(builder, self.given["bias"], (j, tile.lanes)), columns)
        return Part(value, place, mask, bias)
