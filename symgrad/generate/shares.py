"""The stretches of an axis that threads work on, as names in generated code.

    begin_512, end_512 = 512 * thread // 2 // 16 * 16, ...

Where each stretch begins is a multiple of a unit, so that threads write no line of memory together
and vectors stay whole; only the last one takes what is left.
"""

from __future__ import annotations

import itertools
import math

from symgrad.lower.kernel import Collect, Kernel, Loop, Product, statements
from symgrad.lower.owners import Size

UNIT = 16  # elements: a line of float32
SPREAD = 8  # units in a stretch at least, so that stretches are of nearly equal length


def stretch(extent: Size) -> tuple[str, str]:
    """The names of a stretch's two ends.

    >>> stretch(512)
    ('begin_512', 'end_512')
    """
    name = "n" if extent is None else str(extent)
    return f"begin_{name}", f"end_{name}"


class Shares:
    """Those of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.threads, self.batch = kernel.threads, kernel.batch_size
        found: dict[Size, None] = {}
        self._tiles: dict[Size, int] = {}  # rows that stretches are whole multiples of
        for section in kernel.sections:
            for s in statements(section):
                if isinstance(s, Loop) and s.shared:
                    found[s.axis.extent] = None
                    if s.axis.extent is not None:
                        known = self._tiles.get(s.axis.extent, 1)
                        self._tiles[s.axis.extent] = math.lcm(known, s.axis.step)
                elif isinstance(s, Product) and s.shared:
                    found[s.sizes["mnk".index(s.shared)]] = None
                elif isinstance(s, Collect) and s.shared:
                    found[None] = None
        self.samples = None in found
        self.extents = [e for e in found if e is not None]

    def bounds(self, extent: Size) -> list[str]:
        """Lines that compute them."""
        begin, end = stretch(extent)
        size, unit = "n" if extent is None else str(extent), self._unit(extent)
        return [
            f"{begin} = {_formula(size, 'thread', self.threads, unit)}",
            f"{end} = {_formula(size, '(thread + 1)', self.threads, unit)}"
            f" if thread < {self.threads - 1} else {size}",
        ]

    def sizes(self, extent: Size) -> list[int]:
        """The lengths that stretches have, longest first; of whole mini-batches for the samples.

        >>> from symgrad.lower.kernel import Kernel
        >>> Shares(Kernel("float32", 1, (), (), (), None, threads=3)).sizes(100)
        [36, 32]
        """
        size, unit = self.batch if extent is None else extent, self._unit(extent)
        ends = [size * t // self.threads // unit * unit for t in range(self.threads)] + [size]
        return sorted({b - a for a, b in itertools.pairwise(ends)}, reverse=True)

    def _unit(self, extent: Size) -> int:
        size, unit = self.batch if extent is None else extent, UNIT
        while unit > 1 and size < SPREAD * self.threads * unit:
            unit //= 2
        return math.lcm(unit, self._tiles.get(extent, 1))


def _formula(size: str, thread: str, threads: int, unit: int) -> str:
    rounded = f" // {unit} * {unit}" if unit > 1 else ""
    return f"{size} * {thread} // {threads}{rounded}"
