"""The words in which the mini-batch appears: expectation, batch and batch_size."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.language.operation import Operation
from symgrad.language.row import Row, op, register
from symgrad.language.symbols import batch_size
from symgrad.language.tensor import sympify

# Adjoints of per-sample names are scaled by the number of samples, z' = B dL/dz; those of other
# names are plain.  So the pull-back of E is a broadcast, and only `batch` and `own` mention B.
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
