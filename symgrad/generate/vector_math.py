"""Elementary functions that vectorise: what generated code imports in place of `math`.

    from symgrad.generate.vector_math import exp, tanh

Each is an instruction sequence without branches that is inlined where it is called, so that LLVM
vectorises the loop around it.  float32 in, float32 out; integers are taken as float64.  Errors are
below 4 units in the last place over the whole range, with infinities, NaN, denormals and signed
zeros as C's library has them (tests/generate/test_vector_math.py measures them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import intrinsic

from symgrad.generate import vector_angles, vector_formulas, vector_inverses
from symgrad.generate.vector_code import FORMATS, Real, function


def _vectorised(name: str, formula: Callable[..., Real]) -> Any:
    """The formula as a function of one argument for nopython code."""

    @intrinsic
    def made(typing: Any, x: Any) -> Any:
        if not isinstance(x, types.Float | types.Integer | types.Boolean):
            return None
        dtype = x if isinstance(x, types.Float) else types.float64

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            value = context.cast(builder, values[0], x, dtype)
            called = function(builder.module, name, FORMATS[dtype.name], formula, 1)
            return builder.call(called, [value])

        return dtype(x), code

    return made


exp = _vectorised("exp", vector_formulas.exp)
expm1 = _vectorised("expm1", vector_formulas.expm1)
log = _vectorised("log", vector_formulas.log)
log1p = _vectorised("log1p", vector_formulas.log1p)
tanh = _vectorised("tanh", vector_formulas.tanh)
sigmoid = _vectorised("sigmoid", vector_formulas.sigmoid)
softplus = _vectorised("softplus", vector_formulas.softplus)
erf = _vectorised("erf", vector_formulas.erf)
sin = _vectorised("sin", vector_angles.sin)
cos = _vectorised("cos", vector_angles.cos)
tan = _vectorised("tan", vector_angles.tan)
asin = _vectorised("asin", vector_inverses.asin)
acos = _vectorised("acos", vector_inverses.acos)
atan = _vectorised("atan", vector_inverses.atan)
sinh = _vectorised("sinh", vector_inverses.sinh)
cosh = _vectorised("cosh", vector_inverses.cosh)
asinh = _vectorised("asinh", vector_inverses.asinh)
acosh = _vectorised("acosh", vector_inverses.acosh)
atanh = _vectorised("atanh", vector_inverses.atanh)
