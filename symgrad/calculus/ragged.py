"""Blocks over lists of varying length and over what sparse data store: what runs.

Sparse data become lists here, and what has no meaning for lists is refused: every target then
sees pointwise operations, indexing, sums and contractions along such axes, and few others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy as sp

from symgrad.calculus.block import Block, Equation, Name
from symgrad.calculus.simplify import simplify, without_dead_code
from symgrad.calculus.sparse import sparsified
from symgrad.calculus.stabilize import STABLE
from symgrad.language.ragged import entries_of, is_length, is_sparse
from symgrad.language.row import TABLE

ALONG = {
    "gather", "scatter", "einsum", "sum", "mean", "prod", "amax", "amin", "broadcast_to",
    "transpose", "reshape", "slice", "unslice", "concatenate", "softmax", "log_softmax",
    "logsumexp",
}  # fmt: skip


def by_entries(block: Block) -> Block:
    """The block over entries; itself where no data are sparse or ragged.

    Raises ValueError, in prose, for what cannot be done with them.
    """
    if not any(is_sparse(s) or entries_of(s) is not None for s in block.inputs):
        return block
    lists = sparsified(simplify(block, STABLE))
    for e in lists.equations:
        _check(e, lists)
    for label, name in lists.outputs.items():
        if _is_ragged(name):
            raise ValueError(
                f"the output {label!r} has the shape {name.shape}, another number of values for "
                "each sample: reduce it with sg.sum, sg.mean or sg.max over that axis"
            )
    lists = without_dead_code(lists)
    kept = {s: name for s, name in block.inputs.items() if not is_sparse(s)}
    return replace(lists, inputs={**kept, **lists.inputs})


def _is_ragged(x: Any) -> bool:
    return isinstance(x, Name) and any(map(is_length, x.shape))


def _check(e: Equation, block: Block) -> None:
    """Raise ValueError unless an equation has a meaning along axes of varying length."""
    if not (_is_ragged(e.name) or any(map(_is_ragged, e.operands))):
        return
    if TABLE[e.operation].kind == "pointwise":
        return
    if e.operation not in ALONG:
        raise _refused(e, block, f"{e.operation} is not available along such an axis")
    if e.operation in ("reshape", "slice", "unslice", "concatenate") and not _stands_alone(e):
        raise _refused(e, block, f"{e.operation} may not change or join such an axis")


def _stands_alone(e: Equation) -> bool:
    """Whether a rearrangement leaves the ragged axis as it is."""
    (x, *_), y = e.names, e.name
    if e.operation == "concatenate":
        return not any(is_length(z.shape[e.attribute("axis")]) for z in e.names)
    if e.operation != "reshape":
        spec = e.attribute("spec")
        shape = x.shape if e.operation == "slice" else y.shape
        pairs = zip(spec, shape, strict=True)
        return all(part == ("range", 0, size, 1) for part, size in pairs if is_length(size))
    return _before(x.shape) == _before(y.shape)


def _before(shape: tuple) -> list[list]:
    """The sizes other than 1 in front of each ragged axis, and its own."""
    ends = [k for k, size in enumerate(shape) if is_length(size)]
    return [[size for size in shape[: k + 1] if size != 1] for k in ends]


def _refused(e: Equation, block: Block, why: str) -> ValueError:
    from symgrad.calculus.express import Expressions

    x = next((x for x in e.names if _is_ragged(x)), e.name)
    size = next(s for s in x.shape if is_length(s))
    try:
        shown: sp.Expr | str = Expressions(block).of([e.name])[0]
    except KeyError:
        shown = e.operation
    return ValueError(
        f"{str(shown)[:200]}: an axis of size {size} has another length for each sample, and "
        f"{why}; such lists may serve as indices, go through pointwise functions and softmax, "
        "and be reduced (sg.sum, sg.mean, sg.max, @, sg.einsum)"
    )
