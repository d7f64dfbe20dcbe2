"""What generated CPU code says of its loops, for LLVM: no instruction becomes of it."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

ROLLED = "rolled"  # what a remark says in a loop that is not unrolled


class _Once(ir.instructions.CallInstrAttributes):
    """Of a call that stands where it stands, and nowhere else: llvmlite knows few attributes."""

    _known = frozenset(["noduplicate"])


def _noted(*attributes: str) -> Any:
    """A note on a variable: it touches no memory that anything else does and becomes no
    instruction, but is none that a vector could hold."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kinds = [memory, memory, memory, number, memory]
        note = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.var.annotation.p0.p0"
        )
        call = builder.call(note, [ir.Constant(k, 0 if k is number else None) for k in kinds])
        call.attributes = _Once(attributes)
        return context.get_dummy_value()

    return code


@intrinsic
def apart(context: Any) -> Any:
    """Nothing, but the turns of the loop that it stands in are not made side by side, as vectors.

    LLVM unrolls a loop of up to 60 turns first and makes vectors of the loop around it, whose
    elements lie apart in memory, element by element: they take up to three times as long as vectors
    of the rows, and seconds to compile.
    """
    return types.void(), _noted()


@intrinsic
def one_by_one(context: Any) -> Any:
    """`apart`, of a loop that is not unrolled either.

    LLVM unrolls one around a row as if the row were an element, before it makes vectors of each
    copy: eight turns around a row of 784 were half of a kernel, and as fast.
    """
    return types.void(), _noted("noduplicate")


@intrinsic
def rolled(context: Any) -> Any:
    """Nothing, but the loop that it stands in remains one until LLVM has made vectors of it.

    LLVM unrolls short loops first.  Of several sums side by side it does not find the vectors then.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.comment(ROLLED)
        return context.get_dummy_value()

    return types.void(), code
