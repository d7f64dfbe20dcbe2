"""A number in a product joins a factor whose multiple is there already.

    s = 1.5/z                           s = 1.5/z
    d = -1.5 g (1/z)**2          ->     d = -g s (1/z)      where somebody else needs 1/z
                                        d = -2/3 g s**2     where not: s is made by one division

The second line is what differentiates the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import sympy as sp

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.magnitude import is_moderate
from symgrad.calculus.simplify import without_dead_code

MINUS = sp.Integer(-1)
MOST = 16  # products within a product that are looked through


def with_multiples(block: Block) -> Block:
    """The block with such products of numbers of the sample, each by an equation of its own."""
    finder = _Finder(block)
    equations = tuple(map(finder.improved, block.equations))
    if equations == block.equations:
        return block
    return without_dead_code(replace(block, equations=equations))


class _Finder:
    """made: name -> its equation; inverses: x -> 1/x; multiples: x, |k| -> k and k x."""

    def __init__(self, block: Block) -> None:
        self.made: dict[Operand, Equation] = {}
        self.uses = Counter(x for e in block.equations for x in e.operands)
        self.uses.update([*block.outputs.values(), *block.writes.values(), *block.row_names])
        self.inverses: dict[Operand, Name] = {}
        self.multiples: dict[tuple[Name, sp.Expr], tuple[sp.Expr, Name]] = {}

    def improved(self, e: Equation) -> Equation:
        """The equation, or a better one; from here on others may use its value."""
        found = e
        if _is_own(e.name) and e.operation == "mul":
            number, factors = self._unfolded(e.operands)
            if len(factors) == 1 and self.uses[e.name] > 1:
                self.multiples.setdefault((factors[0], abs(number)), (number, e.name))
            elif len(factors) > 1 and abs(number) != 1 and is_moderate(number):
                found = self._joined(e, number, factors) or e
        elif _is_own(e.name) and e.operation == "pow" and e.operands[1] == MINUS:
            self.inverses.setdefault(e.operands[0], e.name)
        self.made[e.name] = found
        return found

    def _joined(self, e: Equation, number: sp.Expr, factors: list[Name]) -> Equation | None:
        for x in dict.fromkeys(factors):
            known, multiple = self.multiples.get((x, abs(number)), (sp.S.One, None))
            if multiple is None:
                continue
            others = list(factors)
            others.remove(x)
            number, multiples = number / known, [multiple]
            if self.uses[x] == 1 and x in others:  # by the multiple
                others.remove(x)
                number, multiples = number / known, [multiple, multiple]
            numbers = [number] if number != 1 else []
            return replace(e, operands=(*numbers, *others, *multiples))
        return None

    def _unfolded(self, operands: tuple[Operand, ...]) -> tuple[sp.Expr, list[Name]]:
        """The number and the factors of a product, those of products within that it alone uses."""
        number, factors = sp.S.One, list[Name]()
        for x in self._factors(operands):
            if isinstance(x, Name):
                factors.append(x)
            else:
                number *= x
        return number, factors

    def _factors(self, operands: tuple[Operand, ...]) -> Iterator[Operand]:
        """By an explicit stack, and no more of a long chain of products than its end."""
        stack, left = list(reversed(operands)), MOST
        while stack:
            x = stack.pop()
            e = self.made.get(x)
            if e is None:
                yield x
            elif e.operation == "mul" and self.uses[x] == 1 and _is_own(e.name) and left:
                stack.extend(reversed(e.operands))
                left -= 1
            elif (
                e.operation == "pow"
                and e.operands[1] == 2 * MINUS
                and (e.operands[0] in self.inverses)
            ):
                yield from [self.inverses[e.operands[0]]] * 2
            else:
                yield x


def _is_own(x: Name) -> bool:
    """Whether it is a number of the sample."""
    return x.per_sample and x.shape == () and x.kind == "float"
