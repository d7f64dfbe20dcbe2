"""Lists of varying length as NumPy computes with them: padded with zeros to the longest one.

A padded value is zero beyond a sample's own entries after every equation, so that sums,
contractions and scatters are right as they stand; others read neutral elements there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block, Equation, Name
from symgrad.language.ragged import entries_of, is_length
from symgrad.language.symbols import batch_size

NEUTRAL = {
    "prod": 1, "amax": -np.inf, "amin": np.inf, "softmax": -np.inf, "log_softmax": -np.inf,
    "logsumexp": -np.inf,
}  # fmt: skip


class Sizes:
    """The symbolic sizes of a mini-batch: how many samples, and for each the lengths of its lists.

    numbers: size -> a number; of a ragged axis that of the longest list, at least 1
    """

    def __init__(self, block: Block, arrays: Mapping[sp.Symbol, np.ndarray], rows: Any, n: int):
        self.samples, self.rows = n, rows
        self.numbers: dict[sp.Basic, int] = {batch_size: n}
        self.starts: dict[sp.Symbol, np.ndarray] = {}
        self.lengths: dict[sp.Symbol, np.ndarray] = {}
        for symbol, name in block.inputs.items():
            for size in filter(is_length, (symbol, *name.shape)):
                offsets = arrays[size]
                self.starts[size], stops = offsets[:-1][rows], offsets[1:][rows]
                self.lengths[size] = lengths = stops - self.starts[size]
                self.numbers[size] = max(1, int(lengths.max(initial=0)))

    def value_of(self, symbol: sp.Symbol, array: np.ndarray) -> np.ndarray:
        """The samples' values of an input, padded where they are lists."""
        size = entries_of(symbol)
        if is_length(symbol):
            return self.lengths[symbol]
        if size is None:
            return array[self.rows]
        at = self.starts[size][:, None] + np.arange(self.numbers[size])
        inside = self._inside(size)
        padded = np.zeros((*at.shape, *array.shape[1:]), array.dtype)
        padded[inside] = array[at[inside]]
        return padded

    def _inside(self, size: sp.Symbol) -> np.ndarray:
        """(samples, longest): which places of the padded array are a sample's own."""
        return np.arange(self.numbers[size]) < self.lengths[size][:, None]

    def masked(self, name: Name, value: np.ndarray, outside: Any = 0) -> np.ndarray:
        """A value with `outside` beyond the entries that a sample has."""
        for axis, size in enumerate(name.shape):
            if is_length(size):
                inside = self._inside(size)
                behind = (1,) * (len(name.shape) - axis - 1)
                shape = (len(inside), *(1,) * axis, inside.shape[1], *behind)
                full = np.broadcast_to(value, (len(inside), *value.shape[1:]))
                value = np.where(inside.reshape(shape), full, np.asarray(outside, value.dtype))
        return value

    def counted(self, e: Equation) -> np.ndarray | None:
        """Of a mean over lists: how many elements each sample has, an empty list counting as 1."""
        (x,) = e.names
        ragged = [x.shape[a] for a in e.attribute("axes") if is_length(x.shape[a])]
        if not ragged:
            return None
        count: Any = 1
        for a in e.attribute("axes"):
            size = x.shape[a]
            count = count * (np.maximum(self.lengths[size], 1) if is_length(size)
                             else self.numbers.get(size, size))  # fmt: skip
        return np.reshape(count, (-1, *(1,) * len(e.name.shape)))
