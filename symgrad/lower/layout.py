"""What lowering is told of the arrays that a kernel will meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp

UNSEEN = 64  # entries of a list, where the data have not been seen yet


@dataclass(frozen=True)
class Layout:
    """Facts of memory that the mathematics does not say.

    longest: the size of a ragged axis -> the most entries that a sample has, see `entries`
    turned:  matrices that are held column by column
    """

    longest: Mapping[sp.Symbol, int] = field(default_factory=dict)
    turned: frozenset[sp.Symbol] = frozenset()

    def entries(self, size: sp.Symbol) -> int:
        """How many entries of a ragged axis each sample has room for."""
        return self.longest.get(size, UNSEEN)
