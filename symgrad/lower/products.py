"""Which contractions are matrix products, and how their operands lie in memory.

The letters of a contraction of two operands fall into groups

    batch: in both operands and in the result        k: in both operands only
    m: in a and in the result                        n: in b and in the result

and each group has to be one axis in memory: the tokens of all samples, say, which follow each other
there, so that their products with one matrix are one product.  Letters of which that is not so
become batch letters: a product is made for each of their values.  If those are summed over, the
products are added up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.lower import index as ix
from symgrad.lower.nodes import SAMPLE, VIEWS, Extent, Node, Ragged, largest

SMALLEST_SIDE = 4  # a product with a thinner side is a loop nest
SMALLEST_WORK = 256  # multiplications from which a product of its own pays
MOST_APART = 3  # letters that leave their groups
Groups = tuple[list[str], list[str], list[str], list[str]]  # batch, m, n, k


@dataclass(frozen=True, slots=True)
class Strided:
    """A value that lies in another's memory: offset and stride of every axis, in elements."""

    base: Node
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix (rows, columns) in the memory of base, `steps` elements apart for batch letters.

    sample: which of the batch letters counts base's samples; None where they are all in the matrix
    """

    base: Node
    offset: int
    transposed: bool
    leading: int
    steps: tuple[int, ...]
    sample: int | None = None

    @property
    def collected(self) -> bool:
        """Whether it consists of the rows of data that a mini-batch's samples have."""
        is_data = self.base.operation == "input" and self.base.attributes["role"] == "data"
        return is_data and bool(self.base.lead) and self.sample is None


@dataclass(frozen=True, slots=True)
class Match:
    """A contraction as a product: c (m, n) = a (m, k) @ b (k, n), for each of the batch letters.

    rows: how many each sample has where a size is None; summed: whether the products are added up
    """

    a: Operand
    b: Operand
    c: Operand
    sizes: tuple[int | None, int | None, int | None]
    batch: tuple[Extent, ...]
    rows: int = 1
    summed: bool = False

    def products(self, batch: int) -> int:
        """How many they are, in a mini-batch of so many samples."""
        return math.prod(largest(e, batch) for e in self.batch)


def strided(x: Node) -> Strided:
    """x through the views that move no memory; its base is what has to be in memory."""
    chain = [x]
    while chain[-1].operation in VIEWS and isinstance(chain[-1].operands[0], Node):
        chain.append(chain[-1].operands[0])
    while chain:
        base = chain[-1]
        found: Strided | None = Strided(base, 0, ix.strides(base.shape))
        for view in reversed(chain[:-1]):
            found = _through(view, found) if found else None
        if found:
            return found
        chain.pop()
    raise AssertionError("a value is its own base")


def _through(view: Node, s: Strided) -> Strided | None:
    """The memory of a view of x, given that of x; None where the view moves elements."""
    x = view.operands[0]
    lead, own = s.strides[: x.lead], s.strides[x.lead :]
    if view.operation in ("batch", "own"):
        return Strided(s.base, s.offset, s.strides) if view.shape == x.shape else None
    if view.operation == "transpose":
        own = tuple(own[a] for a in view.attributes["axes"])
        return Strided(s.base, s.offset, lead + own)
    if view.operation == "slice":
        return _sliced(view.attributes["spec"], s, lead, own)
    if view.operation == "reshape" and s.strides == ix.strides(x.shape):
        return Strided(s.base, s.offset, ix.strides(view.shape))
    return None


def _sliced(spec: tuple, s: Strided, lead: tuple, own: tuple) -> Strided:
    offset = s.offset + sum(e[1] * step for e, step in zip(spec, own, strict=True))
    kept = tuple(step * e[3] for e, step in zip(spec, own, strict=True) if e[0] == "range")
    return Strided(s.base, offset, lead + kept)


def match(x: Node) -> Match | None:
    """The product that a contraction is, where it is one and large enough."""
    if x.operation != "einsum" or len(x.operands) != 2 or x.kind != "float" or x.wide:
        return None
    if not all(isinstance(v, Node) and v.kind == "float" and not v.wide for v in x.operands):
        return None
    if any(isinstance(e, Ragged) for e in x.attributes["letters"].values()):
        return None
    found = (_matched(x, groups) for groups in _groups(x) if _large(x, groups))
    return next((m for m in found if m), None)


