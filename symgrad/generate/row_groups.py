"""The distinct rows of many mini-batches, which outlive a kernel's calls."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from symgrad.generate.native import number_of


@intrinsic
def joined(context: Any, row: Any, rows: Any, count: Any, table: Any, places: Any) -> Any:
    """The number of a row among the count[0] distinct ones in `rows`; a new one is added.

    The hash table begins small and grows, so that little of its memory is ever touched.  With
    count[1] = 0 it is made anew: whoever writes rows without it leaves that there.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(arguments[0].type, [x.type for x in arguments])
        function = cgutils.get_or_insert_function(builder.module, kind, "joined")
        if function.is_declaration:
            function.linkage = "internal"
            function.attributes.add("noinline")  # long, and called for every table
            _define(function)
        return builder.call(function, arguments)

    integers = types.CPointer(types.int64)
    return types.int64(types.int64, *[integers] * 4), code


def _define(function: Any) -> None:
    """At most half of the table's 2**count[1] places are taken."""
    builder = ir.IRBuilder(function.append_basic_block("start"))
    row, rows, count, table, places = function.args
    one = row.type(1)
    bits_at = builder.gep(count, [one], inbounds=True)
    known, bits = builder.load(count), builder.load(bits_at)
    last = builder.or_(builder.shl(known, one), one)  # of 2 (known + 1) places
    needed = builder.sub(row.type(64), builder.ctlz(last, ir.IntType(1)(1)))
    with builder.if_then(builder.icmp_signed(">", needed, bits), likely=False):
        builder.store(needed, bits_at)
        builder.store(row.type(0), count)
        with cgutils.for_range(builder, known) as loop:
            old = builder.load(builder.gep(rows, [loop.index], inbounds=True))
            number_of(builder, old, rows, count, table, places, needed)
    builder.ret(number_of(builder, row, rows, count, table, places, builder.load(bits_at)))
