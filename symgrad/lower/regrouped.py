"""Sums over samples become one where the value that joins them is there already.

    y = c x - s z;  w = s x + c z
    c E[h x - g z] - s E[g x + h z]   ->   E[h y - g w]

The gradient for an angle is of that kind: the scalars of the step, c and s, have made y and w on
the way forward.  Of the two sums one is left, and half of the products.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sympy as sp

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.simplify import without_dead_code

MINUS = sp.Integer(-1)
FEWEST = 4  # products in sums over samples
DEEPEST = 50  # sums and multiples that are looked through


class Term(NamedTuple):
    """number * scalars of the step * E[product of two values]"""

    number: sp.Expr
    scalars: tuple[Name, ...]
    factors: tuple[Name, Name]


class Joined(NamedTuple):
    """E[sign * factor * value]"""

    sign: sp.Expr
    factor: Name
    value: Name


def regrouped(block: Block) -> Block:
    """The block with such sums joined."""
    if sum(e.operation == "expectation" for e in block.equations) < FEWEST:
        return block
    finder = _Finder(block)
    equations: list[Equation] = []
    for e in block.equations:
        found = finder.joined(e)
        equations += [e] if found is None else _equations(e.name, found)
    if len(equations) == len(block.equations):
        return block
    return without_dead_code(replace(block, equations=tuple(equations)))


def _equations(name: Name, found: Sequence[Joined]) -> list[Equation]:
    """What makes the name the mean of the sum."""
    products = [Name("", (), per_sample=True) for _ in found]
    total = Name("", (), per_sample=True)
    return [
        *(Equation(p, "mul", (*([j.sign] if j.sign != 1 else []), j.factor, j.value))
          for p, j in zip(products, found, strict=True)),
        Equation(total, "add", tuple(products)),
        Equation(name, "expectation", (total,)),
    ]  # fmt: skip


class _Finder:
    """made: name -> its equation; sums: sums of two products, by their terms."""

    def __init__(self, block: Block) -> None:
        self.made: dict[Operand, Equation] = {e.name: e for e in block.equations}
        self.uses = Counter(x for e in block.equations for x in e.operands)
        self.uses.update([*block.outputs.values(), *block.writes.values(), *block.row_names])
        names = (*block.inputs.values(), *(e.name for e in block.equations))
        self.number = {name: k for k, name in enumerate(names)}
        self.sums: dict[frozenset, Name] = {}
        for e in block.equations:
            if e.operation == "add" and e.name.per_sample and _is_scalar(e.name):
                products = [self._product(x) for x in e.operands]
                if len(products) == 2 and all(names for _, names in products):
                    terms = [(number, self._sorted(names)) for number, names in products]
                    self.sums.setdefault(frozenset(terms), e.name)

    def joined(self, e: Equation) -> list[Joined] | None:
        """What the equation's name is the mean of, if its sums can be joined."""
        if e.operation != "add" or e.name.per_sample or not _is_scalar(e.name):
            return None
        terms = self._linear(e)
        if terms is None or len(terms) < FEWEST:
            return None
        found: list[Joined] = []
        by_factor: dict[Name, list[int]] = defaultdict(list)
        for k, term in enumerate(terms):
            for x in dict.fromkeys(term.factors):
                by_factor[x].append(k)
        left = dict.fromkeys(range(len(terms)))
        while left:
            k = next(iter(left))
            pair = self._pair(terms, k, by_factor, left, before=self.number[e.name])
            if pair is None:
                return None
            found.append(pair[1])
            del left[k], left[pair[0]]
        return found

    def _pair(
        self, terms: Sequence[Term], k: int, by_factor: Any, left: Any, before: int
    ) -> tuple[int, Joined] | None:
        """Another term with a factor in common, and what both are."""
        for g in terms[k].factors:
            for other in by_factor[g]:
                if other == k or other not in left:
                    continue
                for sign in (sp.S.One, MINUS):
                    both = [self._without(terms[i], g, sign) for i in (k, other)]
                    value = self.sums.get(frozenset(both))
                    if value is not None and self.number[value] < before:
                        return other, Joined(sign, g, value)
        return None

    def _without(self, term: Term, g: Name, sign: sp.Expr) -> tuple[sp.Expr, tuple[Name, ...]]:
        rest = list(term.factors)
        rest.remove(g)
        return sign * term.number, self._sorted((*term.scalars, *rest))

    def _sorted(self, names: Iterable[Name]) -> tuple[Name, ...]:
        return tuple(sorted(names, key=self.number.__getitem__))

    # ---- a scalar of the step as a sum of means

    def _linear(self, e: Equation, depth: int = 0) -> list[Term] | None:
        """The terms of an equation, if each part of it is used for nothing else."""
        if depth > DEEPEST:
            return None
        if e.operation == "expectation":
            return self._products(e.operands[0])
        if e.operation == "add":
            parts = [self._once(x, depth) for x in e.operands]
            if any(p is None for p in parts):
                return None
            return [term for p in parts for term in p or ()]
        if e.operation != "mul":
            return None
        for k, x in enumerate(e.operands):
            terms = self._once(x, depth)
            if terms is not None:
                others = [y for i, y in enumerate(e.operands) if i != k]
                return self._times(terms, others)
        return None

    def _once(self, x: Operand, depth: int) -> list[Term] | None:
        e = self.made.get(x)
        plain = e is not None and self.uses[x] == 1 and _is_scalar(e.name) and not e.name.per_sample
        return self._linear(e, depth + 1) if e is not None and plain else None

    def _times(self, terms: Sequence[Term], others: Sequence[Operand]) -> list[Term] | None:
        scalars = tuple(y for y in others if isinstance(y, Name))
        if not all(map(_is_scalar, scalars)):
            return None
        number = sp.Mul(*(y for y in others if not isinstance(y, Name)))
        return [Term(number * t.number, (*t.scalars, *scalars), t.factors) for t in terms]

    def _products(self, z: Operand) -> list[Term] | None:
        """What is averaged as terms, if each is a product of two values of the sample."""
        e = self.made.get(z)
        is_sum = e is not None and e.operation == "add" and self.uses[z] == 1
        parts = e.operands if e is not None and is_sum else (z,)
        found: list[Term] = []
        for x in parts:
            number, names = self._product(x)
            if len(names) != 2 or not all(y.per_sample and _is_scalar(y) for y in names):
                return None
            found.append(Term(number, (), (names[0], names[1])))
        return found

    def _product(self, x: Operand) -> tuple[sp.Expr, tuple[Name, ...]]:
        """A number and names whose product x is; for a multiple of a name stands that name."""
        e = self.made.get(x)
        operands = e.operands if e is not None and e.operation == "mul" else (x,)
        pairs = [self._multiple(y) for y in operands]
        return sp.Mul(*(k for k, _ in pairs)), tuple(y for _, y in pairs if y is not None)

    def _multiple(self, y: Operand) -> tuple[sp.Expr, Name | None]:
        """The number and the name whose product y is."""
        if not isinstance(y, Name):
            return y, None
        e = self.made.get(y)
        if e is not None and e.operation == "mul" and len(e.operands) == 2 and len(e.names) == 1:
            return e.operands[0], e.names[0]
        return sp.S.One, y


def _is_scalar(x: Name) -> bool:
    return x.shape == () and x.kind == "float"
