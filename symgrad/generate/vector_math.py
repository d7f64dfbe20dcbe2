"""Elementary functions that vectorise: what generated code imports in place of `math`.

    from symgrad.generate.vector_math import exp, tanh

Each is an instruction sequence without branches that is inlined where it is called, so that LLVM
vectorises the loop around it; those of angles and `modulo` have one that is hardly ever taken, and
are called for whole vectors.  float32 in, float32 out; integers are taken as float64.  Errors are
below 4 units in the last place over the whole range, with infinities, NaN, denormals and signed
zeros as C's library has them (tests/generate/test_vector_math.py measures them).

    >>> import numba as nb
    >>> nb.njit(lambda x: tanh(x))(0.5)
    0.462117157260...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import intrinsic

from symgrad.generate import (
    vector_angles,
    vector_digamma,
    vector_erf,
    vector_erfinv,
    vector_formulas,
    vector_gamma,
    vector_inverses,
    vector_logarithms,
    vector_mish,
    vector_powers,
    vector_remainder,
    vector_roots,
    vector_sigmoid,
)
from symgrad.generate.vector_code import Real
from symgrad.generate.vector_formats import FORMATS
from symgrad.generate.vector_functions import function

FORMULAS: dict[str, tuple[Callable[..., Real], int]] = {}  # name -> formula, number of arguments


def _vectorised(name: str, formula: Callable[..., Real]) -> Any:
    """The formula as a function of one argument for nopython code."""
    FORMULAS[name] = formula, 1

    @intrinsic
    def made(typing: Any, x: Any) -> Any:
        return typed(name, formula, x)

    return made


def _vectorised_pair(name: str, formula: Callable[..., Real]) -> Any:
    """The formula as a function of two arguments for nopython code."""
    FORMULAS[name] = formula, 2

    @intrinsic
    def made(typing: Any, x: Any, y: Any) -> Any:
        return typed(name, formula, x, y)

    return made


def _vectorised_triple(name: str, formula: Callable[..., Real]) -> Any:
    """The formula as a function of three arguments for nopython code."""
    FORMULAS[name] = formula, 3

    @intrinsic
    def made(typing: Any, x: Any, y: Any, z: Any) -> Any:
        return typed(name, formula, x, y, z)

    return made


def typed(name: str, formula: Callable[..., Real], *arguments: Any) -> Any:
    """A signature with code; None for what is no number."""
    if not all(isinstance(x, types.Float | types.Integer | types.Boolean) for x in arguments):
        return None
    short = all(x == types.float32 for x in arguments)
    dtype = types.float32 if short else types.float64

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pairs = zip(given, arguments, strict=True)
        values = [context.cast(builder, value, x, dtype) for value, x in pairs]
        called = function(builder.module, name, FORMATS[dtype.name], formula, len(values))
        return builder.call(called, values)

    return dtype(*arguments), code


exp = _vectorised("exp", vector_formulas.exp)
expm1 = _vectorised("expm1", vector_formulas.expm1)
log = _vectorised("log", vector_logarithms.log)
log1p = _vectorised("log1p", vector_logarithms.log1p)
tanh = _vectorised("tanh", vector_formulas.tanh)
sigmoid = _vectorised("sigmoid", vector_sigmoid.sigmoid)
logistic_slope = _vectorised("logistic_slope", vector_sigmoid.logistic_slope)
scaled_sigmoid = _vectorised("scaled_sigmoid", vector_sigmoid.scaled_sigmoid)
softplus = _vectorised("softplus", vector_sigmoid.softplus)
erf = _vectorised("erf", vector_erf.erf)
erfc = _vectorised("erfc", vector_erf.erfc)
erfinv = _vectorised("erfinv", vector_erfinv.erfinv)
gelu = _vectorised("gelu", vector_erf.gelu)
gelu_slope = _vectorised("gelu_slope", vector_erf.gelu_slope)
mish = _vectorised("mish", vector_mish.mish)
mish_slope = _vectorised("mish_slope", vector_mish.mish_slope)
logcosh = _vectorised("logcosh", vector_logarithms.logcosh)
logit = _vectorised("logit", vector_logarithms.logit)
digamma = _vectorised("digamma", vector_digamma.digamma)
gamma = _vectorised("gamma", vector_gamma.gamma)
lgamma = _vectorised("lgamma", vector_gamma.lgamma)
sin = _vectorised("sin", vector_angles.sin)
cos = _vectorised("cos", vector_angles.cos)
tan = _vectorised("tan", vector_angles.tan)
asin = _vectorised("asin", vector_inverses.asin)
acos = _vectorised("acos", vector_inverses.acos)
atan = _vectorised("atan", vector_inverses.atan)
sinh = _vectorised("sinh", vector_inverses.sinh)
cosh = _vectorised("cosh", vector_inverses.cosh)
cbrt = _vectorised("cbrt", vector_roots.cbrt)
asinh = _vectorised("asinh", vector_logarithms.asinh)
acosh = _vectorised("acosh", vector_logarithms.acosh)
atanh = _vectorised("atanh", vector_logarithms.atanh)
atan2 = _vectorised_pair("atan2", vector_inverses.atan2)
exp_product = _vectorised_pair("exp_product", vector_formulas.exp_product)
raised = _vectorised_pair("raised", vector_powers.power)
unscaled = _vectorised_triple("unscaled", vector_sigmoid.unscaled)
modulo = _vectorised_pair("modulo", vector_remainder.modulo)
FORMULAS.update((vector_powers.name(k), (vector_powers.whole(k), 1)) for k in vector_powers.WHOLE)
