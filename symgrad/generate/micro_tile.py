"""One tile of a matrix product: its sums stay in registers while k runs, then go to memory.

    c[i, j] = alpha * sum over k of a[i, k] b[k, j] + beta c[i, j],  i < rows, j < vectors * lanes

Elements of a are broadcast, rows of b are vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from symgrad.generate.micro_finish import Finish, Part, put
from symgrad.generate.micro_vectors import (
    FLOATS,
    I64,
    POINTER,
    Vectors,
    fold,
)


@dataclass(frozen=True)
class Tile:
    """A kind of tile; last: lanes in use in the last vector."""

    rows: int
    vectors: int
    lanes: int
    last: int

    @property
    def width(self) -> int:
        return self.vectors * self.lanes

    @property
    def columns(self) -> int:
        return self.width - self.lanes + self.last


@dataclass(frozen=True)
class Memory:
    """How a tile meets memory, strides in elements.

    a: strides of rows and of k; b: of k; c: of rows; columns of b and c are contiguous
    packed: b is a panel whose vectors are whole, whatever the columns
    fetched: lines of c are asked for before the sums begin
    some: k is at least 1; short: it is at most SHORT
    """

    dtype: str
    a: tuple[int, int]
    b: int
    c: int
    packed: bool
    fetched: bool
    some: bool
    short: bool
    fused: bool


SHORT = 8  # terms of a sum that is worth unrolling
ARGUMENTS = ("depth", "alpha", "a", "b", "beta", "c")


def tile_function(
    module: ir.Module, name: str, memory: Memory, tile: Tile, finish: Finish
) -> ir.Function:
    """The function that works one tile off; its arguments are ARGUMENTS."""
    x, p = FLOATS[memory.dtype], POINTER
    function = internal(module, name, [I64, x, p, p, x, p])
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
        places = [(i, j) for i in range(self.tile.rows) for j in range(self.tile.vectors)]
        if self.memory.fetched:
            for i, j in places:
                self.v.fetch(self._place(i, j))
        sums = self._sums()
        parts = [self._part(i, j, x) for (i, j), x in zip(places, sums, strict=True)]
        put(self.v, self.finish, parts, self.given)

    def _sums(self) -> list[ir.Value]:
        """sum over k of a[i, k] * b[k, j], for each row and vector of the tile."""
        tile, memory, v = self.tile, self.memory, self.v
        masks = [None if memory.packed else self._mask(j) for j in range(tile.vectors)]

        def body(k: ir.Value, *sums: ir.Value) -> list[ir.Value]:
            across = v.at(self.given["a"], (k, memory.a[1]))
            down = v.at(self.given["b"], (k, memory.b))
            b = [v.load(v.at(down, (j, tile.lanes)), m) for j, m in enumerate(masks)]
            new = []
            for i in range(tile.rows):
                a = v.scalar(v.at(across, (i, memory.a[0])))
                new += [v.fma(a, b[j], sums[i * tile.vectors + j]) for j in range(tile.vectors)]
            return new

        zeros = [v.number(0.0)] * (tile.rows * tile.vectors)
        depth = self.given["depth"]
        return fold(v.builder, depth, body, zeros, some=memory.some, short=memory.short)

    def _mask(self, j: int) -> ir.Value | None:
        """The columns of vector j that are there."""
        tile = self.tile
        return self.v.first(tile.last if j == tile.vectors - 1 else tile.lanes)

    def _part(self, i: int, j: int, value: ir.Value) -> Part:
        """Row i, vector j of the tile."""
        return Part(value, self._place(i, j), self._mask(j))

    def _place(self, i: int, j: int) -> ir.Value:
        """Where it goes in c."""
        return self.v.at(self.given["c"], (i, self.memory.c), (j, self.tile.lanes))
