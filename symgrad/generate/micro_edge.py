"""Blocks of c with any number of rows and columns, known only when the code runs.

They are covered by small masked tiles, 4 rows by one vector.  Strides are arguments, so that one
function serves all products of a module.
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
    POINTER,
    Count,
    Vectors,
    fold,
    i64,
    minus,
    repeat,
    smaller,
)

EDGE_ROWS = 4  # as many multiply-adds as take the time of one
WHOLE = ("depth", "rows", "columns", "a_row", "a_k", "b_k", "c_row", "c_column")
ARGUMENTS = ("a", "b", "c", "alpha", "beta", *WHOLE)


def edge_function(
    module: ir.Module, name: str, dtype: str, lanes: int, fused: bool, finish: Finish
) -> ir.Function:
    """A function: a block of c of any size, its columns anywhere; arguments: ARGUMENTS."""
    x = FLOATS[dtype]
    function = internal(module, name, [*[POINTER] * 3, x, x, *[I64] * len(WHOLE)])
    function.attributes.add("optsize")  # it is rarely run
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    given = dict(zip(ARGUMENTS, function.args, strict=True))
    v = Vectors(builder, dtype, lanes, fused)
    _Edge(v, finish, given | {"room": v.room(EDGE_ROWS * lanes)}).emit()
    builder.ret_void()
    return function


@dataclass(frozen=True)
class _Edge:
    v: Vectors
    finish: Finish
    given: dict[str, Any]

    def emit(self) -> None:
        rows, columns = self.given["rows"], self.given["columns"]
        self._steps(rows, EDGE_ROWS, lambda i, some_rows: self._steps(
            columns, self.v.lanes, lambda j, some_columns: self._tile(i, some_rows, j, some_columns)
        ))  # fmt: skip

    def _steps(self, count: Any, size: int, body: Any) -> None:
        """body(start, how many) for pieces of at most `size`."""
        builder = self.v.builder

        def piece(t: Any) -> None:
            start = builder.mul(t, i64(size))
            body(start, i64(smaller(builder, size, minus(builder, count, start))))

        repeat(builder, builder.udiv(builder.add(count, i64(size - 1)), i64(size)), piece)

    def _tile(self, i: Any, rows: Any, j: Any, columns: Any) -> None:
        v, given = self.v, self.given
        for r, value in enumerate(self._sums(i, rows, j, v.first(columns))):
            v.store(value, v.at(given["room"], (r * v.lanes, 1)))
        repeat(v.builder, rows, lambda r: repeat(
            v.builder, columns, lambda c: self._element(r, c, v.builder.add(i, r),
                                                        v.builder.add(j, c))))  # fmt: skip

    def _sums(self, i: Any, rows: Any, j: Any, mask: Any) -> list[Any]:
        """Rows that are not there repeat the last one that is."""
        v, builder, given = self.v, self.v.builder, self.given
        last = builder.sub(rows, i64(1))
        lines: list[Count] = [builder.add(i, i64(smaller(builder, r, last)))
                              for r in range(EDGE_ROWS)]  # fmt: skip
        starts = [v.at(given["a"], (line, given["a_row"])) for line in lines]
        first = v.at(given["b"], (j, 1))

        def body(k: Any, *sums: Any) -> list[Any]:
            b = v.load(v.at(first, (k, given["b_k"])), mask)
            a = [v.scalar(v.at(start, (k, given["a_k"]))) for start in starts]
            return [v.fma(x, b, s) for x, s in zip(a, sums, strict=True)]

        return fold(builder, given["depth"], body, [v.number(0.0)] * EDGE_ROWS)

    def _element(self, r: Any, c: Any, i: Any, j: Any) -> None:
        """One element of c, from the room where a tile's sums stand."""
        v, given = Vectors(self.v.builder, self.v.dtype, 1, self.v.fused), self.given
        value = v.load(v.at(given["room"], (r, self.v.lanes), (c, 1)))
        place = v.at(given["c"], (i, given["c_row"]), (j, given["c_column"]))
        put(v, self.finish, [Part(value, place, None)], given)
