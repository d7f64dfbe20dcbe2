"""Stable forms: what users write as in a textbook, as what keeps its digits.

These run before derive, so that derivatives are those of the stable form.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.calculus.rewrite import Rewrite
from symgrad.language.row import op

HALF = sp.Rational(1, 2)


def _softmax(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    whole = keepdims or len(axes) == len(x.shape)  # else the sum meets other elements
    return op.softmax(x, axes=axes) if whole else None


# fmt: off
STABLE: tuple[Rewrite, ...] = (
    # ---- exponentials in a logarithm
    Rewrite("log(exp(x)) = x",
            ("log", ("exp", "x")), lambda x: x),
    Rewrite("log(1 + exp(x)) = softplus(x)",
            ("log", ("add", 1, ("exp", "x"))), lambda x: op.softplus(x)),
    Rewrite("log1p(exp(x)) = softplus(x)",
            ("log1p", ("exp", "x")), lambda x: op.softplus(x)),
    Rewrite("log(exp(x) + exp(-x)) = log(2) + logcosh(x)",
            ("log", ("add", ("exp", "x"), ("exp", ("mul", -1, "x")))),
            lambda x: sp.log(2) + op.logcosh(x)),
    Rewrite("log(exp(a) + exp(b)) = logaddexp(a, b)",
            ("log", ("add", ("exp", "a"), ("exp", "b"))), lambda a, b: op.logaddexp(a, b)),
    Rewrite("log(1 + exp(a) + exp(b)) = logaddexp(softplus(a), b)",
            ("log", ("add", 1, ("exp", "a"), ("exp", "b"))),
            lambda a, b: op.logaddexp(op.softplus(a), b)),
    Rewrite("log(exp(a) + exp(b) + exp(c)) = logaddexp(logaddexp(a, b), c)",
            ("log", ("add", ("exp", "a"), ("exp", "b"), ("exp", "c"))),
            lambda a, b, c: op.logaddexp(op.logaddexp(a, b), c)),
    Rewrite("log(sum(exp(x))) = logsumexp(x)",
            ("log", ("sum", ("exp", "x"))),
            lambda x, axes, keepdims: op.logsumexp(x, axes=axes, keepdims=keepdims)),
    # ---- sigmoid
    Rewrite("1/(1 + exp(x)) = sigmoid(-x)",
            ("pow", ("add", 1, ("exp", "x")), -1), lambda x: op.logistic(-x)),
    Rewrite("exp(x) sigmoid(-x) = sigmoid(x)",
            ("mul", ("exp", "x"), ("logistic", ("mul", -1, "x"))), lambda x: op.logistic(x)),
    Rewrite("exp(-x) sigmoid(x) = sigmoid(-x)",
            ("mul", ("exp", ("mul", -1, "x")), ("logistic", "x")), lambda x: op.logistic(-x)),
    Rewrite("exp(a)/(exp(a) + exp(b)) = sigmoid(a - b)",
            ("mul", ("exp", "a"), ("pow", ("add", ("exp", "a"), ("exp", "b")), -1)),
            lambda a, b: op.logistic(a - b)),
    Rewrite("sigmoid(x) sigmoid(-x) = logistic_slope(x)",
            ("mul", ("logistic", "x"), ("logistic", ("mul", -1, "x"))),
            lambda x: op.logistic_slope(x)),
    Rewrite("log(sigmoid(x)) = log_sigmoid(x)",
            ("log", ("sigmoid", "x")), lambda x: op.log_sigmoid(x)),
    Rewrite("log(logistic(x)) = log_sigmoid(x)",
            ("log", ("logistic", "x")), lambda x: op.log_sigmoid(x)),
    Rewrite("log(1 - sigmoid(x)) = log_sigmoid(-x)",
            ("log", ("add", 1, ("mul", -1, ("sigmoid", "x")))), lambda x: op.log_sigmoid(-x)),
    Rewrite("log(1 - logistic(x)) = log_sigmoid(-x)",
            ("log", ("add", 1, ("mul", -1, ("logistic", "x")))), lambda x: op.log_sigmoid(-x)),
    Rewrite("log1p(-sigmoid(x)) = log_sigmoid(-x)",
            ("log1p", ("mul", -1, ("sigmoid", "x"))), lambda x: op.log_sigmoid(-x)),
    Rewrite("log1p(-logistic(x)) = log_sigmoid(-x)",
            ("log1p", ("mul", -1, ("logistic", "x"))), lambda x: op.log_sigmoid(-x)),
    Rewrite("log(1 - tanh(x)**2) = -2 log(cosh(x))",
            ("log", ("add", 1, ("mul", -1, ("pow", ("tanh", "x"), 2)))),
            lambda x: -2*op.logcosh(x)),
    Rewrite("log(cosh(x)) = logcosh(x)",
            ("log", ("cosh", "x")), lambda x: op.logcosh(x)),
    # ---- softmax
    Rewrite("exp(x)/sum(exp(x)) = softmax(x)",
            ("mul", ("exp", "x"), ("pow", ("sum", ("exp", "x")), -1)), _softmax),
    Rewrite("log(softmax(x)) = log_softmax(x)",
            ("log", ("softmax", "x")), lambda x, axes: op.log_softmax(x, axes=axes)),
    Rewrite("log(softmax(x)[i]) = log_softmax(x)[i]",
            ("log", ("gather", ("softmax", "x"), "i")),
            lambda x, i, axes: op.gather(op.log_softmax(x, axes=axes), i)),
    Rewrite("log(softmax(x)[1:2]) = log_softmax(x)[1:2]",
            ("log", ("slice", ("softmax", "x"))),
            lambda x, axes, spec: op.slice(op.log_softmax(x, axes=axes), spec=spec)),
    # ---- removable singularities and roots
    Rewrite("sin(x)/x = sinc(x)",
            ("mul", ("sin", "x"), ("pow", "x", -1)), lambda x: op.sinc(x)),
    Rewrite("(1 - cos(x))/x**2 = sinc(x/2)**2/2",
            ("mul", ("add", 1, ("mul", -1, ("cos", "x"))), ("pow", "x", -2)),
            lambda x: HALF*op.sinc(HALF*x)**2),
    Rewrite("(cos(x) - 1)/x**2 = -sinc(x/2)**2/2",
            ("mul", ("add", -1, ("cos", "x")), ("pow", "x", -2)),
            lambda x: -HALF*op.sinc(HALF*x)**2),
    Rewrite("sqrt(x**2 + c) = root_sum(x, c)",
            ("pow", ("add", ("pow", "x", 2), "c"), HALF), lambda x, c: op.root_sum(x, c)),
    Rewrite("x/sqrt(x**2 + c) = root_slope(x, c)",
            ("mul", "x", ("pow", ("add", ("pow", "x", 2), "c"), -HALF)),
            lambda x, c: op.root_slope(x, c)),
    # ---- near 0, where nothing better is known
    Rewrite("log(1 + x) = log1p(x)",
            ("log", ("add", 1, "x")), lambda x: op.log1p(x)),
    Rewrite("exp(x) - 1 = expm1(x)",
            ("add", -1, ("exp", "x")), lambda x: op.expm1(x)),
)
# fmt: on
