"""The words in which the mini-batch appears: expectation, batch and batch_size."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.operation import Operation
from symgrad.language.row import Row, op, register
from symgrad.language.symbols import batch_size
from symgrad.language.tensor import sympify


def _of_pairs(shape: tuple) -> tuple:
    if shape[:1] != (batch_size,):
        raise ValueError(f"only values for pairs of samples have a converse, not shape {shape}")
    return shape


# Adjoints of per-sample names are scaled by the number of samples, z' = B dL/dz; those of other
# names are plain.  So the pull-back of E is a broadcast, and only `batch` and `own` mention B.
# The converse of values for pairs of samples is what the other one has of a pair: y_s[t] = z_t[s].
# fmt: off
register(
    Row("expectation", "level", lambda lead, z: z.mean(axis=0), (lambda g, y, z: g,),
        shape=lambda shape: shape),
    Row("batch", "level", lambda lead, z: z,
        (lambda g, y, z: op.own(g)*g.builder.batch_size,),
        shape=lambda shape: (batch_size, *shape), result="same"),
    Row("own", "level", lambda lead, z: z,
        (lambda g, y, z: op.batch(g)/g.builder.batch_size,),
        shape=lambda shape: shape[1:], result="same"),
    Row("converse", "level", lambda lead, z: np.swapaxes(z, 0, 1),
        (lambda g, y, z: op.converse(g),),
        shape=_of_pairs, result="same"),
)
# fmt: on


class Expectation(Operation):
    """The mean over the mini-batch's samples, `E[z]`."""

    row = "expectation"
    template = "E[{0}]"
    latex_template = r"\mathbb{{E}}\left[{0}\right]"

    def _level(self, _: str) -> int:
        return 0


class Batch(Operation):
    row = "batch"


class Own(Operation):
    row = "own"


class Converse(Operation):
    row = "converse"


def expectation(z: Any) -> sp.Expr:
    """The mean of z over the samples of the mini-batch, printed `E[z]`.

    >>> import symgrad as sg
    >>> x, y = sg.data("x y")
    >>> sg.expectation((x - y)**2)
    E[(x - y)**2]
    """
    return Expectation(sympify(z))


def batch(z: Any) -> sp.Expr:
    """The mini-batch's values of z stacked: shape (B, *shape of z), the same for every sample.

    >>> import symgrad as sg
    >>> sg.shape(sg.batch(sg.data("z", shape=3)))
    (B, 3)
    """
    return Batch(sympify(z))
