"""Stable forms: what users write as in a textbook, as what keeps its digits.

These run before derive, so that derivatives are those of the stable form.
"""

from __future__ import annotations

import sympy as sp

from symgrad.calculus.rewrite import Rewrite
from symgrad.language.row import op

HALF = sp.Rational(1, 2)

# fmt: off
STABLE: tuple[Rewrite, ...] = (
    Rewrite("log(exp(x)) = x",
            ("log", ("exp", "x")), lambda x: x),
    Rewrite("log(1 + exp(x)) = softplus(x)",
            ("log", ("add", 1, ("exp", "x"))), lambda x: op.softplus(x)),
    Rewrite("1/(1 + exp(x)) = sigmoid(-x)",
            ("pow", ("add", 1, ("exp", "x")), -1), lambda x: op.sigmoid(-x)),
    Rewrite("log(sigmoid(x)) = log_sigmoid(x)",
            ("log", ("sigmoid", "x")), lambda x: op.log_sigmoid(x)),
    Rewrite("log(1 - sigmoid(x)) = log_sigmoid(-x)",
            ("log", ("add", 1, ("mul", -1, ("sigmoid", "x")))), lambda x: op.log_sigmoid(-x)),
    Rewrite("log(sum(exp(x))) = logsumexp(x)",
            ("log", ("sum", ("exp", "x"))),
            lambda x, axes, keepdims: op.logsumexp(x, axes=axes, keepdims=keepdims)),
    Rewrite("log(softmax(x)) = log_softmax(x)",
            ("log", ("softmax", "x")), lambda x, axes: op.log_softmax(x, axes=axes)),
    Rewrite("log(softmax(x)[i]) = log_softmax(x)[i]",
            ("log", ("gather", ("softmax", "x"), "i")),
            lambda x, i, axes: op.gather(op.log_softmax(x, axes=axes), i)),
    Rewrite("1 - tanh(x)**2 = 4 sigmoid(2x) sigmoid(-2x), in a logarithm",
            ("log", ("add", 1, ("mul", -1, ("pow", ("tanh", "x"), 2)))),
            lambda x: sp.log(4) + op.log_sigmoid(2*x) + op.log_sigmoid(-2*x)),
    Rewrite("exp(a)/(exp(a) + exp(b)) = sigmoid(a - b)",
            ("mul", ("exp", "a"), ("pow", ("add", ("exp", "a"), ("exp", "b")), -1)),
            lambda a, b: op.sigmoid(a - b)),
    Rewrite("log(exp(a) + exp(b)) = b + softplus(a - b)",
            ("log", ("add", ("exp", "a"), ("exp", "b"))), lambda a, b: b + op.softplus(a - b)),
    Rewrite("exp(x) - 1 = expm1(x)",
            ("add", -1, ("exp", "x")), lambda x: op.expm1(x)),
    Rewrite("log(1 + x) = log1p(x)",
            ("log", ("add", 1, "x")), lambda x: op.log1p(x)),
)
# fmt: on
