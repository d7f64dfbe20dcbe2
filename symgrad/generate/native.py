"""What generated CPU code imports: how it is compiled, and access without Python's conventions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.extending import intrinsic


class Exclusive(CompilerBase):
    """numba's compiler for functions whose arrays do not overlap.

    LLVM then needs no run-time overlap checks, which grow with the square of the number of arrays
    in a loop.  The mark holds for the function that is compiled, not for its callers.
    """

    def define_pipelines(self) -> list:
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


@intrinsic
def pointer(context: Any, array: Any) -> Any:
    """The array's memory: `p[i]` reads an element without the test for a negative index.

    That test keeps rows found by an index from being read as vectors (87 against 33 ns a sample in
    matrix factorisation).
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), code


@intrinsic
def select(context: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b, without a branch; a and b have one type."""
    if a != b:
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        c, x, y = arguments
        return builder.select(builder.trunc(c, ir.IntType(1)) if c.type.width > 1 else c, x, y)

    return a(types.boolean, a, a), code
