"""What a target runs: a block for each mini-batch and, under accumulation, one for each update."""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.calculus.block import Block
from symgrad.language.symbols import step as STEP


@dataclass(frozen=True, eq=False)
class Program:
    """A training step, or any other block that is evaluated batch by batch.

    step:    runs for each mini-batch: its outputs are recorded, its writes are made
    update:  runs after every `every` mini-batches (gradient accumulation); None where all is in
             `step`, which lets the update be folded into the gradient's product
    """

    step: Block
    update: Block | None = None

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (self.step,) if self.update is None else (self.step, self.update)

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
