"""Matrix products of known shapes: what generated code imports in place of `gemm`.

    from symgrad.generate.micro_kernels import matrix_product

    product_1 = matrix_product("float32", 0, 0, 32, 512, 784, 784, 512, 512, sampled="m", beta=0)
    ...
    product_1(n, alpha, a, a_offset, b, b_offset, beta, c, c_offset)

means gemm(0, 0, n, 512, 784, alpha, a, a_offset, 784, b, b_offset, 512, beta, c, c_offset, 512) of
symgrad.build.blas, on flat arrays.  What is fixed when the code is compiled becomes LLVM code of
its own: tiles of c in registers, chosen by a cost model; where that says BLAS, BLAS is called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from symgrad.generate.micro_choice import choose
from symgrad.generate.micro_machine import Machine, host
from symgrad.generate.micro_plan import Plan, RunTime, Shape
from symgrad.generate.micro_product import product_function
from symgrad.generate.micro_vectors import FLOATS, I32, I64, ITEM_BYTES, POINTER, i64

MODULES = tuple(  # whose code becomes part of a kernel
    f"symgrad.generate.micro_{name}"
    for name in (
        "choice", "cost", "edge", "finish", "kernels", "machine", "plan", "product", "tile", "turn",
        "vectors",
    )
)  # fmt: skip
NUMBA = {"float32": types.float32, "float64": types.float64}


def matrix_product(
    dtype: str, ta: int, tb: int, m: int, n: int, k: int, lda: int, ldb: int, ldc: int, *,
    sampled: RunTime = "", beta: int | None = None,
) -> Any:  # fmt: skip
    """For nopython code, a function: c = alpha op(a) @ op(b) + beta c.

    op(a) is (m, k) and the transpose of what lies in memory where ta is 1; likewise op(b), (k, n).
    sampled names the size ("m", "n" or "k") that is given at each call, at most what stands here.
    beta is 0 (c is not read), 1, or None: given at each call.

        product(size, alpha, a, a_offset, b, b_offset, beta, c, c_offset)

    size is used where `sampled` is given, beta where it is None.  c must not overlap a and b.
    ValueError: sizes that do not fit together, an unknown dtype.

    >>> import numba as nb, numpy as np
    >>> product = matrix_product("float64", 0, 0, 2, 1, 3, 3, 1, 1, beta=0)
    >>> @nb.njit
    ... def times(a, b, c):
    ...     product(0, 1.0, a, 0, b, 0, 0.0, c, 0)
    >>> c = np.empty(2)
    >>> times(np.arange(6.0), np.ones(3), c); c
    array([ 3., 12.])
    """
    shape = Shape(dtype, ta, tb, m, n, k, lda, ldb, ldc, sampled, beta)
    _check(shape)
    choice = choose(shape)
    return _product(shape, Library(shape)) if choice.library else micro_kernel(shape, choice.plan)


def _check(s: Shape) -> None:
    wanted = (
        ("lda", s.lda, s.m if s.ta else s.k, s.k if s.ta else s.m),
        ("ldb", s.ldb, s.k if s.tb else s.n, s.n if s.tb else s.k),
        ("ldc", s.ldc, s.n, s.m),
    )
    for name, given, least, rows in wanted:
        if given < least and rows > 1:
            raise ValueError(f"{name} is {given}, and a row has {least} elements: {s}")
    if s.dtype not in ITEM_BYTES:
        raise ValueError(f"a product of {s.dtype}: expected one of {', '.join(ITEM_BYTES)}")
    if min(s.m, s.n, s.k) < 0 or s.beta not in (0, 1, None) or s.sampled not in ("", *"mnk"):
        raise ValueError(
            f"expected sizes of at least 0, beta 0, 1 or None, and sampled '', 'm', 'n' or 'k': {s}"
        )


def micro_kernel(shape: Shape, plan: Plan, machine: Machine | None = None) -> Any:
    """The product by this plan; see matrix_product."""
    return _product(shape, Tiles(shape, plan, machine or host()))


class Way(ABC):
    """How a product is computed: LLVM code at its place, or a call."""

    @abstractmethod
    def put(self, builder: Any, size: Any, alpha: Any, a: Any, b: Any, beta: Any, c: Any) -> None:
        """Write it; alpha and beta have the matrices' dtype, a, b and c are pointers."""


@dataclass(frozen=True)
class Tiles(Way):
    """A call of the module's function for this product."""

    shape: Shape
    plan: Plan
    machine: Machine

    def put(self, builder: Any, size: Any, alpha: Any, a: Any, b: Any, beta: Any, c: Any) -> None:
        function = product_function(builder.module, self.shape, self.plan, self.machine)
        a, b = (b, a) if self.plan.turned else (a, b)
        builder.call(function, [size, alpha, a, b, beta, c])


@dataclass(frozen=True)
class Library(Way):
    """A call of BLAS, whose matrices are column by column: C' = B' A'."""

    shape: Shape

    def put(self, builder: Any, size: Any, alpha: Any, a: Any, b: Any, beta: Any, c: Any) -> None:
        from symgrad.build.blas import called  # looks up symbols in SciPy: only where needed

        s = self.shape
        m, n, k = (size if s.sampled == x else i64(getattr(s, x)) for x in "mnk")
        beta = beta if s.beta is None else ir.Constant(FLOATS[s.dtype], float(s.beta))
        letters = [ir.Constant(ir.IntType(8), ord("NT"[t])) for t in (s.tb, s.ta)]
        sizes = [builder.trunc(x, I32) for x in (n, m, k)]
        lda, ldb, ldc = (ir.Constant(I32, x) for x in (s.lda, s.ldb, s.ldc))
        given = [*letters, *sizes, alpha, b, ldb, a, lda, beta, c, ldc]
        called(builder, "gemm", s.dtype, given)


def _product(shape: Shape, way: Way) -> Any:
    """What generated code calls; `way` is for LLVM code that does."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        size, alpha, *rest = values
        beta = rest.pop(4)
        kinds = [t for t in signature.args if hasattr(t, "dtype")]  # arrays and memory
        pointers = []
        for t, array, offset in zip(kinds, rest[0::2], rest[1::2], strict=True):
            data = array
            if isinstance(t, types.Array):
                data = context.make_array(t)(context, builder, array).data
            pointers.append(builder.bitcast(builder.gep(data, [offset]), POINTER))
        a, b, c = pointers
        way.put(builder, size, alpha, a, b, beta, c)
        return context.get_dummy_value()

    @intrinsic
    def product(typing, size, alpha, a, a_offset, b, b_offset, beta, c, c_offset):
        signature = _signature(shape, a, b, c)
        return signature and (signature, code)

    product.way = way
    return product


def _signature(shape: Shape, *arrays: Any) -> Any:
    """That of a product of these types of arrays, or of their memory; None, numba's refusal, where
    they do not fit."""
    dtype, whole = NUMBA[shape.dtype], types.int64
    if any(getattr(x, "dtype", None) != dtype or getattr(x, "ndim", 1) != 1 for x in arrays):
        return None
    pairs = [part for array in arrays for part in (array, whole)]
    return types.void(whole, dtype, *pairs[:4], dtype, *pairs[4:])


def define(module: ir.Module, name: str, product: Any) -> None:
    """A product as a function of the module:

    void name(i64 size, float alpha, ptr a, ptr b, float beta, ptr c)
    """
    x = FLOATS[product.way.shape.dtype]
    kind = ir.FunctionType(ir.VoidType(), [I64, x, POINTER, POINTER, x, POINTER])
    function = ir.Function(module, kind, name)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    product.way.put(builder, *function.args)
    builder.ret_void()
