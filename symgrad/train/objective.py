"""What a model minimises, as blocks: the loss over the mini-batch, and its gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from symgrad.calculus.block import Block, Lists, Operand
from symgrad.calculus.builder import Builder
from symgrad.calculus.converse import with_converses
from symgrad.calculus.derive import derive
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.calculus.touched import looked_up, touched_rows
from symgrad.calculus.update import shaped
from symgrad.language.garbage import rare_collections


@dataclass(frozen=True, eq=False)
class Objective:
    """A scalar to be minimised, and what it is differentiated for.

    block:      computes the output "loss"
    gradients:  the same block with the adjoint equations
    wrt:        each trained parameter with its gradient
    """

    block: Block
    gradients: Block
    wrt: Mapping[sp.Symbol, Operand]

    @property
    def touched(self) -> dict[sp.Symbol, Lists | None]:
        """The rows that gradients have, of parameters whose rows are looked up; None for all."""
        builder = Builder.of(self.gradients)
        tables = looked_up(self.block)
        return {
            p: touched_rows(builder, g)
            for p, g in self.wrt.items()
            if self.block.inputs[p] in tables
        }

    @property
    def gradient_block(self) -> Block:
        """The gradients as outputs, by the parameters' names."""
        builder = Builder.of(self.gradients)
        outputs = {p.name: shaped(builder, builder.value(g), p) for p, g in self.wrt.items()}
        return builder.block(outputs)


def over_the_batch(captured: Block, reduction: str) -> Block:
    """The loss of a mini-batch: E[loss], or n E[loss] for "sum".

    A loss in which nothing is per sample is taken as it stands.
    """
    loss = captured.outputs["loss"]
    if not loss.per_sample:
        return captured
    builder = Builder.of(captured)
    total = builder.apply("expectation", loss)
    if reduction == "sum":
        total = builder.batch_size * total
    return builder.block({"loss": total.operand})


@rare_collections()
def differentiate(block: Block, parameters: Sequence[sp.Symbol]) -> Objective:
    """The gradients of a block's loss for the parameters, which are its inputs.

    The derivatives are those of the loss's stable form.
    """
    block = replace(with_converses(simplify(block, STABLE)), inputs=block.inputs)
    names = [block.inputs[p] for p in parameters]
    gradients, operands = derive(block, block.outputs["loss"], names)
    return Objective(block, gradients, dict(zip(parameters, operands, strict=True)))


def check_loss(captured: Block) -> Block:
    """The block, unless its loss is a condition (TypeError) or no scalar (ValueError)."""
    loss = captured.outputs["loss"]
    if loss.kind == "bool":
        raise TypeError("the loss is a condition, not a number: sg.indicator makes it 0 or 1")
    if loss.shape != ():
        raise ValueError(
            f"the loss has shape {loss.shape} for one sample, and should be a scalar: reduce it "
            "with sg.sum(loss) or sg.mean(loss)"
        )
    return captured
