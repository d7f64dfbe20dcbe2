"""Factorisations for generated code, by the LAPACK that comes with SciPy.

Each is one call by name on memory that begins `offset` elements after a pointer.  LAPACK knows
column-major matrices: a row-major matrix is its own transpose there, and each routine here says
what it does to row-major ones, with rows that lie together.  All return LAPACK's `info`, 0 where
an answer was found.

    getrf(n, a, a_offset, pivots, pivots_offset)     A (n, n) := its LU factors, A' = P L U
    trsm(upper, transposed, m, n, t, t_offset, b, b_offset)   B (m, n) := inv(op(T)) B, no info
    potrf(n, a, a_offset)                            A's lower triangle := Cholesky's factor
    syev(vectors, n, a, a_offset, w, w_offset, work, work_offset, size)   w := eigenvalues
    gesvd(n, a, a_offset, s, s_offset, u, u_offset, v, v_offset, work, work_offset, size)
    pivot(p, offset, i)                              the i-th 32-bit integer of pivots, from 1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from symgrad.build.blas import BYTES, INT32, LETTERS
from symgrad.build.symbols import PREFIX, ROUTINES, blas_address

for _routine in ROUTINES:
    llvm.add_symbol(PREFIX + _routine, blas_address(_routine))


class _Call:
    """Turns numba's arguments into the pointers that Fortran takes."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.context, self.builder = context, builder
        self.types, self.values = signature.args, values

    def integer(self, i: int) -> Any:
        """Argument i as a 32-bit integer by reference."""
        value = self.context.cast(self.builder, self.values[i], self.types[i], types.int32)
        return self._reference(value)

    def letter(self, letters: str, i: int | None = None) -> Any:
        """A letter; of two the second one where argument i is not 0."""
        first, last = (ir.IntType(8)(ord(c)) for c in (letters[0], letters[-1]))
        if i is None:
            return self._reference(first)
        flag = self.builder.icmp_unsigned("!=", self.values[i], self.values[i].type(0))
        return self._reference(self.builder.select(flag, last, first))

    def one(self, dtype: Any) -> Any:
        return self._reference(self.context.get_constant(dtype, 1))

    def place(self, i: int) -> Any:
        """The pointer that is argument i, from the offset on that is argument i + 1."""
        offset = self.context.cast(self.builder, self.values[i + 1], self.types[i + 1], types.intp)
        return self.builder.bitcast(self.builder.gep(self.values[i], [offset]), BYTES)

    def __call__(self, routine: str, dtype: Any, pointers: list[Any]) -> None:
        kind = ir.FunctionType(ir.VoidType(), [BYTES] * len(pointers))
        name = PREFIX + LETTERS[dtype.name] + routine
        self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), pointers)

    def with_info(self, routine: str, dtype: Any, pointers: list[Any]) -> Any:
        info = cgutils.alloca_once_value(self.builder, INT32(0))
        self(routine, dtype, [*pointers, self.builder.bitcast(info, BYTES)])
        return self.builder.load(info)

    def _reference(self, value: Any) -> Any:
        return self.builder.bitcast(cgutils.alloca_once_value(self.builder, value), BYTES)


def _by_name(code: Callable[[_Call, Any], Any], arguments: Any, dtype: Any) -> Any:
    """A signature of these arguments, with code that returns info."""
    if dtype.name not in LETTERS:
        return None
    return types.int32(*arguments), lambda *given: code(_Call(*given), dtype)


@intrinsic
def getrf(typing, n, a, a_offset, pivots, pivots_offset):
    """A (n, n) := the factors L and U of A' = P L U; see the module."""

    def code(call: _Call, dtype: Any) -> Any:
        return call.with_info("getrf", dtype, [
            call.integer(0), call.integer(0), call.place(1), call.integer(0), call.place(3),
        ])  # fmt: skip

    return _by_name(code, (n, a, a_offset, pivots, pivots_offset), a.dtype)


@intrinsic
def trsm(typing, upper, unit, transposed, m, n, t, t_offset, b, b_offset):
    """B (m, n) := inv(op(T)) B for a row-major triangle T (m, m), with ones where `unit`."""

    def code(call: _Call, dtype: Any) -> Any:
        call("trsm", dtype, [
            call.letter("R"), call.letter("UL", 0), call.letter("NT", 2), call.letter("NU", 1),
            call.integer(4), call.integer(3), call.one(dtype), call.place(5), call.integer(3),
            call.place(7), call.integer(4),
        ])  # fmt: skip
        return INT32(0)

    arguments = upper, unit, transposed, m, n, t, t_offset, b, b_offset
    return _by_name(code, arguments, t.dtype)


@intrinsic
def potrf(typing, n, a, a_offset):
    """A's lower triangle := Cholesky's factor; see the module."""

    def code(call: _Call, dtype: Any) -> Any:
        return call.with_info("potrf", dtype, [
            call.letter("U"), call.integer(0), call.place(1), call.integer(0),
        ])  # fmt: skip

    return _by_name(code, (n, a, a_offset), a.dtype)


@intrinsic
def syev(typing, vectors, n, a, a_offset, w, w_offset, work, work_offset, size):
    """w := the eigenvalues of a symmetric A, whose rows become the eigenvectors if asked for."""

    def code(call: _Call, dtype: Any) -> Any:
        return call.with_info("syev", dtype, [
            call.letter("NV", 0), call.letter("U"), call.integer(1), call.place(2),
            call.integer(1), call.place(4), call.place(6), call.integer(8),
        ])  # fmt: skip

    arguments = vectors, n, a, a_offset, w, w_offset, work, work_offset, size
    return _by_name(code, arguments, a.dtype)


@intrinsic
def gesvd(typing, n, a, a_offset, s, s_offset, u, u_offset, v, v_offset, work, work_offset, size):
    """A (n, n) = V' diag(s) U for row-major matrices: LAPACK sees A' = U' diag(s) V."""

    def code(call: _Call, dtype: Any) -> Any:
        n = call.integer(0)
        return call.with_info("gesvd", dtype, [
            call.letter("A"), call.letter("A"), n, n, call.place(1), n, call.place(3),
            call.place(5), n, call.place(7), n, call.place(9), call.integer(11),
        ])  # fmt: skip

    arguments = n, a, a_offset, s, s_offset, u, u_offset, v, v_offset, work, work_offset, size
    return _by_name(code, arguments, a.dtype)


@intrinsic
def pivot(typing, p, offset, i):
    """The i-th 32-bit integer in memory that begins `offset` elements after p."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        p, offset, i = arguments
        start = builder.bitcast(builder.gep(p, [offset]), ir.PointerType(INT32))
        return builder.load(builder.gep(start, [i]))

    return types.int32(p, types.intp, types.intp), code
