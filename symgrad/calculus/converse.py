"""Samples multiplied with each other, once for both samples of a pair.

    s = batch(z) @ q                    s = batch(z) @ q
    t = batch(q) @ z            ->      t = converse(s)             t_i[j] = s_j[i]

Before the derivatives are made: the adjoints of s and t are then added up before they are
multiplied, and of six products three are left.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.rewrite import Rewrite
from symgrad.calculus.simplify import simplify
from symgrad.language.row import TABLE, op
from symgrad.language.symbols import batch_size


def with_converses(block: Block) -> Block:
    """The block with one product for both sides, unless both are needed together, element by
    element: one of them would be read across its rows."""
    if not any(e.operation == "batch" for e in block.equations):
        return block
    found = simplify(block, CONVERSES)
    return block if _meet(found) else found


def _meet(block: Block) -> bool:
    """Whether a value is computed from products of pairs as they lie and from converses."""
    sides: dict[Operand, set[str]] = {}
    for e in block.equations:
        if e.name.shape[:1] == (batch_size,) and e.name.per_sample:
            plain = TABLE[e.operation].kind == "pointwise"
            below = set().union(*(sides.get(x, ()) for x in e.operands)) if plain else {e.operation}
            if below >= {"einsum", "converse"}:
                return True
            sides[e.name] = below
    return False


class Pairs(NamedTuple):
    """The mini-batch's `left` contracted with a sample's `right`, for every pair of samples.

    axes: of right, in the order of left's; scale: numbers and scalars of the step that multiply
    """

    left: Name
    right: Name
    axes: tuple[int, ...]
    scale: frozenset[tuple[Operand, int]]

    @property
    def converse(self) -> Pairs:
        back = tuple(self.axes.index(k) for k in range(len(self.axes)))
        return Pairs(self.right, self.left, back, self.scale)


def _from_converse(x: Value, y: Value, subscripts: str) -> Value | None:
    builder = x.builder
    pairs = _pairs(builder, (x.operand, y.operand), subscripts)
    if pairs is None or pairs.left is pairs.right:
        return None
    for e in builder.equations:
        if e.operation == "einsum" and _pairs_of(builder, e) == pairs.converse:
            return op.converse(builder.value(e.name))
    return None


def _pairs_of(builder: Builder, e: Equation) -> Pairs | None:
    return _pairs(builder, e.operands, e.attribute("subscripts"))


def _pairs(builder: Builder, operands: tuple[Operand, ...], subscripts: str) -> Pairs | None:
    """What a contraction is, if it is one of pairs."""
    left, out = subscripts.split("->")
    terms = left.split(",")
    if len(operands) != 2 or len(out) != 1 or any(len({*t}) < len(t) for t in terms):
        return None
    factors: Counter[Operand] = Counter()
    cores = [_core(builder, x, factors) for x in operands]
    for k, e in enumerate(map(builder.definition, cores)):
        own, inner = cores[1 - k], terms[k][1:]
        fits = terms[k][:1] == out and inner and sorted(inner) == sorted(terms[1 - k])
        if e is not None and e.operation == "batch" and fits and own.per_sample:
            every = _core(builder, e.operands[0], factors)
            axes = tuple(map(terms[1 - k].index, inner))
            return Pairs(every, own, axes, frozenset(factors.items()))
    return None


def _core(builder: Builder, x: Operand, factors: Counter[Operand]) -> Any:
    """x without the numbers and scalars of the step that multiply it, which are counted."""
    e = builder.definition(x)
    while e is not None and e.operation == "mul":
        shaped = [y for y in e.operands if not _is_factor(y)]
        if len(shaped) != 1 or shaped[0].shape != x.shape:
            break
        factors.update(y for y in e.operands if y is not shaped[0])
        x = shaped[0]
        e = builder.definition(x)
    return x


def _is_factor(x: Operand) -> bool:
    return not isinstance(x, Name) or (x.shape == () and not x.per_sample)


# fmt: off
CONVERSES: tuple[Rewrite, ...] = (
    Rewrite("batch(y) @ x = converse(batch(x) @ y)", ("einsum", "x", "y"), _from_converse),
)
# fmt: on
