"""Sums that are accumulated part by part: matrix products, scatters, and what else is added.

    p + c a @ b          one product with alpha = c, beta = 1, on p itself
    mu v + a @ b         the same with beta = mu
    p - lr scatter(g)    the touched rows of p only
    a @ b + c @ d        two products into one memory

A new value stands in the memory of the old one where nobody reads that later.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from symgrad.lower import index as ix
from symgrad.lower.element_rules import gather_index, sliced
from symgrad.lower.expressions import At
from symgrad.lower.kernel import Axis, Buffer, Expression, Matrix, Number, Product, Store, Update
from symgrad.lower.linear import Term
from symgrad.lower.nodes import Node
from symgrad.lower.products import Match, Operand
from symgrad.lower.scale import product_of, scale, scaled_sum

if TYPE_CHECKING:
    from symgrad.lower.elements import Elements
    from symgrad.lower.tasks import Axes


class NotInPlace(Exception):
    """A new value cannot stand in the memory of the old one, which is still to be read."""

    def __init__(self, old: Buffer) -> None:
        super().__init__(f"{old.label} is read after its new value is complete")
        self.symbol = old.symbol


class Sums:
    """Makes the tasks of one block's accumulated sums."""

    def __init__(self, nests: Any) -> None:
        self.nests, self.elements, self.plan = nests, nests.elements, nests.plan

    def accumulate(self, x: Node) -> None:
        target = self.plan.in_place.get(x)
        buffer = self._buffer(x, target)
        if not x.constant:
            self.nests.changing.add(buffer)
        products, others, own, rest = (list[Term]() for _ in range(4))
        for term in self.plan.sums[x]:
            y = term[1]
            kind = (
                products if y in self.plan.matches and self._is_part(x, y)
                else others if y.operation in ("scatter", "unslice") and self._is_part(x, y)
                else own if y is target
                else rest
            )  # fmt: skip
            kind.append(term)
        products.sort(key=self._is_summed)  # these add to what is there
        whole = bool(products) and not self._is_summed(products[0])
        beta = self._begin(x, buffer, own, rest, whole)
        for term in products:
            self._product(buffer, term, beta)
            beta = self.elements.number(1, buffer.dtype)
        for term in others:
            self._added(x, buffer, term)
        self.elements.memory[x] = buffer

    def _is_summed(self, term: Term) -> bool:
        """Whether it is a product of each sample, which are added up."""
        return self.plan.matches[term[1]].summed

    def _is_part(self, x: Node, y: Node) -> bool:
        return y is x or y in self.plan.absorbed

    def _buffer(self, x: Node, target: Node | None) -> Buffer:
        if target is None:
            return self.nests.buffer(x)
        old = self.elements.memory[target]
        return old.renewed

    def _begin(
        self, x: Node, buffer: Buffer, own: list[Term], rest: list[Term], products: bool
    ) -> Expression:
        """What is in memory before the parts are added; returns the first product's beta."""
        one, zero = (self.elements.number(v, buffer.dtype) for v in (1, 0))
        if not rest:
            beta = scaled_sum(self.elements, [(f, one) for f, _ in own], buffer.dtype)
            if products or (isinstance(beta, Number) and beta.value == 1):
                return beta
        axes, index = self.nests.axes.loops(x.extents)
        terms = [(f, self.elements.element(y, self.elements.below(x, y, index)))
                 for f, y in [*own, *rest]]  # fmt: skip
        value = scaled_sum(self.elements, terms, buffer.dtype) if terms else zero
        self.nests.add(Store(buffer, index, value), axes, x)
        return one

    def _factor(self, factors: tuple, dtype: str) -> Expression:
        return product_of(self.elements, scale(self.elements, factors, dtype), dtype)

    # ---- parts

    def _product(self, buffer: Buffer, term: Term, beta: Expression) -> None:
        factors, y = term
        m: Match = self.plan.matches[y]
        axes, index = self.nests.axes.loops(m.batch)
        a, b = self._matrix(m.a, index), self._matrix(m.b, index)
        if buffer.home in (a.buffer.home, b.buffer.home):
            raise NotInPlace(buffer.home)
        alpha = self._factor(factors, buffer.dtype)
        c = self._placed(m.c, buffer, index)
        statement = Product(c, a, b, m.sizes, alpha, beta, rows=m.rows)
        if c.transposed:  # (a b)' = b' a'
            flip = lambda t: Matrix(t.buffer, t.offset, not t.transposed, t.leading, t.collected)  # noqa: E731
            m_, n_, k_ = m.sizes
            turned = (n_, m_, k_)
            statement = Product(flip(c), flip(b), flip(a), turned, alpha, beta, rows=m.rows)
        self.nests.add(statement, axes, y)

    def _matrix(self, operand: Operand, index: At) -> Matrix:
        base, data = operand.base, self.elements.memory[operand.base]
        if data.role != "data":
            return self._placed(operand, data, index)
        if operand.collected:
            rows = self.nests.rows[base]
            placed = self._placed(operand, rows, index)
            return Matrix(rows, placed.offset, placed.transposed, placed.leading, data)
        sample = ix.ZERO
        if base.lead:  # its row of the data
            assert operand.sample is not None
            sample = index[operand.sample]
            index = tuple(ix.ZERO if i == operand.sample else x for i, x in enumerate(index))
        placed = self._placed(operand, data, index)
        first = ix.linear([(ix.of(self.elements.row(sample)), math.prod(base.shape[base.lead :]))])
        offset = ix.linear([(first, 1), (placed.offset, 1)])
        return Matrix(data, offset, placed.transposed, placed.leading)

    def _placed(self, operand: Operand, buffer: Buffer, index: At) -> Matrix:
        offset = ix.linear(zip(index, operand.steps, strict=True), operand.offset)
        return Matrix(buffer, offset, operand.transposed, operand.leading)

    def _added(self, x: Node, buffer: Buffer, term: Term) -> None:
        factors, y = term
        if y.operation == "scatter":
            axes, where, g = self._scattered(x, y)
        else:
            axes, where, g = self._unsliced(x, y)
        value = [*scale(self.elements, factors, buffer.dtype), self.elements.cast(g, buffer.dtype)]
        product = product_of(self.elements, value, buffer.dtype)
        self.nests.add(Update(buffer, where, "add", product), axes, y)

    def _scattered(self, x: Node, y: Node) -> tuple[tuple, At, Expression]:
        """Loops over g; where its elements go; g's element."""
        s = scattered(self.elements, self.nests.axes, y)
        places = (*s.found, *s.rest)
        return s.axes, (*s.at[: x.lead], *(places[a] for a in order_of(y))), s.element

    def _unsliced(self, x: Node, y: Node) -> tuple[tuple, At, Expression]:
        (g,) = y.operands
        body = g.body if isinstance(g, Node) else ()
        axes, index = self.nests.axes.loops(x.extents[: x.lead] + body)
        where = (*index[: x.lead], *sliced(y.attributes["spec"], index[x.lead :]))
        at = index if getattr(g, "lead", 0) else index[x.lead :]
        return axes, where, self.elements.element(g, at)


