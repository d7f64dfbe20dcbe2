"""Losses of one sample between scores of classes and a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.choice import where
from symgrad.language.indexing import take
from symgrad.language.levels import expectation
from symgrad.language.losses import averaged, number
from symgrad.language.pointwise import indicator
from symgrad.language.reductions import normalize_axes
from symgrad.language.reductions import sum as sum_over
from symgrad.language.softmax import log_softmax, logsumexp
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import reshape, transpose


def cross_entropy(
    logits: Any, target: Any, *, axis: int = 0, weight: Any = None,
    ignore_index: int | None = None, label_smoothing: Any = 0,
) -> sp.Expr:  # fmt: skip
    """-log softmax(logits)[label], as torch.nn.CrossEntropyLoss.

    logits: one sample's, with the classes along `axis` (the first, as torch's dim=1 of a batch).
    target: integer labels of the logits' shape without that axis, or probabilities of its shape.
    weight: one number for each class; ignore_index: the label that does not count.  With either
    the loss l of a label is w l / E[w], so that its mean over the mini-batch is E[w l]/E[w].
    Labels that are more than one for a sample, and probabilities, are averaged over their places.

    >>> import symgrad as sg
    >>> z, label = sg.data("z", shape=3), sg.data("label", dtype=int)
    >>> sg.cross_entropy(z, label)
    -z[label] + logsumexp(z)
    """
    z, y = anonymous(sympify(logits)), sympify(target)
    shape, at = describe(z)[0], _class_axis(z, axis, "cross_entropy")
    weight = _class_weights(weight, shape[at], "cross_entropy")
    smoothing = number(
        label_smoothing, lambda s: 0 <= s <= 1, "sg.cross_entropy wants a label_smoothing in [0, 1]"
    )
    if describe(y)[1] != "int":
        if ignore_index is not None:
            raise ValueError("sg.cross_entropy: ignore_index is for labels, not for probabilities")
        return _of_probabilities(z, y, at, weight, smoothing)
    labels = _Labels(z, y, at, ignore_index, "cross_entropy")
    top = logsumexp(z, axis=at)
    loss = labels.weighted(top - labels.pick(z), weight)
    if smoothing == 0:
        return labels.mean(loss, weight)
    others = _over_classes(-log_softmax(z, axis=at), at, weight)
    loss = (1 - smoothing) * loss + smoothing * labels.counted(others) / shape[at]
    return labels.mean(loss, weight)


def nll(
    log_probabilities: Any, label: Any, *, axis: int = 0, weight: Any = None,
    ignore_index: int | None = None,
) -> sp.Expr:  # fmt: skip
    """-z[label] for log-probabilities z, as torch.nn.NLLLoss; the rest as `sg.cross_entropy`.

    >>> import symgrad as sg
    >>> sg.nll(sg.data("z", shape=3), sg.data("label", dtype=int))
    -z[label]
    """
    z, y = anonymous(sympify(log_probabilities)), sympify(label)
    at = _class_axis(z, axis, "nll")
    weight = _class_weights(weight, describe(z)[0][at], "nll")
    labels = _Labels(z, y, at, ignore_index, "nll")
    return labels.mean(labels.weighted(-labels.pick(z), weight), weight)


class _Labels:
    """Integer labels for scores with the classes along an axis."""

    def __init__(self, z: sp.Expr, y: sp.Expr, axis: int, ignored: int | None, what: str) -> None:
        shape, (given, kind) = describe(z)[0], describe(y)
        self.rest = [k for k in range(len(shape)) if k != axis]
        self.axis, self.ignored = axis, ignored
        if kind != "int":
            raise TypeError(f"sg.{what} wants integer labels: sg.data({str(y)!r}, dtype=int)")
        wanted = tuple(shape[k] for k in self.rest)
        if given != wanted:
            raise ValueError(
                f"sg.{what}: scores of shape {shape} with the classes along axis {axis} want "
                f"labels of shape {wanted}; {y} has shape {given}"
            )
        self.label = y if ignored is None else anonymous(where(sp.Ne(y, ignored), y, 0))
        self.counts = None if ignored is None else anonymous(indicator(sp.Ne(y, ignored)))

    def pick(self, z: sp.Expr) -> sp.Expr:
        """The label's score at every place."""
        first = transpose(z, (self.axis, *self.rest)) if self.rest else z
        sizes = [int(s) for s in describe(self.label)[0]]
        return take(first, (self.label, *np.indices(sizes)) if sizes else self.label)

    def counted(self, loss: sp.Expr) -> sp.Expr:
        return loss if self.counts is None else self.counts * loss

    def weighted(self, loss: sp.Expr, weight: Any) -> sp.Expr:
        return self.counted(loss if weight is None else take(weight, self.label) * loss)

    def mean(self, loss: sp.Expr, weight: Any) -> sp.Expr:
        """The sum over places, as a part of the mini-batch's mean over what counts."""
        if weight is None and self.counts is None:
            return averaged(loss)
        total = self.weighted(sp.Integer(1), weight)
        if self.rest:
            loss, total = sum_over(loss), sum_over(total)
        return loss / expectation(total)


def _of_probabilities(z: sp.Expr, y: sp.Expr, axis: int, weight: Any, smoothing: Any) -> sp.Expr:
    shape = describe(z)[0]
    if describe(y)[0] != shape:
        raise TypeError(
            f"sg.cross_entropy wants integer labels (sg.data({str(y)!r}, dtype=int)) or "
            f"probabilities of the logits' shape {shape}; {y} has shape {describe(y)[0]}"
        )
    if smoothing != 0:
        y = (1 - smoothing) * y + sympify(smoothing) / shape[axis]
    return averaged(_over_classes(-y * log_softmax(z, axis=axis), axis, weight))


def _over_classes(loss: sp.Expr, axis: int, weight: Any) -> sp.Expr:
    """The sum over the classes, each with its weight."""
    if weight is not None:
        shape = describe(loss)[0]
        loss = loss * reshape(weight, tuple(s if k == axis else 1 for k, s in enumerate(shape)))
    return sum_over(loss, axis=axis)


def _class_weights(weight: Any, classes: Any, what: str) -> sp.Expr | None:
    if weight is None:
        return None
    weight = sympify(weight)
    known = describe(weight)[0]
    if len(known) != 1 or (isinstance(classes, int) and known != (classes,)):
        raise ValueError(
            f"sg.{what} wants a weight for each of the {classes} classes; {weight} has {known}"
        )
    return weight


def _class_axis(z: sp.Expr, axis: int, what: str) -> int:
    shape = describe(z)[0]
    if not shape:
        raise ValueError(f"sg.{what} wants a vector of scores; {z} has shape ()")
    return normalize_axes(axis, len(shape), what)[0]
