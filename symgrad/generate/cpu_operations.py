"""How each operation of the loop IR reads in numba's Python: the one table of the CPU target.

A template takes the printed operands; its level says how tightly it binds, so that operands are
put in brackets where they bind less.  To give an operation vector code, change its template here.
"""

from __future__ import annotations

from dataclasses import dataclass

ATOM, UNARY, PRODUCT, SUM, BITS, COMPARE, LOWEST = 7, 6, 5, 4, 3, 2, 0


@dataclass(frozen=True, slots=True)
class Code:
    """Text with {0}, {1}, ... for operands, which are printed to bind tighter than `inner`."""

    text: str
    level: int = ATOM
    inner: int = LOWEST


def _compare(sign: str) -> Code:
    return Code(f"{{0}} {sign} {{1}}", COMPARE, COMPARE + 1)


# fmt: off
CODE = {
    # ---- conditions
    "lt": _compare("<"), "le": _compare("<="), "gt": _compare(">"), "ge": _compare(">="),
    "eq": _compare("=="), "ne": _compare("!="), "not": Code("(not {0})"),
    "select": Code("select({0}, {1}, {2})"),
    # ---- products that keep their order
    "scaled": Code("scaled({0}, {1})"), "divided": Code("divided({0}, {1})"),
    # ---- kinks and steps
    "abs": Code("abs({0})"), "sign": Code("sign({0})"), "floor": Code("np.floor({0})"),
    "ceiling": Code("np.ceil({0})"), "mod": Code("modulo({0}, {1})"),
    # ---- exponentials and logarithms
    "exp": Code("exp({0})"), "expm1": Code("expm1({0})"),
    "exp_product": Code("exp_product({0}, {1})"),
    "log": Code("log({0})"), "log1p": Code("log1p({0})"), "logit": Code("logit({0})"),
    "sigmoid": Code("sigmoid({0})"), "logistic_slope": Code("logistic_slope({0})"),
    "scaled_sigmoid": Code("scaled_sigmoid({0})"), "unscaled": Code("unscaled({0}, {1}, {2})"),
    "softplus": Code("softplus({0})"),
    "raised": Code("raised({0}, {1})"),
    "sqrt": Code("math.sqrt({0})"), "cbrt": Code("cbrt({0})"), "square": Code("square({0})"),
    # ---- trigonometry
    "sin": Code("sin({0})"), "cos": Code("cos({0})"), "tan": Code("tan({0})"),
    "asin": Code("asin({0})"), "acos": Code("acos({0})"), "atan": Code("atan({0})"),
    "atan2": Code("atan2({0}, {1})"),
    # ---- hyperbolic functions
    "sinh": Code("sinh({0})"), "cosh": Code("cosh({0})"), "tanh": Code("tanh({0})"),
    "asinh": Code("asinh({0})"), "acosh": Code("acosh({0})"),
    "atanh": Code("atanh({0})"), "erf": Code("erf({0})"),
    # ---- special functions
    "erfc": Code("erfc({0})"), "erfinv": Code("erfinv({0})"),
    "gelu": Code("gelu({0})"), "gelu_slope": Code("gelu_slope({0})"),
    "mish": Code("mish({0})"), "mish_slope": Code("mish_slope({0})"),
    "logcosh": Code("logcosh({0})"), "gamma": Code("gamma({0})"),
    "digamma": Code("digamma({0})"),
    "lgamma": Code("lgamma({0})"),
    "whole_quotient": Code("whole_quotient({0}, {1})"),
    # ---- random draws
    "mixed": Code("mixed({0}, {1})"), "below": Code("below({0}, {1})"),
    "either": Code("either({0}, {1}, {2})"), "unit": Code("unit({0}, {1})"),
    # ---- indices
    "position": Code("(order[{0}] if ordered else {0})"),
    "position, ordered True": Code("order[{0}]"), "position, ordered False": Code("({0})"),
    "clamp": Code("clamp({0}, {1}, fault)"),
}
# what is printed between the operands of an operation that takes any number of them
BETWEEN = {"add": (" + ", SUM), "mul": (" * ", PRODUCT), "and": (" & ", BITS), "or": (" | ", BITS)}
PAIRWISE = {"max": "maximum({0}, {1})", "min": "minimum({0}, {1})"}
CASTS = {"float32": "np.float32({0})", "float64": "np.float64({0})", "int64": "np.int64({0})",
         "int8": "np.int8({0})", "bool": "({0} != 0)"}  # fmt: skip
# where the functions come from that are not of `math` or NumPy
NATIVE = (
    "barrier", "clamp", "distinct", "divided", "external", "float32_in", "float64_in", "maximum",
    "minimum", "modulo", "pointer", "power", "prefetch", "scaled", "select", "shared", "sign",
    "square", "whole_quotient",
)  # fmt: skip
NOTES = ("apart", "one_by_one", "rolled")
GROUPS = ("joined",)
RANDOM = ("below", "either", "mixed", "unit")
LIBRARY = (
    "cholesky", "cofactor", "cofactor_along", "det", "eigenvectors", "eigvalsh", "factors", "inv",
    "logdet", "solve", "triangular_solve",
)  # fmt: skip
VECTOR_MATH = (
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "digamma",
    "erf", "erfc", "erfinv", "exp", "exp_product", "expm1", "gamma", "gelu", "gelu_slope", "lgamma",
    "log", "log1p", "logcosh", "logistic_slope", "logit", "mish", "mish_slope", "raised",
    "scaled_sigmoid", "sigmoid", "sin", "sinh", "softplus", "tan", "tanh", "unscaled",
)  # fmt: skip
# fmt: on