class Scattered(NamedTuple):
    """How a scatter goes through its rows of numbers, g.

    axes:    loops over g
    source:  the scatter as a value of every sample's own
    at:      g's row: samples, then the axes of the indices
    found:   where the row goes, an index for each axis that they select from
    rest:    the place in the row
    element: g's element
    """

    axes: tuple[Axis, ...]
    source: Node
    at: At
    found: At
    rest: At
    element: Expression


def order_of(y: Node) -> tuple[int, ...]:
    """The axes of a scatter, those that are selected first, in the order in which y has them."""
    return y.attributes.get("order", tuple(range(y.rank)))


def scattered(elements: Elements, axes: Axes, y: Node) -> Scattered:
    g, *indices = y.operands
    lead = max(getattr(v, "lead", 0) for v in y.operands)
    body = g.body if isinstance(g, Node) else ()
    loops, index = axes.loops((None,) * lead + body)
    rank = len(body) - (y.rank - len(indices))
    sizes = dict(zip(order_of(y), y.shape[y.lead :], strict=True))
    shape = (0,) * lead + tuple(sizes[a] for a in range(y.rank))
    source = Node("scatter", y.operands, {}, (), shape, lead=lead)
    at, rest = index[: lead + rank], index[lead + rank :]
    found = gather_index(elements, source, at, elements.element) or ()
    element = elements.element(g, elements.below(source, g, index))
    return Scattered(loops, source, at, found, rest, element)
