"""Losses of one sample, in the language itself, each in its stable form.

The mini-batch's mean is taken by `sg.compile` (or `sg.expectation`); over one sample's axes a loss
takes the mean too, so that a compiled loss equals torch's with reduction="mean".
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.language.indexing import take
from symgrad.language.pointwise import log_sigmoid, softplus
from symgrad.language.reductions import logsumexp, mean
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import transpose


def _pair(a: Any, b: Any, what: str) -> tuple[sp.Expr, sp.Expr]:
    a, b = sympify(a), sympify(b)
    shapes = describe(a)[0], describe(b)[0]
    if shapes[0] != shapes[1] and a.free_symbols and b.free_symbols:
        raise ValueError(
            f"sg.{what} wants equal shapes: {a} has shape {shapes[0]}, {b} has shape {shapes[1]}"
        )
    return a, b


def _averaged(z: sp.Expr) -> sp.Expr:
    return mean(z) if describe(z)[0] else z


def mse(prediction: Any, target: Any) -> sp.Expr:
    """The squared error, averaged over one sample's axes.

    >>> import symgrad as sg
    >>> sg.mse(sg.data("p"), sg.data("y"))
    (p - y)**2
    """
    p, y = _pair(prediction, target, "mse")
    return _averaged((p - y) ** 2)


def huber(prediction: Any, target: Any, delta: Any = 1) -> sp.Expr:
    """Half the squared error up to `delta`, linear beyond, as torch.nn.HuberLoss."""
    p, y = _pair(prediction, target, "huber")
    error, delta = p - y, sympify(delta)
    size = sp.Abs(error)
    loss = sp.Piecewise((error**2 / 2, sp.Le(size, delta)), (delta * (size - delta / 2), True))
    return _averaged(loss)


def binary_cross_entropy(probability: Any, target: Any) -> sp.Expr:
    """-(y log p + (1 - y) log(1 - p)) for probabilities p; logarithms from -100, as in torch."""
    p, y = _pair(probability, target, "binary_cross_entropy")
    log_p, log_q = sp.Max(sp.log(p), -100), sp.Max(sp.log(1 - p), -100)
    return _averaged(-(y * log_p + (1 - y) * log_q))


def binary_cross_entropy_with_logits(logit: Any, target: Any) -> sp.Expr:
    """-(y log s(z) + (1 - y) log s(-z)) for logits z: softplus(z) - y z, stable.

    >>> import symgrad as sg
    >>> sg.binary_cross_entropy_with_logits(sg.data("z"), sg.data("y"))
    -y*z + softplus(z)
    """
    z, y = _pair(logit, target, "binary_cross_entropy_with_logits")
    return _averaged(softplus(z) - y * z)


def cross_entropy(logits: Any, label: Any, *, axis: int = 0) -> sp.Expr:
    """-log softmax(logits)[label] for integer labels: logsumexp(z) - z[label].

    logits: one sample's, with the classes along `axis` (the first, as torch's dim=1 of a batch);
    label: integer data of the logits' shape without that axis.  More than one label is averaged.

    >>> import symgrad as sg
    >>> z, label = sg.data("z", shape=3), sg.data("label", dtype=int)
    >>> sg.cross_entropy(z, label)
    -z[label] + logsumexp(z)
    """
    z, y = sympify(logits), sympify(label)
    shape, (labels, kind) = describe(z)[0], describe(y)
    if not shape:
        raise ValueError(f"sg.cross_entropy wants a vector of logits; {z} has shape ()")
    if kind != "int":
        raise TypeError(f"sg.cross_entropy wants integer labels: sg.data({str(y)!r}, dtype=int)")
    if not -len(shape) <= axis < len(shape):
        raise IndexError(f"sg.cross_entropy: axis {axis} does not exist in logits of shape {shape}")
    axis %= len(shape)
    rest = [k for k in range(len(shape)) if k != axis]
    if labels != tuple(shape[k] for k in rest):
        raise ValueError(
            f"sg.cross_entropy: logits of shape {shape} with the classes along axis {axis} want "
            f"labels of shape {tuple(shape[k] for k in rest)}; {y} has shape {labels}"
        )
    if not rest:
        return logsumexp(z) - take(z, y)
    return _averaged(logsumexp(z, axis=axis) - _picked(z, y, (axis, *rest)))


def _picked(z: sp.Expr, label: sp.Expr, order: tuple[int, ...]) -> sp.Expr:
    """The logit of the label at every position."""
    import numpy as np

    first = transpose(z, order)
    places = np.indices([int(s) for s in describe(label)[0]])
    return take(first, (label, *places))


def log_loss(logit: Any) -> sp.Expr:
    """-log sigmoid(z): the logistic loss of a margin."""
    return -log_sigmoid(sympify(logit))
