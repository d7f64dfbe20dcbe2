"""Calls of library routines: operations of kind "library" on whole matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from symgrad.language.row import TABLE
from symgrad.lower.kernel import Buffer, Call, Stack
from symgrad.lower.nodes import Node, Operand

if TYPE_CHECKING:
    from symgrad.lower.normalize import Normalizer

FACTORS = "factors"  # LU factors of a matrix: no operation that anybody writes
FACTORED = ("det", "inv", "logdet", "solve")  # what is computed from them
# ---- elements of scratch memory for matrices of n rows: factors, pivots, what LAPACK asks for
WORK = {"eigvalsh": (1, 4), "eigenvectors": (1, 5), "cofactor": (3, 9), "cofactor_along": (4, 9)}


def is_call(x: Node) -> bool:
    row = TABLE.get(x.operation)
    return x.operation == FACTORS or (row is not None and row.kind == "library")


def is_readable(x: Operand) -> bool:
    """Whether a routine can read the value where it lies: an array of the kernel's dtype."""
    at_hand = x.operation != "input" or x.attributes["role"] in ("parameter", "state", "constant")
    return at_hand and x.kind == "float" and not x.wide


def readable(s: Normalizer, x: Node) -> Node:
    """The value where a routine can read it: itself, or a copy."""
    if is_readable(x):
        return x
    copy = s.make("broadcast_to", [x], x.extents, lead=x.lead, label=x.label)
    copy.wide, copy.uses = False, 1
    return copy


def call(x: Node, buffer: Buffer, memory: Mapping[Node, Buffer]) -> Call:
    """The statement that computes x into the buffer."""
    n = x.operands[0].shape[-1]
    k = x.shape[-1] if len(x.operands) > 1 else n
    squares, lines = WORK.get(x.operation, (0, 0))
    work = Buffer("scratch", "", (squares * n * n + lines * n + 1,), buffer.dtype)
    stacks = (_stack(y, 2, memory[y]) for y in x.operands)
    rank = x.rank - x.operands[0].rank + 2  # of what one matrix becomes
    flags = tuple(int(v) for _, v in sorted(x.attributes.items()))
    return Call(x.operation, _stack(x, rank, buffer), tuple(stacks), (n, k), flags, work)


def _stack(x: Node, rank: int, buffer: Buffer) -> Stack:
    extents = x.extents[: len(x.extents) - rank]
    if None in extents[1:]:
        raise ValueError(
            f"matrices in a stack of shape {x.body}: the axis of the mini-batch has to come first "
            "in the compiled targets, and only once"
        )
    return Stack(buffer, math.prod(e for e in extents if isinstance(e, int)), None in extents)
