"""What a target runs: a block for each mini-batch and, under accumulation, one for each update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp

from symgrad.calculus.block import Block
from symgrad.calculus.groups import Group
from symgrad.language.symbols import step as STEP


@dataclass(frozen=True, eq=False)
class Program:
    """A training step, or any other block that is evaluated batch by batch.

    step:    runs for each mini-batch: its outputs are recorded, its writes are made
    update:  runs after every `every` mini-batches (gradient accumulation); None where all is in
             `step`, which lets the update be folded into the gradient's product
    groups:  of sums that `step` writes, the rows in which they are held: what is written is added
             to the sum, and the rows that it names join the group.  Of tables that `update` writes,
             the rows in which they change.  After the update a group is empty
    """

    step: Block
    update: Block | None = None
    groups: Mapping[sp.Symbol, Group] = field(default_factory=dict)

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (self.step,) if self.update is None else (self.step, self.update)

    @property
    def sums(self) -> dict[sp.Symbol, Group]:
        """The sums that are held as rows."""
        return {s: group for s, group in self.groups.items() if s in self.step.writes}

    @property
    def counts(self) -> str:
        """What the positions of samples count on: "update" those of one update, made at the end of
        every mini-batch; "group" those of several mini-batches; "all" what is evaluated."""
        if self.update is not None:
            return "group"
        return "update" if STEP in self.step.writes else "all"

    def base(self, at: int, pending: int, batch_size: int) -> int:
        """The position of a mini-batch's first sample."""
        return {"update": 0, "group": pending * batch_size, "all": at}[self.counts]

    def check(self) -> Program:
        """Raise AssertionError unless every block is well formed; return the program."""
        for block in self.blocks:
            block.check()
        return self
