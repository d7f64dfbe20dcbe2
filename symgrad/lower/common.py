"""A number that a linear part of a block has in common is left to what follows the part.

    g = 2 u;  h = 2 v                           g = u;  h = v
    x_bar = g s + h t                  ->       x_bar = g s + h t
    E[x_bar],  E[x_bar y]                       2 E[x_bar],  2 E[x_bar y]

The adjoints of squares are such a part: the number is no longer multiplied for every sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import sympy as sp

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.magnitude import is_moderate

MOST = 4  # numbers that are tried, the most frequent ones


def without_common_numbers(block: Block, batch: int) -> Block:
    """The block without multiplications that can be left to what is one value for the step."""
    numbers = Counter(
        abs(number_of(e))
        for e in block.equations
        if e.operation == "mul" and e.name.per_sample and e.name.shape == ()
    )
    del numbers[sp.S.One]
    for number, _ in numbers.most_common(MOST):
        if number and is_moderate(number):
            block = _Parts(block, number, batch).improved()
    return block


def number_of(e: Equation) -> sp.Expr:
    """The number in a product."""
    numbers = [x for x in e.operands if not isinstance(x, Name)]
    return numbers[0] if len(numbers) == 1 else sp.Mul(*numbers)


class _Parts:
    """What is linear in products by one number, from these products on.

    made:    name -> its equation
    parent:  a name in a part -> another one of it, or itself
    gains:   multiplications that a part would do without, in all samples; by its root
    inner:   names that are read in their part
    ends:    those that are read outside of it
    """

    def __init__(self, block: Block, number: sp.Expr, batch: int) -> None:
        self.block, self.number, self.batch = block, number, batch
        self.signed = (number, -number)
        self.made = {e.name: e for e in block.equations}
        self.parent: dict[Name, Name] = {}
        self.gains: Counter[Name] = Counter()
        self.inner: set[Name] = set()
        self.ends: set[Name] = set()
        for e in block.equations:
            self._add(e)
        given = (*block.outputs.values(), *block.writes.values(), *block.row_names)
        self.ends.update(x for x in given if x in self.parent)

    def _add(self, e: Equation) -> None:
        inside = self._inside(e)
        if not self._is_linear(e, inside):
            self.ends.update(inside)
        elif inside:
            self.inner.update(inside)
            first, *others = dict.fromkeys(map(self._root, inside))
            for x in others:
                self.parent[x] = first
                self.gains[first] += self.gains.pop(x)
            self.parent[e.name] = first
        else:
            self.parent[e.name] = e.name
            self.gains[e.name] = self.batch

    def _inside(self, e: Equation) -> list[Name]:
        return [x for x in e.names if x in self.parent]

    def _is_linear(self, e: Equation, inside: Sequence[Name]) -> bool:
        """Whether it belongs to the part of these operands or, where there are none, begins one."""
        if e.name.shape or e.name.kind != "float":
            return False
        if e.operation == "mul":
            return len(inside) == 1 or (not inside and self._begins(e))
        every = e.operation == "expectation" or e.operation == "add"
        return bool(inside) and every and len(inside) == len(e.operands)

    def _begins(self, e: Equation) -> bool:
        """Whether it is a product by the number."""
        return e.name.per_sample and bool(e.names) and number_of(e) in self.signed

    def _root(self, x: Name) -> Name:
        while self.parent[x] is not x:
            self.parent[x] = self.parent[self.parent[x]]
            x = self.parent[x]
        return x

    # ---- the block without the number

    def improved(self) -> Block:
        costs: Counter[Name] = Counter()
        for x in self.ends:
            costs[self._root(x)] += self._cost(self.made[x])
        chosen = {root for root, gain in self.gains.items() if gain > costs[root]}
        if not chosen:
            return self.block
        found: list[Equation] = []
        without: dict[Operand, Operand] = {}  # name in such a part -> the value without the number
        for e in self.block.equations:
            is_chosen = e.name in self.parent and self._root(e.name) in chosen
            found += self._rewritten(e, without) if is_chosen else [e]
        return replace(self.block, equations=tuple(found))

    def _cost(self, e: Equation) -> int:
        """Multiplications by the number at an end of a part."""
        if self._is_multiplied(e) and any(not isinstance(x, Name) for x in e.operands):
            is_free = not e.name.per_sample or abs(number_of(e)) != 1
            return 0 if is_free else self.batch
        return self.batch if e.name.per_sample else 1

    def _is_multiplied(self, e: Equation) -> bool:
        """Whether a product at an end takes the number in, as nobody needs it without."""
        return e.operation == "mul" and e.name not in self.inner and bool(self._inside(e))

    def _rewritten(self, e: Equation, without: dict[Operand, Operand]) -> Iterator[Equation]:
        x, is_end = e.name, e.name in self.ends
        names = tuple(without.get(y, y) for y in e.operands if isinstance(y, Name))
        number = number_of(e) if e.operation == "mul" else sp.S.One
        if is_end and self._is_multiplied(e):
            yield replace(e, operands=(self.number * number, *names))
            return
        begins = not self._inside(e)
        if begins:
            number /= self.number
        if begins and number == 1 and len(names) == 1:
            without[x] = names[0]
        else:
            label = f"{x.label}/{self.number}" if x.label else ""
            without[x] = rest = Name(label, (), per_sample=x.per_sample)
            yield replace(e, name=rest, operands=(*([number] if number != 1 else []), *names))
        if is_end:
            yield Equation(x, "mul", (self.number, without[x]))
