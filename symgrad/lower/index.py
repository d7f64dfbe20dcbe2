"""Integer index expressions in affine form: what stands between the brackets of an access.

    Index = constant + coefficient * atom + ...

An atom is a loop's axis, an integer that is known at run time, an integer element (an index that
comes from data), or a quotient or remainder that does not come out even.  Equal indices are equal
objects, so that alignment of two accesses is a comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Index:
    constant: int = 0
    terms: tuple[tuple[Any, int], ...] = ()

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @property
    def bound(self) -> int:
        """An upper bound; indices and their atoms are never negative, but differences may be."""
        return self.constant + sum(k * bound(a) for a, k in self.terms if k > 0)

    @property
    def lower(self) -> int:
        return self.constant + sum(k * bound(a) for a, k in self.terms if k < 0)


@dataclass(frozen=True, slots=True)
class Quotient:
    """index // divisor"""

    index: Index
    divisor: int


@dataclass(frozen=True, slots=True)
class Remainder:
    """index % divisor"""

    index: Index
    divisor: int


ZERO = Index()


def bound(atom: Any) -> int:
    """The largest value of an atom."""
    if isinstance(atom, Quotient):
        return atom.index.bound // atom.divisor
    if isinstance(atom, Remainder):
        return atom.divisor - 1
    return atom.bound


def constant(value: int) -> Index:
    return Index(value)


def of(atom: Any) -> Index:
    """The index that is one atom."""
    return Index(0, ((atom, 1),))


def linear(parts: Iterable[tuple[Index, int]], shift: int = 0) -> Index:
    """shift + the sum of factor * index."""
    total = shift
    terms: dict[Any, int] = {}
    for index, factor in parts:
        total += factor * index.constant
        for atom, k in index.terms:
            terms[atom] = terms.get(atom, 0) + factor * k
    return _recombined(Index(total, tuple((a, k) for a, k in terms.items() if k)))


def _recombined(index: Index) -> Index:
    """(x // d) * d * k + (x % d) * k = x * k, which a flattened reshape leaves behind."""
    for atom, k in index.terms:
        if not isinstance(atom, Remainder):
            continue
        partner = Quotient(atom.index, atom.divisor)
        if dict(index.terms).get(partner) == k * atom.divisor:
            rest = tuple(t for t in index.terms if t[0] is not atom and t[0] != partner)
            return linear([(Index(index.constant, rest), 1), (atom.index, k)])
    return index


def divided(index: Index, divisor: int) -> tuple[Index, Index]:
    """Quotient and remainder by a positive divisor, split where they come out even.

    >>> divided(Index(7), 5)
    (Index(constant=1, terms=()), Index(constant=2, terms=()))
    """
    if divisor == 1:
        return index, ZERO
    whole = Index(
        index.constant // divisor,
        tuple((a, k // divisor) for a, k in index.terms if k % divisor == 0),
    )
    rest = Index(index.constant % divisor, tuple((a, k) for a, k in index.terms if k % divisor))
    if rest.lower >= 0 and rest.bound < divisor:
        return whole, rest
    return (
        linear([(whole, 1), (of(Quotient(rest, divisor)), 1)]),
        of(Remainder(rest, divisor)),
    )


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements.

    >>> strides((2, 3, 4))
    (12, 4, 1)
    """
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def flat(index: Sequence[Index], shape: Sequence[int]) -> Index:
    """The offset of an element in a row-major array."""
    return linear(zip(index, strides(shape), strict=True))


def unflatten(offset: Index, shape: Sequence[int]) -> tuple[Index, ...]:
    """The index of the element at an offset, for an array of this shape."""
    result = []
    for step in strides(shape)[:-1]:
        quotient, offset = divided(offset, step) if step else (ZERO, ZERO)
        result.append(quotient)
    return (*result, offset) if shape else ()


def reshaped(
    index: Sequence[Index], shape: Sequence[int], source: Sequence[int]
) -> tuple[Index, ...]:
    """The index in `source` of the element that stands at `index` in `shape`.

    Both are cut into blocks of equal size, so that axes which a reshape leaves alone stay alone.
    """
    if 0 in shape:
        return (ZERO,) * len(source)
    result: list[Index] = []
    i = j = 0
    while i < len(shape) or j < len(source):
        end, stop = _block(shape, source, i, j)
        offset = flat(index[i:end], shape[i:end])
        result.extend(unflatten(offset, source[j:stop]))
        i, j = end, stop
    return tuple(result)


def _block(shape: Sequence[int], source: Sequence[int], i: int, j: int) -> tuple[int, int]:
    """Where the shortest runs of axes from i and j end that hold equally many elements."""
    if i < len(shape) and shape[i] == 1:
        return i + 1, j
    if j < len(source) and source[j] == 1:
        return i, j + 1
    a, b, end, stop = shape[i], source[j], i + 1, j + 1
    while a != b:
        if a < b:
            a, end = a * shape[end], end + 1
        else:
            b, stop = b * source[stop], stop + 1
    return end, stop
