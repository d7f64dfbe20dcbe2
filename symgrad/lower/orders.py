"""Contractions that others read lie in memory in the order that makes the fewest matrix products.

    q[n, h, t, e] = x[n, t, d] W[d, h, e]       a product for every sample and head
    q[n, t, h, e] = x[n, t, d] W[d, h, e]       one product for all of them

Those that read q see it transposed: which of its axes come first is the same to a matrix product.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence

from symgrad.lower.nodes import VIEWS, Node, node
from symgrad.lower.products import match

MOST_AXES = 4  # of which all orders are tried
NO_PRODUCT = 2**40  # products that a contraction counts as which is none


def in_good_orders(nodes: Sequence[Node], kept: Collection[Node], batch: int) -> list[Node]:
    """The nodes with such contractions in better orders, and views of them as they were.

    kept: those that are needed as they are
    """
    readers: dict[Node, list[Node]] = {}
    for x in nodes:
        for y in x.nodes:
            readers.setdefault(y, []).append(x)
    found: list[Node] = []
    for x in nodes:
        found.append(x)
        if x.operation == "einsum" and x not in kept and 1 < x.rank <= MOST_AXES:
            contractions = list(_contractions(x, readers))
            if contractions and all(y.operation == "einsum" for y in contractions):
                found += _turned(x, readers[x], contractions, batch)
    return found


def _contractions(x: Node, readers: dict[Node, list[Node]]) -> Iterator[Node]:
    """What reads x, through views."""
    for y in readers.get(x, ()):
        if y.operation in VIEWS:
            yield from _contractions(y, readers)
        else:
            yield y


def _turned(
    x: Node, readers: Sequence[Node], contractions: Sequence[Node], batch: int
) -> list[Node]:
    """Put x into its best order; what stands for x as it was."""
    as_it_was = x.attributes, x.extents, x.shape
    view = node("transpose", [x], x.extents, batch, lead=x.lead, kind=x.kind)
    view.uses, x.uses = x.uses, 1
    for y in readers:
        y.operands = tuple(view if z is x else z for z in y.operands)
    best, least = tuple(range(x.rank)), None
    for order in itertools.permutations(range(x.rank)):
        _put(x, view, as_it_was, order)
        count = _products([x, *contractions], batch)
        if least is None or count < least:
            best, least = order, count
    _put(x, view, as_it_was, best)
    if best != tuple(range(x.rank)):
        return [view]
    for y in readers:
        y.operands = tuple(x if z is view else z for z in y.operands)
    x.uses = view.uses
    return []


def _put(x: Node, view: Node, as_it_was: tuple, order: tuple[int, ...]) -> None:
    attributes, *sizes = as_it_was
    places = (*range(x.lead), *(x.lead + a for a in order))
    x.attributes = {**attributes, "out": tuple(attributes["out"][a] for a in places)}
    x.extents, x.shape = (tuple(s[a] for a in places) for s in sizes)
    view.attributes = {"axes": tuple(order.index(a) for a in range(len(order)))}


def _products(contractions: Sequence[Node], batch: int) -> int:
    """How many products they are; loop nests count as more than any."""
    found = [match(x) for x in contractions]
    return sum(m.products(batch) if m else NO_PRODUCT for m in found)
