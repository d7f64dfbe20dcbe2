"""A panel of b copied together: rows k of `width` columns side by side, whatever b's layout.

Worth it where b is read by many tiles, and needed where the columns of b are not contiguous.
"""

from __future__ import annotations

from llvmlite import ir

from symgrad.generate.micro_tile import Memory, Tile
from symgrad.generate.micro_vectors import FLOATS, I64, Vectors, element, i64, repeat, smaller

ARGUMENTS = ("depth", "b", "columns", "panel")


def pack_function(module: ir.Module, memory: Memory, tile: Tile, name: str) -> ir.Function:
    """panel[k, j] = b[k, j] for k < depth, j < columns; what stands beyond is any finite number.

    The panel has rows of the tile's width; its depth is rounded up to whole vectors.
    """
    x = FLOATS[memory.dtype].as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [I64, x, I64, x])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    for pointer in (function.args[1], function.args[3]):
        pointer.attributes.add("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    v = Vectors(builder, memory.dtype, tile.lanes)
    emit = _turned if memory.b[1] != 1 else _direct
    emit(v, memory, tile, dict(zip(ARGUMENTS, function.args, strict=True)))
    builder.ret_void()
    return function


def _direct(v: Vectors, memory: Memory, tile: Tile, given: dict[str, ir.Value]) -> None:
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
    """Columns of b lie side by side in k: squares are transposed in registers."""
    builder, lanes = v.builder, tile.lanes
    last = builder.sub(given["columns"], i64(1))
    squares = builder.udiv(builder.add(given["depth"], i64(lanes - 1)), i64(lanes))

    def column_group(j: ir.Value) -> None:
        first = builder.mul(j, i64(lanes))
        columns = [smaller(builder, builder.add(first, i64(lane)), last) for lane in range(lanes)]
        starts = [element(builder, given["b"], (c, memory.b[1])) for c in columns]
        target = builder.gep(given["panel"], [first])

        def square(block: ir.Value) -> None:
            k = builder.mul(block, i64(lanes))
            mask = v.first(builder.sub(given["depth"], k))
            rows = v.transposed([v.load(builder.gep(s, [k]), mask) for s in starts])
            for i, row in enumerate(rows):
                v.store(row, element(builder, target, (k, tile.width), (i, tile.width)))

        repeat(builder, squares, square)

    repeat(builder, tile.vectors, column_group)
