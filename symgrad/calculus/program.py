"""What a target runs: a block for each mini-batch and, under accumulation, one for each update."""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.calculus.block import Block


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

    def check(self) -> Program:
        """Raise AssertionError unless every block is well formed; return the program."""
        for block in self.blocks:
            block.check()
        return self
