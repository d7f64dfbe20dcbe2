"""The matrix products of one kernel: how each is made, and the numbers that its call needs.

    product_0 = matrix_product("float32", 0, 1, 8, 32, 32, 32, 32, 32, sampled="m", beta=0)

stands at the head of the module; numba source and assembly call it by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.generate.shares import Shares, stretch
from symgrad.generate.text import Names
from symgrad.lower import index as ix
from symgrad.lower.index import Index
from symgrad.lower.kernel import Counter, Kernel, Matrix, Number, Product


def is_made(s: Product) -> bool:
    """Whether a product is made for its sizes: where two of them are n, it is for one n alone."""
    return s.sizes.count(None) <= 1


def _many(s: Product, extent: int | None) -> int:
    """Rows or columns of a product for each element of the axis that threads share."""
    return s.rows if extent is None else 1


def _sampled(s: Product) -> str:
    """The size that may be less than it is made for; "" where there is none."""
    return "mnk"[s.sizes.index(None)] if None in s.sizes and is_made(s) else ""


@dataclass(frozen=True)
class Way:
    """A product for some sizes.

    above, most: of a thread's share, where there are several: it is for longer ones than `above`,
                 and no longer than `most`
    """

    name: str
    above: int | None = None
    most: int | None = None


class Products:
    """made: how each product is made, at the head of the module -> its name"""

    def __init__(self, kernel: Kernel, names: Names, shares: Shares) -> None:
        self.kernel, self.names, self.shares = kernel, names, shares
        self.made: dict[str, str] = {}

    def length(self, s: Product) -> Index:
        """How many rows or columns a thread's share has."""
        extent = s.sizes["mnk".index(s.shared)]
        begin, end = (ix.of(Counter(name)) for name in stretch(extent))
        many = _many(s, extent)
        return ix.linear([(end, many), (begin, -many)])

    def size(self, s: Product) -> Index:
        """The size that is not known before, 0 where all are or a product is for one n alone."""
        along = _sampled(s)
        if not along:
            return ix.ZERO
        return self.length(s) if along == s.shared else ix.linear([(ix.of(Counter("n")), s.rows)])

    def start(self, s: Product, m: Matrix) -> Index:
        """Where a matrix, or a thread's share of it, begins in its array."""
        parts: list[tuple[Index, int]] = []
        if m.collected:
            parts.append((ix.of(Counter(f"{self.names(m.buffer)}_start")), 1))
        if m in {"m": (s.a, s.c), "n": (s.b, s.c), "k": (s.a, s.b), "": ()}[s.shared]:
            extent = s.sizes["mnk".index(s.shared)]
            begin, _ = stretch(extent)
            rows = (s.shared == "m" or (s.shared == "k" and m is s.b)) != m.transposed
            many = _many(s, extent)
            parts.append((ix.of(Counter(begin)), many * m.leading if rows else many))
        return ix.linear([*parts, (m.offset, 1)])

    def ways(self, s: Product) -> list[Way]:
        """The product for each size that a thread's share may have, the longest first.

        The one for the longest also serves the shorter ones of a smaller mini-batch.  Where two of
        its sizes are n, they are for whole mini-batches.
        """
        sampled = _sampled(s)
        if not s.shared:
            return [Way(self._made(s, s.sizes, sampled))]
        side = "mnk".index(s.shared)
        many = _many(s, s.sizes[side])
        lengths = [many * length for length in self.shares.sizes(s.sizes[side])]
        ways: list[Way] = []
        for one, less in zip(lengths, [*lengths[1:], 0], strict=True):
            if one:
                sizes = [*s.sizes[:side], one, *s.sizes[side + 1 :]]
                above = less if len(lengths) > 1 else None
                most = ways[-1].above if ways else None
                ways.append(Way(self._made(s, sizes, sampled), above, most))
        return ways

    def _made(self, s: Product, sizes: Sequence[int | None], sampled: str) -> str:
        """The name of the product for these sizes."""
        most = s.longest(self.kernel.batch_size)
        whole = [most if e is None else e for e in sizes]
        facts = ", ".join(map(str, [*whole, s.a.leading, s.b.leading, s.c.leading]))
        flags = f"{int(s.a.transposed)}, {int(s.b.transposed)}"
        made = f'matrix_product("{self.kernel.dtype}", {flags}, {facts}'
        if sampled:
            made += f', sampled="{sampled}"'
        if isinstance(s.beta, Number) and s.beta.value in (0, 1):
            made += f", beta={int(s.beta.value)}"
        return self.made.setdefault(made + ")", f"product_{len(self.made)}")
