"""Matrix products for generated code, by the BLAS that comes with SciPy.

Matrices are row-major and lie in flat arrays from an offset on, `ld` items from one row to the
next.  BLAS knows column-major matrices, and a row-major matrix is its own transpose there:
C = A B is computed as C' = B' A'.  Arrays of a call have one dtype, float32 or float64; alpha and
beta are converted to it.  With beta = 0 the result is written and not read.

    gemm(ta, tb, m, n, k, alpha, a, a_offset, lda, b, b_offset, ldb, beta, c, c_offset, ldc)
        C (m, n) = alpha op(A) (m, k) @ op(B) (k, n) + beta C, op(A) = A' where ta is 1, A where 0
    gemv(ta, m, n, alpha, a, a_offset, lda, x, x_offset, beta, y, y_offset)
        y = alpha op(A) x + beta y, A (m, n), op(A) = A' where ta is 1; x and y contiguous
    ger(m, n, alpha, x, x_offset, y, y_offset, a, a_offset, lda)
        A (m, n) = A + alpha x y', x and y contiguous

Each is a few instructions around a call by name: nothing of it is compiled before it is inlined.

    >>> import numba as nb, numpy as np
    >>> a, c = np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4)
    >>> nb.njit(lambda a, c: gemm(0, 1, 2, 2, 2, 1.0, a, 0, 2, a, 0, 2, 0.0, c, 0, 2))(a, c)
    >>> c.reshape(2, 2)
    array([[ 5., 11.],
           [11., 25.]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from symgrad.build.symbols import PREFIX, blas_address

for _routine in (letter + name for letter in "sd" for name in ("gemm", "gemv", "ger")):
    llvm.add_symbol(PREFIX + _routine, blas_address(_routine))

LETTERS = {"float32": "s", "float64": "d"}
BYTES = ir.PointerType(ir.IntType(8))
INT32 = ir.IntType(32)


class _Call:
    """Turns numba's arguments into the pointers that Fortran takes."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> None:
        self.context, self.builder = context, builder
        self.types, self.values = signature.args, values

    def integer(self, i: int) -> Any:
        """Argument i as a 32-bit integer by reference."""
        return self._reference(self.context.cast(self.builder, self.values[i], self.types[i],
                                                 types.int32))  # fmt: skip

    def number(self, i: int, dtype: Any) -> Any:
        """Argument i in that dtype, by reference."""
        return self._reference(
            self.context.cast(self.builder, self.values[i], self.types[i], dtype)
        )

    def one(self) -> Any:
        return self._reference(INT32(1))

    def transposed(self, i: int, inverted: bool = False) -> Any:
        """Argument i, 0 or 1, as BLAS's letter; inverted: 'T' for 0."""
        flag = self.builder.icmp_unsigned("!=", self.values[i], self.values[i].type(0))
        letters = [ir.IntType(8)(ord(c)) for c in ("NT" if inverted else "TN")]
        return self._reference(self.builder.select(flag, *letters))

    def array(self, i: int) -> Any:
        """The array, or its memory, that is argument i, from the offset on in argument i + 1."""
        data = self.values[i]
        if isinstance(self.types[i], types.Array):
            data = self.context.make_array(self.types[i])(self.context, self.builder, data).data
        offset = self.context.cast(self.builder, self.values[i + 1], self.types[i + 1], types.intp)
        return self.builder.bitcast(self.builder.gep(data, [offset]), BYTES)

    def __call__(self, routine: str, dtype: Any, pointers: Sequence[Any]) -> Any:
        called(self.builder, routine, dtype.name, pointers)
        return self.context.get_dummy_value()

    def _reference(self, value: Any) -> Any:
        return _reference(self.builder, value)


def called(builder: Any, routine: str, dtype: str, values: Sequence[Any]) -> None:
    """Call a routine, with pointers as they are and numbers by reference."""
    pointers = [
        builder.bitcast(x, BYTES) if isinstance(x.type, ir.PointerType) else _reference(builder, x)
        for x in values
    ]
    kind = ir.FunctionType(ir.VoidType(), [BYTES] * len(pointers))
    name = PREFIX + LETTERS[dtype] + routine
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), pointers)


def _reference(builder: Any, value: Any) -> Any:
    return builder.bitcast(cgutils.alloca_once_value(builder, value), BYTES)


def _by_name(code: Callable[[_Call, Any], Any], arguments: Sequence[Any], *arrays: Any) -> Any:
    """A signature of these arguments with code for it; None where the arrays' dtypes differ."""
    dtype = arrays[0].dtype
    if dtype.name not in LETTERS or any(
        a.dtype != dtype or getattr(a, "ndim", 1) != 1 for a in arrays
    ):
        return None
    return types.void(*arguments), lambda *given: code(_Call(*given), dtype)


@intrinsic
def gemm(
    typing, ta, tb, m, n, k, alpha, a, a_offset, lda, b, b_offset, ldb, beta, c, c_offset, ldc
):  # fmt: skip
    """C (m, n) = alpha op(A) op(B) + beta C; see the module."""

    def code(call: _Call, dtype: Any) -> Any:
        return call("gemm", dtype, [
            call.transposed(1), call.transposed(0), call.integer(3), call.integer(2),
            call.integer(4), call.number(5, dtype), call.array(9), call.integer(11),
            call.array(6), call.integer(8), call.number(12, dtype), call.array(13),
            call.integer(15),
        ])  # fmt: skip

    arguments = ta, tb, m, n, k, alpha, a, a_offset, lda, b, b_offset, ldb, beta, c, c_offset, ldc
    return _by_name(code, arguments, a, b, c)


@intrinsic
def gemv(typing, ta, m, n, alpha, a, a_offset, lda, x, x_offset, beta, y, y_offset):
    """y = alpha op(A) x + beta y; see the module."""

    def code(call: _Call, dtype: Any) -> Any:
        return call("gemv", dtype, [
            call.transposed(0, inverted=True), call.integer(2), call.integer(1),
            call.number(3, dtype), call.array(4), call.integer(6), call.array(7), call.one(),
            call.number(9, dtype), call.array(10), call.one(),
        ])  # fmt: skip

    arguments = ta, m, n, alpha, a, a_offset, lda, x, x_offset, beta, y, y_offset
    return _by_name(code, arguments, a, x, y)


@intrinsic
def ger(typing, m, n, alpha, x, x_offset, y, y_offset, a, a_offset, lda):
    """A (m, n) = A + alpha x y'; see the module."""

    def code(call: _Call, dtype: Any) -> Any:
        return call("ger", dtype, [
            call.integer(1), call.integer(0), call.number(2, dtype), call.array(5), call.one(),
            call.array(3), call.one(), call.array(7), call.integer(9),
        ])  # fmt: skip

    arguments = m, n, alpha, x, x_offset, y, y_offset, a, a_offset, lda
    return _by_name(code, arguments, x, y, a)
