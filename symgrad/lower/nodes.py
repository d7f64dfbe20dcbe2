"""The mathematics as lowering sees it: nodes with every axis written out.

The samples of a mini-batch are an axis like any other, in front of what is per sample; with a batch
size of 1 there is none.  `E[z]` is the total over it times 1/n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgrad.calculus.magnitude import is_moderate


@dataclass(frozen=True, slots=True)
class Ragged:
    """The extent of a list: its length is `size`, a number for each sample, at most `limit`."""

    size: sp.Symbol
    limit: int


Extent = int | Ragged | None  # None: n, the samples of the mini-batch, at most the batch size
Operand = Any  # Node | sp.Expr (a number)
MANY = 12  # terms of a sum, or results of a program
SAMPLE = "#"  # the sample axis among the letters of a contraction
VIEWS = frozenset({"broadcast_to", "transpose", "reshape", "slice", "batch", "own"})


@dataclass(eq=False, slots=True)
class Node:
    """One value.

    extents:   of every axis, the sample axis (None) in front where lead is 1
    shape:     the same as sizes; n counts as the batch size
    wide:      a number of the step (rates, schedules, losses), or of a row (the step that it is
               up to): float64 in every dtype
    summed:    a scalar that comes from a total over samples, or from one
    constant:  the same in the whole run; nothing of a sample's own length is
    uses:      how often operations, outputs and writes use it
    """

    operation: str
    operands: tuple[Operand, ...]
    attributes: dict[str, Any]
    extents: tuple[Extent, ...]
    shape: tuple[int, ...]
    kind: str = "float"
    lead: int = 0
    wide: bool = False
    summed: bool = False
    constant: bool = False
    label: str = ""
    uses: int = 0
    symbol: sp.Symbol | None = None
    parts: list[Any] = field(default_factory=list)

    @property
    def nodes(self) -> Iterator[Node]:
        return (x for x in self.operands if isinstance(x, Node))

    @property
    def rank(self) -> int:
        """Number of axes without the sample axis."""
        return len(self.extents) - self.lead

    @property
    def body(self) -> tuple[Extent, ...]:
        return self.extents[self.lead :]

    def __repr__(self) -> str:
        return f"<{self.label or self.operation} {self.extents}>"


def node(
    operation: str,
    operands: Sequence[Operand],
    extents: tuple[Extent, ...],
    batch: int,
    **more: Any,
) -> Node:
    """A node whose level follows from its operands."""
    nodes = [x for x in operands if isinstance(x, Node)]
    more.setdefault("lead", max((x.lead for x in nodes), default=0))
    more.setdefault("attributes", {})
    shape = tuple(largest(e, batch) for e in extents)
    plain = not more["lead"]
    summed = plain and not extents and (operation == "total" or any(x.summed for x in nodes))
    return Node(
        operation,
        tuple(operands),
        extents=extents,
        shape=shape,
        wide=summed or (bool(nodes) and plain and all(x.wide for x in nodes)),
        summed=summed,
        constant=all(isinstance(e, int) for e in extents) and all(x.constant for x in nodes),
        **more,
    )


def largest(extent: Extent, batch: int) -> int:
    """The largest size that an axis may have."""
    if isinstance(extent, Ragged):
        return extent.limit
    return batch if extent is None else extent


def is_scalar(x: Operand) -> bool:
    """A number, or one value for the whole step."""
    return not isinstance(x, Node) or (not x.extents and not x.lead)


def is_steady(x: Node) -> bool:
    """Whether no number in a product is so large or small that it must stay where it is."""
    return all(isinstance(y, Node) or is_moderate(y) for y in x.operands)


def ordered(sinks: Iterable[Node]) -> list[Node]:
    """Every node that the sinks need, operands first; counts uses on the way.

    Of many sinks, and of the terms of a long sum, what needs the fewest steps comes first: in a
    long chain then, whatever hangs on a link follows that link, and need not wait for the end.
    """
    sinks = list(sinks)
    height: dict[Node, int] = {}
    for x in _postorder(sinks, lambda x: list(x.nodes)):
        height[x] = 1 + max((height[y] for y in x.nodes), default=0)

    def shallow_first(nodes: list[Node]) -> list[Node]:
        return sorted(nodes, key=height.__getitem__) if len(nodes) >= MANY else nodes

    found = _postorder(
        shallow_first(sinks),
        lambda x: shallow_first(list(x.nodes)) if x.operation == "add" else list(x.nodes),
    )
    for x in found:
        x.uses = 0
    for x in found:
        for y in x.nodes:
            y.uses += 1
    return found


def _postorder(sinks: list[Node], operands: Callable[[Node], list[Node]]) -> list[Node]:
    found: dict[Node, None] = {}
    stack: list[tuple[Node, bool]] = [(s, False) for s in reversed(sinks)]
    while stack:
        x, done = stack.pop()
        if done:
            found[x] = None
        elif x not in found:
            stack.append((x, True))
            stack.extend((y, False) for y in reversed(operands(x)) if y not in found)
    return list(found)
