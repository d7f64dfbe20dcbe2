"""What an element costs to compute, in additions: the pointwise operations that targets know."""

from __future__ import annotations

import sympy as sp

POWER = 56  # of any exponent
MOST_MULTIPLIED = 64  # the largest whole exponent whose power is a product
CHEAP = 2  # up to this much, computing an element again is better than storing it

# fmt: off
COST = {
    "add": 1, "mul": 1, "max": 1, "min": 1, "abs": 1, "sign": 2, "floor": 1, "ceiling": 1,
    "lt": 1, "le": 1, "gt": 1, "ge": 1, "eq": 1, "ne": 1, "and": 1, "or": 1, "not": 1,
    "indicator": 0, "select": 1, "relu": 1, "mod": 6,
    "exp": 10, "log": 10, "expm1": 12, "log1p": 12, "sin": 12, "cos": 12, "tan": 14,
    "asin": 14, "acos": 14, "atan": 14, "atan2": 18, "sinh": 14, "cosh": 14, "tanh": 12,
    "asinh": 16, "acosh": 16, "atanh": 16, "erf": 14, "erfc": 30, "erfinv": 50, "cbrt": 24,
    "exp_product": 12, "gelu": 32, "gelu_slope": 36, "logit": 14,
    "mish": 15, "mish_slope": 17, "logcosh": 24,
    "scaled_sigmoid": 12, "unscaled": 2, "logistic_slope": 13,
    "gamma": 75, "lgamma": 40, "digamma": 44, "sigmoid": 12, "softplus": 16,
    "whole_quotient": 8, "mixed": 8, "below": 3, "either": 4, "unit": 3,
}
# fmt: on


def pointwise(operation: str, operands: tuple) -> int:
    """The cost of one pointwise operation, its operands given.

    >>> pointwise("pow", (None, sp.Integer(2))), pointwise("add", (None, None, None))
    (1, 2)
    """
    if operation == "pow":
        return _power(operands[1])
    if operation in ("add", "mul", "max", "min", "and", "or"):
        return len(operands) - 1
    return COST[operation]


def _power(exponent: object) -> int:
    if not isinstance(exponent, sp.Expr):
        return POWER
    if exponent.is_Integer and abs(int(exponent)) <= MOST_MULTIPLIED:
        return max(abs(int(exponent)).bit_length() * 2 - 3, 0) + (4 if exponent < 0 else 0)
    return 6 if abs(exponent) == sp.Rational(1, 2) else POWER


def is_primitive(operation: str) -> bool:
    return operation == "pow" or operation in COST
