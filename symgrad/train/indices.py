"""Indices that a model computes from its data, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block
from symgrad.calculus.bounds import indices_of_data
from symgrad.calculus.reference import evaluate

PIECE = 2**16  # samples looked at together


class ComputedIndices:
    """Checks `P[2*u + 1]` and its like for every sample."""

    def __init__(self, block: Block, dtype: np.dtype) -> None:
        self.indices, self.dtype = indices_of_data(block), dtype

    def check(self, arrays: Mapping[sp.Symbol, np.ndarray], samples: int) -> None:
        """Raise IndexError for the first sample whose index leaves its axis."""
        for block, size in self.indices:
            for first in range(0, samples, PIECE):
                rows = slice(first, min(first + PIECE, samples))
                values = evaluate(block, arrays, rows, rows.stop - first, self.dtype)
                index = values[block.outputs["index"]]
                bad = np.argwhere((index < 0) | (index >= size))
                if len(bad):
                    raise IndexError(
                        f"an index that the model computes is {index[tuple(bad[0])]} for sample "
                        f"{first + bad[0][0]}, which is out of range: it selects from {size} "
                        f"entries, 0 to {size - 1}"
                    )
