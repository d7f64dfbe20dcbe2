"""Values for pairs of samples stay as they lie when they are seen from the other side.

    t = converse(s)                             t is never made: with s[i, j] for t[j, i]
    m = amax(t, axis 0)                 ->      m[j] = max over i of s[i, j]
    e = exp(t - m)                              e' [i, j] = exp(s[i, j] - m[j]);  e = converse(e')

So memory is read row by row, and what a sample has of all others is summed up in vectors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from symgrad.calculus.block import Equation, Name
from symgrad.language.row import TABLE
from symgrad.language.symbols import batch_size
from symgrad.lower.nodes import Node, Operand

if TYPE_CHECKING:
    from symgrad.lower.normalize import Normalizer

REDUCTIONS = frozenset({"sum", "mean", "prod", "amax", "amin"})


def converse(s: Normalizer, e: Equation, x: list) -> Operand:
    """The rule of `normalize`: a view of what lies in memory the other way round."""
    (z,) = x
    if not isinstance(z, Node) or not z.lead:
        return z  # of one sample, with itself
    if _is_converse(z):
        return _own(s, e, z.operands[0].operands[0])
    return _own(s, e, _transposed(s, _batch(s, z)))


def moved(s: Normalizer, e: Equation, x: list) -> Operand | None:
    """What an equation makes of converses, as the converse of what it makes of their pairs."""
    if not any(map(_is_converse, x)) or len(e.name.shape) > 1:
        return None
    if TABLE[e.operation].kind != "pointwise" and (e.operation not in REDUCTIONS):
        return None
    across = [_across(s, y) for y in x]
    if None in across:
        return None
    name = Name(e.name.label, (*e.name.shape, batch_size), e.name.kind)
    s.uses[name] = s.uses[e.name]
    made = s.translated(replace(e, name=name), across)
    if not isinstance(made, Node):
        return made
    return _own(s, e, _transposed(s, made) if made.rank == 2 else made)


def _own(s: Normalizer, e: Equation, x: Node) -> Node:
    """Each sample's row."""
    found = s.make("own", [x], x.extents, lead=1, kind=x.kind, label=e.name.label)
    found.uses = s.uses[e.name]
    return found


def _transposed(s: Normalizer, x: Node) -> Node:
    axes = (1, 0, *range(2, x.rank))
    extents = tuple(x.extents[a] for a in axes)
    found = s.make("transpose", [x], extents, attributes={"axes": axes}, kind=x.kind)
    found.uses = 1
    return found


def _is_converse(x: Operand) -> bool:
    if not (isinstance(x, Node) and x.operation == "own"):
        return False
    (y,) = x.operands
    return y.operation == "transpose" and y.attributes["axes"] == (1, 0)


def _across(s: Normalizer, x: Operand) -> Operand | None:
    """A sample's value as one of the whole mini-batch, whose last axis is the samples'; None where
    values for pairs would have to move for it."""
    if not isinstance(x, Node) or not x.extents:
        return x
    if _is_converse(x):
        return x.operands[0].operands[0]
    if not x.lead and x.rank == 1:
        shape = (*x.shape, 1)
        return s.make("reshape", [x], (*x.extents, 1), attributes={"shape": shape}, kind=x.kind)
    if x.lead and x.rank == 0:
        return x.operands[0] if x.operation == "own" else _batch(s, x)
    if x.lead and x.extents[1:] == (1,):
        return _transposed(s, _batch(s, x))
    return _computed_across(s, x)


def _computed_across(s: Normalizer, x: Node) -> Node | None:
    """What is computed for pairs from each sample's own values is computed the other way round."""
    own = all(y.lead + y.rank < 2 or y.shape[1:] == (1,) for y in x.nodes)
    plain = x.operation == "broadcast_to" or TABLE[x.operation].kind == "pointwise"
    if not (x.lead and x.rank == 1 and plain and own):
        return None
    across = [_across(s, y) for y in x.operands]
    return s.make(x.operation, across, x.extents[::-1], lead=0, kind=x.kind)


def _batch(s: Normalizer, x: Node) -> Node:
    return s.make("batch", [x], x.extents, lead=0, kind=x.kind)
