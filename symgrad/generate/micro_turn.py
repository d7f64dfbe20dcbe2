"""Matrices turned round: panels of b on their way to tiles, tiles on their way to c.

Small squares are transposed in registers.  The plain copy is one function for all products of a
module; a tile that is added to c has its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from symgrad.generate.micro_finish import Finish, Part, put
from symgrad.generate.micro_tile import internal
from symgrad.generate.micro_vectors import (
    FLOATS,
    I64,
    ITEM_BYTES,
    POINTER,
    Vectors,
    i64,
    repeat,
    smaller,
)

SQUARE_BYTES = 32  # wider ones need more code and are no faster
ARGUMENTS = (
    "source", "source_step", "target", "target_step", "rows", "columns", "stored",
    "alpha", "beta",
)  # fmt: skip


def square(dtype: str) -> int:
    """The side of a square."""
    return SQUARE_BYTES // ITEM_BYTES[dtype]


def turn_function(
    module: ir.Module, name: str, dtype: str, fused: bool, finish: Finish
) -> ir.Function:
    """A function: target[j, i] = source[i, j] for i < rows, j < columns; arguments: ARGUMENTS.

    Steps are elements between rows, of source and of target.  Rows of the target are stored up to
    `stored`; where that is more than `rows`, the last row of the source is repeated.
    """
    x, p = FLOATS[dtype], POINTER
    function = internal(module, name, [p, I64, p, I64, I64, I64, I64, x, x])
    function.attributes.add("optsize")  # unrolled shuffles take long to compile
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    given = dict(zip(ARGUMENTS, function.args, strict=True))
    turn = _Turn(Vectors(builder, dtype, square(dtype), fused), finish, given)
    repeat(builder, turn.squares("stored"), turn.across)
    builder.ret_void()
    return function


def copy_function(
    module: ir.Module, name: str, dtype: str, lanes: int, fused: bool, stored: int, width: int
) -> ir.Function:
    """A function: target[k, j] = source[k, j] for k < rows, j < columns, and 0 up to `stored`.

    Arguments: source, target, elements between rows of the source, rows, columns.  Rows of the
    target are `width` elements apart.
    """
    function = internal(module, name, [POINTER, POINTER, I64, I64, I64])
    source, target, step, rows, columns = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    v = Vectors(builder, dtype, lanes, fused)
    masks = [v.first(builder.sub(columns, i64(j))) for j in range(0, stored, lanes)]

    def row(k: Any) -> None:
        for j, mask in enumerate(masks):
            x = v.load(v.at(source, (k, step), (j, lanes)), mask)
            v.store(x, v.at(target, (k, width), (j, lanes)))

    repeat(builder, rows, row)
    builder.ret_void()
    return function


@dataclass(frozen=True)
class _Turn:
    v: Vectors
    finish: Finish
    given: dict[str, Any]

    def squares(self, count: str) -> Any:
        """How many squares cover so many rows or columns."""
        side = i64(self.v.lanes)
        last = self.v.builder.add(self.given[count], i64(self.v.lanes - 1))
        return self.v.builder.udiv(last, side)

    def across(self, block: Any) -> None:
        """The squares of one group of rows; whole ones need no masks."""
        builder, side = self.v.builder, i64(self.v.lanes)
        row = builder.mul(block, side)
        inside = builder.icmp_signed("<=", builder.add(row, side), self.given["rows"])

        def one(block: Any) -> None:
            column = builder.mul(block, side)
            fits = builder.icmp_signed("<=", builder.add(column, side), self.given["columns"])
            with builder.if_else(builder.and_(inside, fits)) as (then, otherwise):
                with then:
                    self.whole(row, column)
                with otherwise:
                    self.partial(row, column)

        repeat(builder, self.squares("columns"), one)

    def whole(self, row: Any, column: Any) -> None:
        v, given = self.v, self.given
        corner = v.at(given["source"], (row, given["source_step"]), (column, 1))
        rows = [v.load(v.at(corner, (r, given["source_step"]))) for r in range(v.lanes)]
        self._put(rows, row, column, [None] * v.lanes)

    def partial(self, row: Any, column: Any) -> None:
        v, builder, given = self.v, self.v.builder, self.given
        last = builder.sub(given["rows"], i64(1))
        seen = v.first(builder.sub(given["columns"], column))
        rows = []
        for r in range(v.lanes):
            here = smaller(builder, builder.add(row, i64(r)), last)
            rows.append(
                v.load(v.at(given["source"], (here, given["source_step"]), (column, 1)), seen)
            )
        kept, nothing = v.first(builder.sub(given["stored"], row)), v.first(i64(0))
        masks: list[Any] = []
        for c in range(v.lanes):
            there = builder.icmp_signed("<", builder.add(column, i64(c)), given["columns"])
            masks.append(builder.select(there, kept, nothing))
        self._put(rows, row, column, masks)

    def _put(self, rows: list[Any], row: Any, column: Any, masks: list[Any]) -> None:
        """Store the columns of a square."""
        v, given = self.v, self.given
        corner = v.at(given["target"], (column, given["target_step"]), (row, 1))
        parts = [
            Part(value, v.at(corner, (c, given["target_step"])), mask)
            for c, (value, mask) in enumerate(zip(v.transposed(rows), masks, strict=True))
        ]
        put(v, self.finish, parts, given)
