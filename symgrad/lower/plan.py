"""Which values get memory.

A value gets memory (is a root) where elements are summed or scattered, where a matrix product
reads it, and where computing its elements again would cost more than storing them.  Every other
value is computed inside the loops that use it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symgrad.lower import calls, costs, products
from symgrad.lower.linear import Term, linear_terms
from symgrad.lower.nodes import VIEWS, Node
from symgrad.lower.row_groups import GroupSums, GroupUpdates
from symgrad.lower.row_updates import RowUpdate

EXTREMES = frozenset({"amax", "amin", "max", "min"})
SUMS = frozenset({"sum", "prod", "amax", "amin", "total", "scatter", "unslice", "concatenate"})


class Plan:
    """The roots among a block's nodes, and the sums that are accumulated part by part.

    roots:    in the order of the nodes
    matches:  contraction -> the matrix product that it is
    sums:     root -> its terms, where some of them are accumulated into it
    absorbed: what has no memory of its own for that: terms that are accumulated, inner sums
    collected: data whose rows a product reads
    rows:     tables of which the touched rows change, and sums that are held as rows: their new
              values have no memory of their own
    """

    def __init__(
        self, nodes: list[Node], in_place: dict[Node, Node], kept: set[Node],
        rows: Sequence[RowUpdate | GroupSums | GroupUpdates] = (),
    ) -> None:  # fmt: skip
        self.nodes, self.in_place, self.rows = nodes, in_place, rows
        self.matches = {x: m for x in nodes if (m := products.match(x))}
        self.sums: dict[Node, list[Term]] = {}
        self.absorbed: set[Node] = {x for group in rows for x in group.inside}
        self.again: set[Node] = set()
        self.forced: set[Node] = {*kept, *(f for group in rows for f in group.factors)}
        self.collected: dict[Node, None] = {}
        self._find_sums()
        self._demand_memory()
        self._find_repeated()
        self.weight: dict[Node, int] = {}
        self.roots = [x for x in nodes if self._is_root(x)]
        self.is_root = set(self.roots)

    # ---- sums that are accumulated

    def _find_sums(self) -> None:
        holding = self._holding_parts()
        seen: set[Node] = set()  # inner sums have the parts of the outer one, or fewer
        for x in reversed(self.nodes):
            if x not in holding or x in seen or x in self.absorbed:
                continue
            terms, chain = linear_terms(x)
            seen.update(chain)
            parts = [t for _, t in terms if self._is_part(x, t)]
            if self._accumulates(x, parts):
                self.sums[x] = terms
                self.forced.add(x)
                self.absorbed.update(t for t in [*parts, *chain] if t is not x)
                self.forced.update(f for fs, _ in terms for f in fs if isinstance(f, Node))

    def _holding_parts(self) -> set[Node]:
        """Values that are, or add up, something that can be accumulated."""
        found: set[Node] = set()
        for x in self.nodes:
            inner = x.operation in ("add", "mul") and not found.isdisjoint(x.nodes)
            if inner or x in self.matches or x.operation in ("scatter", "unslice"):
                found.add(x)
        return found

    def _is_part(self, top: Node, term: Node) -> bool:
        if (term is not top and term.uses > 1) or term.extents != top.extents:
            return False
        return term in self.matches or term.operation in ("scatter", "unslice")

    def _accumulates(self, x: Node, parts: list[Node]) -> bool:
        if not parts:
            return False
        products_only = all(t in self.matches for t in parts)
        return not products_only or len(parts) > 1 or x in self.in_place or parts[0] is x

    # ---- memory that products and scatters want

    def _demand_memory(self) -> None:
        for x, m in self.matches.items():
            for operand in (m.a, m.b):
                base = operand.base
                if base.operation != "input":
                    self.forced.add(base)
                elif operand.collected:
                    self.collected[base] = None
            if x not in self.absorbed:
                self.forced.add(x)
        for x in self.nodes:
            if x.operation in ("scatter", "unslice") and isinstance(x.operands[0], Node):
                self.forced.add(x.operands[0])
            if calls.is_call(x):
                self.forced.update([x, *x.nodes])
            if x.operation in ("eq", "ne"):
                self._keep_compared(x)

    def _keep_compared(self, x: Node) -> None:
        """What is compared with its own maximum is computed once: a product and a sum, rounded
        once here and twice there, would equal no element."""
        for y in x.nodes:
            while y.operation in VIEWS and isinstance(y.operands[0], Node):
                y = y.operands[0]
            if y.operation in EXTREMES:
                self.forced.update([y, *y.nodes])

    # ---- values whose elements would be computed again and again

    def _find_repeated(self) -> None:
        for x in self.nodes:
            size = self._evaluations(x)
            for y in x.nodes:
                if math.prod(y.shape) < size:
                    self.again.add(y)
                if y.constant and not x.constant:
                    self.again.add(y)

    def _evaluations(self, x: Node) -> int:
        """How many elements of an operand x computes, at most."""
        if x.operation == "einsum" and x not in self.matches:
            return math.prod(s for s in _letter_sizes(x).values())
        if x.operation in ("slice", "sum", "prod", "amax", "amin", "total", "concatenate"):
            return 0
        return math.prod(x.shape)

    def _is_root(self, x: Node) -> bool:
        if x.operation == "input" or x in self.absorbed:
            self.weight[x] = 0
            return False
        weight = self._own_weight(x) + sum(self.weight[y] for y in set(x.nodes))
        limit = costs.CHEAP
        root = (
            x in self.forced
            or x.operation in SUMS
            or (x.operation == "einsum" and set(x.attributes["letters"]) > set(x.attributes["out"]))
            or (x.uses > 1 and weight > limit)
            or (x in self.again and weight > (0 if len(x.extents) <= x.lead else limit))
        )
        self.weight[x] = 0 if root else weight
        return root

    def _own_weight(self, x: Node) -> int:
        if costs.is_primitive(x.operation):
            return costs.pointwise(x.operation, x.operands)
        return len(x.operands) - 1 if x.operation == "einsum" else 0


def _letter_sizes(x: Node) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for term, v in zip(x.attributes["terms"], x.operands, strict=True):
        sizes.update(zip(term, getattr(v, "shape", ()), strict=True))
    return sizes
