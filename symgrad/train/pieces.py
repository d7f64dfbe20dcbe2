"""Whether a block may be worked off in pieces of the mini-batch, with the result of the whole.

Every name depends on the samples of the mini-batch in one of four ways:

    fixed    not at all
    sample   on its own sample alone
    mean     as a mean over the samples: pieces are averaged, weighted by their sizes
    coupled  in another way: only the whole will do
"""

from __future__ import annotations

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.language.symbols import batch_size

LINEAR = {"sum", "mean", "broadcast_to", "reshape", "transpose", "slice", "unslice", "concatenate"}
ELEMENTS = 2**24  # of a piece, in all its per-sample values together
LARGEST = 1024  # samples in a piece


def dependence(block: Block) -> dict[Operand, str]:
    """How each name of a block depends on the samples of the mini-batch."""
    ways: dict[Operand, str] = {}
    for symbol, name in block.inputs.items():
        ways[name] = "sample" if name.per_sample else "coupled" if symbol == batch_size else "fixed"
    for e in block.equations:
        ways[e.name] = _way(e, [ways[x] for x in e.names])
    return ways


def _way(e: Equation, operands: list[str]) -> str:
    ways = set(operands)
    if (
        "coupled" in ways
        or e.operation in ("batch", "own", "converse")
        or _mentions_size(e.name.shape)
    ):
        return "coupled"
    if ways <= {"fixed"}:
        return "fixed"
    if "mean" not in ways:
        return "mean" if e.operation == "expectation" else "sample"
    affine = e.operation == "add" and "sample" not in ways
    scaled = e.operation in ("mul", "einsum") and sorted(operands)[-2:] != ["mean", "mean"]
    scaled = scaled and "sample" not in ways
    linear = e.operation in LINEAR and "sample" not in ways
    return "mean" if affine or scaled or linear else "coupled"


def _mentions_size(shape: tuple) -> bool:
    return batch_size in shape


def check_predictable(label: str, block: Block) -> None:
    """Raise ValueError unless an output depends on its own sample alone."""
    way = dependence(block)[block.outputs[label]]
    if way in ("mean", "coupled"):
        raise ValueError(
            f"the output {label!r} reads the whole mini-batch (through sg.expectation, sg.batch or "
            "sg.batch_size), so its value would depend on which samples are predicted together: "
            "keep a running average in an sg.state, or a number in an sg.hyper, and predict "
            "through that"
        )


class Pieces:
    """In which pieces of the mini-batch a block's outputs can be computed.

    apart: whether in pieces at all
    """

    def __init__(self, block: Block) -> None:
        ways = dependence(block)
        self.apart = all(ways[name] != "coupled" for name in block.outputs.values())
        elements = sum(_elements(e.name) for e in block.equations) + 1
        most = min(max(ELEMENTS // elements, 1), LARGEST)
        self._most = 1 << (most.bit_length() - 1)

    def size(self, n: int) -> int:
        """Samples in a piece of n: a power of two, so that few kernels serve all numbers of them;
        all, where only the whole will do."""
        return min(self._most, 1 << (n - 1).bit_length()) if self.apart else n


def _elements(name: Name) -> int:
    count = int(name.per_sample)
    for size in name.shape:
        count *= size if isinstance(size, int) else LARGEST
    return count
