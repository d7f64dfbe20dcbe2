"""Panels of b copied together, and tiles of c put down turned round, by squares in registers."""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from symgrad.generate.micro_finish import Finish, Part, put
from symgrad.generate.micro_tile import Memory, Tile, internal
from symgrad.generate.micro_vectors import (
    BIT,
    FLOATS,
    I64,
    ITEM_BYTES,
    Count,
    Vectors,
    element,
    i64,
    repeat,
    smaller,
)  # fmt: skip

SQUARE_BYTES = 32  # wider ones need more code and are no faster
PACK_ARGUMENTS = ("depth", "b", "columns", "panel")
TURN_ARGUMENTS = ("tile", "alpha", "beta", "c", "bias", "rows", "columns", "finish")


def square(lanes: int, dtype: str) -> int:
    """The side of a square that is transposed in registers."""
    return min(lanes, SQUARE_BYTES // ITEM_BYTES[dtype])


def pack_function(module: ir.Module, name: str, memory: Memory, tile: Tile) -> ir.Function:
    """panel[k, j] = b[k, j] for k < depth, j < columns; what stands beyond is a copy or 0.

    The panel has rows of the tile's width; its depth is rounded up to whole squares.
    """
    x = FLOATS[memory.dtype].as_pointer()
    function = internal(module, name, [I64, x, I64, x])
    function.attributes.add("optsize")  # unrolled shuffles take long to compile
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    given = dict(zip(PACK_ARGUMENTS, function.args, strict=True))
    if memory.b[1] == 1:
        _copied(Vectors(builder, memory.dtype, tile.lanes), memory, tile, given)
    else:
        side = square(tile.lanes, memory.dtype)
        _turned(Vectors(builder, memory.dtype, side), memory, tile, given)
    builder.ret_void()
    return function


def _copied(v: Vectors, memory: Memory, tile: Tile, given: dict[str, ir.Value]) -> None:
    builder = v.builder

    def row(k: ir.Value) -> None:
        for j in range(tile.vectors):
            left = builder.sub(given["columns"], i64(j * tile.lanes))
            partial = tile.some_columns or (tile.last < tile.lanes and j == tile.vectors - 1)
            source = element(builder, given["b"], (k, memory.b[0]), (j, tile.lanes))
            place = element(builder, given["panel"], (k, tile.width), (j, tile.lanes))
            v.store(v.load(source, v.first(left) if partial else None), place)

    repeat(builder, given["depth"], row)


def _turned(v: Vectors, memory: Memory, tile: Tile, given: dict[str, ir.Value]) -> None:
    """Each column of b is contiguous; columns that are not there repeat the last one that is."""
    builder, side = v.builder, v.lanes
    last = builder.sub(given["columns"], i64(1))
    squares = builder.udiv(builder.add(given["depth"], i64(side - 1)), i64(side))

    def column_group(j: ir.Value) -> None:
        first = builder.mul(j, i64(side))
        columns = [smaller(builder, builder.add(first, i64(lane)), last) for lane in range(side)]
        starts = [element(builder, given["b"], (c, memory.b[1])) for c in columns]
        target = builder.gep(given["panel"], [first])

        def one(block: ir.Value) -> None:
            k = builder.mul(block, i64(side))
            mask = v.first(builder.sub(given["depth"], k))
            rows = v.transposed([v.load(builder.gep(s, [k]), mask) for s in starts])
            for i, row in enumerate(rows):
                v.store(row, element(builder, target, (k, tile.width), (i, tile.width)))

        repeat(builder, squares, one)

    repeat(builder, tile.width // side, column_group)


@dataclass(frozen=True)
class Turn:
    """c[i, j] = tile[i, j], with c's rows contiguous and its columns `step` apart.

    side: of a square; width: the tile's row stride; whole: rows and columns fill whole squares
    """

    dtype: str
    side: int
    width: int
    step: int
    whole: bool
    fused: bool


def turn_function(module: ir.Module, name: str, turn: Turn, finish: Finish) -> ir.Function:
    """The function that puts down a tile so; its arguments are TURN_ARGUMENTS."""
    x = FLOATS[turn.dtype]
    p = x.as_pointer()
    function = internal(module, name, [p, x, x, p, p, I64, I64, BIT])
    function.attributes.add("optsize")  # unrolled shuffles take long to compile
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    given = dict(zip(TURN_ARGUMENTS, function.args, strict=True))
    v = Vectors(builder, turn.dtype, turn.side, turn.fused)

    def squares(count: Count) -> ir.Value:
        return builder.udiv(builder.add(count, i64(turn.side - 1)), i64(turn.side))

    def across(i: ir.Value) -> None:
        repeat(builder, squares(given["columns"]), lambda j: _square(v, turn, finish, given, i, j))

    repeat(builder, squares(given["rows"]), across)
    builder.ret_void()
    return function


def _square(
    v: Vectors, turn: Turn, finish: Finish, given: dict[str, ir.Value], i: ir.Value, j: ir.Value
) -> None:
    builder, side = v.builder, turn.side
    row, column = builder.mul(i, i64(side)), builder.mul(j, i64(side))
    start = element(builder, given["tile"], (row, turn.width), (column, 1))
    rows = [v.load(element(builder, start, (r, turn.width))) for r in range(side)]
    here = builder.sub(given["rows"], row)
    inside = None if turn.whole else v.first(here)
    bias = v.load(builder.gep(given["bias"], [row]), inside) if finish.bias else None
    parts = []
    for lane, value in enumerate(v.transposed(rows)):
        at = builder.add(column, i64(lane))
        mask = inside
        if not turn.whole:
            there = builder.icmp_signed("<", at, given["columns"])
            mask = v.first(builder.select(there, here, i64(0)))
        place = element(builder, given["c"], (row, 1), (at, turn.step))
        parts.append(Part(value, place, mask, bias))
    put(v, finish, parts, given)
