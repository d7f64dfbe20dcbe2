"""Matrix products of known shapes, for generated code."""

from __future__ import annotations

from typing import Any

import numba as nb
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from symgrad.generate.micro_machine import Machine, host
from symgrad.generate.micro_plan import Plan, Shape
from symgrad.generate.micro_product import product_function

NUMBA = {"float32": types.float32, "float64": types.float64}


def micro_kernel(shape: Shape, plan: Plan, machine: Machine | None = None) -> Any:
    """product(size, alpha, a, a_offset, b, b_offset, beta, c, c_offset[, bias, bias_offset])"""
    machine = machine or host()
    x, whole = NUMBA[shape.dtype], types.int64

    def arguments(*arrays: Any) -> Any:
        if any(array.dtype != x for array in arrays):
            return None
        pairs = [part for array in arrays for part in (array, whole)]
        return types.void(whole, x, *pairs[:4], x, *pairs[4:])

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        size, alpha, *rest = values
        beta = rest.pop(4)
        kinds = [t for t in signature.args if isinstance(t, types.Array)]
        pointers = []
        for t, array, offset in zip(kinds, rest[0::2], rest[1::2], strict=True):
            data = context.make_array(t)(context, builder, array).data
            pointers.append(builder.gep(data, [offset]))
        a, b, c, *bias = pointers
        if plan.turned:
            a, b = b, a
        function = product_function(builder.module, shape, plan, machine)
        builder.call(function, [size, alpha, a, b, beta, c, bias[0] if bias else c])
        return context.get_dummy_value()

    if shape.bias:

        @intrinsic
        def product(
            context, size, alpha, a, a_offset, b, b_offset, beta, c, c_offset, bias, bias_offset
        ):
            return arguments(a, b, c, bias), code
    else:

        @intrinsic
        def product(context, size, alpha, a, a_offset, b, b_offset, beta, c, c_offset):
            return arguments(a, b, c), code

    return product
