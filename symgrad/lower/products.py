"""Which contractions are matrix products, and how their operands lie in memory.

The letters of a contraction of two operands fall into groups

    batch: in both operands and in the result        k: in both operands only
    m: in a and in the result                        n: in b and in the result

and each group has to be one axis in memory.  Letters of which that is not so become batch letters:
a product is made for each of their values.  If they are samples that are summed over, the products
are added up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from symgrad.lower import index as ix
from symgrad.lower.nodes import SAMPLE, VIEWS, Extent, Node, Ragged

SMALLEST_SIDE = 4  # a product with a thinner side is a loop nest
SMALLEST_WORK = 256  # multiplications from which a product of its own pays
Groups = tuple[list[str], list[str], list[str], list[str]]  # batch, m, n, k


@dataclass(frozen=True, slots=True)
class Strided:
    """A value that lies in another's memory: offset and stride of every axis, in elements."""

    base: Node
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix (rows, columns) in the memory of base, `steps` elements apart for batch letters."""

    base: Node
    offset: int
    transposed: bool
    leading: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A contraction as a product: c (m, n) = a (m, k) @ b (k, n), for each of the batch letters.

    summed: whether the products of the samples, a batch letter, are added up
    """

    a: Operand
    b: Operand
    c: Operand
    sizes: tuple[int | None, int | None, int | None]
    batch: tuple[Extent, ...]
    summed: bool = False

    @property
    def for_each_sample(self) -> bool:
        return None in self.batch


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
            sizes = (_size(x, m), _size(x, n), _size(x, order))
            extents = tuple(x.attributes["letters"][i] for i in batch)
            return Match(pa, pb, pc, sizes, extents, summed=not out.keys() >= set(batch))
    return None


def _memory(x: Node, i: int) -> tuple[Strided, dict[str, int]]:
    s = strided(x.operands[i])
    return s, dict(zip(x.attributes["terms"][i], s.strides, strict=True))


def _groups(x: Node) -> Iterator[Groups]:
    """Batch, m, n and k, with ever more letters among the batch's."""
    (a, b), out = x.attributes["terms"], x.attributes["out"]
    if any(len(set(t)) < len(t) for t in (a, b, out)):
        return
    both = set(a) & set(b)
    lonely = (set(a) ^ set(b)) - set(out)
    if lonely or not set(out) <= set(a) | set(b):
        return
    batch, *sides = (
        [c for c in out if c in both],
        [c for c in out if c in a and c not in both],
        [c for c in out if c in b and c not in both],
        [c for c in a if c in both and c not in out],
    )
    waiting = [(batch, sides)]
    while waiting:
        batch, sides = waiting.pop(0)
        m, n, k = sides
        yield batch, m, n, k
        mixed = any(SAMPLE in side and len(side) > 1 for side in sides)
        for letter in [SAMPLE] if mixed else [s[0] for s in sides[:2] if len(s) > 1]:
            more = [SAMPLE, *batch] if letter == SAMPLE else [*batch, letter]
            waiting.append((more, [[c for c in side if c != letter] for side in sides]))


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


def _size(x: Node, group: Sequence[str]) -> int | None:
    """The product of a group's extents; n only stands alone."""
    size = 1
    for c in group:
        extent = x.attributes["letters"][c]
        if extent is None:
            return None
        size *= extent
    return size


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
    if c[0] == 1 and r[0] >= c[1]:
        return Operand(s.base, s.offset, False, r[0], steps)
    if r[0] == 1 and c[0] >= r[1]:
        return Operand(s.base, s.offset, True, c[0], steps)
    return None


def _merged(x: Node, step: dict[str, int], group: Sequence[str]) -> tuple[int, int] | None:
    """Stride and size of a group of letters as one axis, or None where they are not one."""
    stride, size = 0, 1
    for position, letter in enumerate(reversed(group)):
        limit = _limit(x, letter)
        if limit == 1:
            continue
        if x.attributes["letters"][letter] is None and position != len(group) - 1:
            return None
        if x.attributes["letters"][letter] is None and len(group) > 1:
            return None
        if size == 1:
            stride = step[letter]
        elif step[letter] != stride * size:
            return None
        size *= limit
    return (stride or 1, size)
