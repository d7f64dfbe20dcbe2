"""What lowering is told of the arrays that a kernel will meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp


@dataclass(frozen=True)
class Layout:
    """Facts of memory that the mathematics does not say.

    longest: the size of a ragged axis -> the most entries that a sample has
    turned:  matrices that are held column by column
    """

    longest: Mapping[sp.Symbol, int] = field(default_factory=dict)
    turned: frozenset[sp.Symbol] = frozenset()