def _matched(x: Node, groups: Groups) -> Match | None:
    batch, m, n, k = groups
    out = dict(zip(x.attributes["out"], ix.strides(x.shape), strict=True))
    a, b, c = _memory(x, 0), _memory(x, 1), (Strided(x, 0, ()), out)
    for order in (k, [c for c in x.attributes["terms"][1] if c in k]):
        pa = _matrix(x, a, m, order, batch)
        pb = _matrix(x, b, order, n, batch)
        pc = _matrix(x, c, m, n, batch)
        if pa and pb and pc:
            sizes, rows = _sizes(x, (m, n, order))
            if sizes.count(None) > 1 and rows > 1:
                return None
            extents = tuple(x.attributes["letters"][i] for i in batch)
            return Match(pa, pb, pc, sizes, extents, rows, summed=not out.keys() >= set(batch))
    return None


def _memory(x: Node, i: int) -> tuple[Strided, dict[str, int]]:
    s = strided(x.operands[i])
    return s, dict(zip(x.attributes["terms"][i], s.strides, strict=True))


def _groups(x: Node) -> list[Groups]:
    """Batch, m, n and k, with ever more letters among the batch's, so that products are more."""
    (a, b), out = x.attributes["terms"], x.attributes["out"]
    if any(len(set(t)) < len(t) for t in (a, b, out)):
        return []
    both = set(a) & set(b)
    lonely = (set(a) ^ set(b)) - set(out)
    if lonely or not set(out) <= set(a) | set(b):
        return []
    batch, *sides = (
        [c for c in out if c in both],
        [c for c in out if c in a and c not in both],
        [c for c in out if c in b and c not in both],
        [c for c in a if c in both and c not in out],
    )
    movable = [c for side in sides if len(side) > 1 for c in side]
    found: list[tuple[int, Groups]] = []
    for many in range(min(MOST_APART, len(movable)) + 1):
        for apart in itertools.combinations(movable, many):
            m, n, k = ([c for c in side if c not in apart] for side in sides)
            if all((m, n, k)) or not apart:
                more = [c for c in apart if c == SAMPLE] + batch + [c for c in apart if c != SAMPLE]
                found.append((math.prod(_limit(x, c) for c in more), (more, m, n, k)))
    return [groups for _, groups in sorted(found, key=lambda f: f[0])]


def _limit(x: Node, letter: str) -> int:
    for term, v in zip(x.attributes["terms"], x.operands, strict=True):
        if letter in term:
            return v.shape[term.index(letter)]
    raise AssertionError(letter)


def _large(x: Node, groups: Groups) -> bool:
    sizes = []
    for group in groups[1:]:
        size = 1
        for c in group:
            size *= _limit(x, c)
        sizes.append(size)
    m, n, k = sizes
    return min(sizes) >= SMALLEST_SIDE and m * n * k >= SMALLEST_WORK


def _sizes(x: Node, groups: Sequence[Sequence[str]]) -> tuple[tuple, int]:
    """The products of groups' extents, None where there are samples among them, and how many rows a
    sample has then."""
    sizes, rows = [], 1
    for group in groups:
        extents = [x.attributes["letters"][c] for c in group]
        known = math.prod(e for e in extents if e is not None)
        sizes.append(None if None in extents else known)
        rows = max(rows, known) if None in extents else rows
    return tuple(sizes), rows


def _matrix(
    x: Node,
    side: tuple[Strided, dict[str, int]],
    rows: Sequence[str],
    columns: Sequence[str],
    batch: Sequence[str],
) -> Operand | None:
    s, step = side
    r, c = _merged(x, step, rows), _merged(x, step, columns)
    if r is None or c is None:
        return None
    steps = tuple(step.get(letter, 0) for letter in batch)
    letters = x.attributes["letters"]
    sample = next((i for i, c in enumerate(batch) if c in step and letters[c] is None), None)
    if c[0] == 1 and r[0] >= c[1]:
        return Operand(s.base, s.offset, False, r[0], steps, sample)
    if r[0] == 1 and c[0] >= r[1]:
        return Operand(s.base, s.offset, True, c[0], steps, sample)
    return None


def _merged(x: Node, step: dict[str, int], group: Sequence[str]) -> tuple[int, int] | None:
    """Stride and size of a group of letters as one axis, or None where they are not one."""
    stride, size = 0, 1
    for position, letter in enumerate(reversed(group)):
        limit = _limit(x, letter)
        if limit == 1:
            continue
        if x.attributes["letters"][letter] is None and position != len(group) - 1:
            return None  # of fewer samples the stretches would lie apart
        if size == 1:
            stride = step[letter]
        elif step[letter] != stride * size:
            return None
        size *= limit
    return (stride or 1, size)
