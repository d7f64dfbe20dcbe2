"""The programs of a model, each derived when it is first needed.

step              forward, gradient and update
accumulate        the same in two blocks, for the sum of several mini-batches' gradients
loss, gradients   of the mean over the mini-batch
predict <label>   one output
settle            every row of tables that are caught up lazily is brought up to the step
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from symgrad.calculus.block import Block
from symgrad.calculus.draws import drawn
from symgrad.calculus.program import Program
from symgrad.calculus.ragged import by_entries
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.calculus.update import Applied, accumulate, settle, update
from symgrad.train.objective import Objective, differentiate, over_the_batch


@dataclass(eq=False)
class Programs:
    """captured: computes the loss of one sample; predicted: label -> block with that output;
    minimised: E[loss], or n E[loss], and its gradients."""

    captured: Block
    predicted: Mapping[str, Block]
    minimised: Objective
    rule: Applied | None
    reduction: str
    dtype: str

    @cached_property
    def mean(self) -> Objective:
        """E[loss] and its gradients: what is evaluated."""
        if self.reduction == "mean":
            return self.minimised
        return differentiate(over_the_batch(by_entries(self.captured), "mean"), self.trained)

    @cached_property
    def shown(self) -> Objective:
        """What is minimised, as mathematics: sparse data are vectors like others there."""
        if by_entries(self.captured) is self.captured:
            return self.minimised
        return differentiate(over_the_batch(self.captured, self.reduction), self.trained)

    @property
    def trained(self) -> list[sp.Symbol]:
        return list(self.minimised.wrt)

    def make(self, key: str) -> Program:
        """The program of that name with its draws, simplified."""
        program = self.appended(key)
        step, update = (b and simplify(drawn(b, self.dtype), STABLE)
                        for b in (program.step, program.update))  # fmt: skip
        assert step is not None
        return Program(step, update, program.groups)

    def appended(self, key: str) -> Program:
        """The program of that name as its stages wrote it."""
        if key == "loss":
            return Program(self.mean.block)
        if key == "gradients":
            return Program(self.mean.gradient_block)
        if key == "settle":
            assert self.rule is not None
            return settle(self.rule)
        if key in ("step", "accumulate"):
            assert self.rule is not None, "a model without an optimiser has no step"
            append = update if key == "step" else accumulate
            return append(self.minimised.gradients, self.minimised.wrt, self.rule)
        return Program(by_entries(self.predicted[key.removeprefix("predict ")]))
