"""Sparse Jacobians: rows that share no column are found by one sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from symgrad.calculus.builder import Builder, Value


@dataclass(frozen=True, eq=False)
class Groups:
    """Which sweep finds each row: the rows of one group share no column of the pattern."""

    group: np.ndarray  # (rows,)

    @property
    def groups(self) -> int:
        return int(self.group.max(initial=-1)) + 1

    def seeds(self, builder: Builder, shape: tuple[int, ...]) -> Iterator[Value]:
        """For each group 1 at its rows' places in a value of this shape, 0 elsewhere."""
        for k in range(self.groups):
            seed = (self.group == k).astype(float).reshape(shape)
            yield builder.array(seed) if shape else builder.value(1)


def compressed(pattern: np.ndarray) -> Groups:
    """Rows in groups, each in the first that it shares no column with (greedy colouring)."""
    taken: list[np.ndarray] = []
    group = np.zeros(len(pattern), int)
    for i, row in enumerate(pattern.astype(bool)):
        k = next((k for k, columns in enumerate(taken) if not (columns & row).any()), len(taken))
        if k == len(taken):
            taken.append(row.copy())
        else:
            taken[k] |= row
        group[i] = k
    return Groups(group)


def spread_out(
    found: list[Value], by: Groups, pattern: np.ndarray, shape: tuple[int, ...]
) -> Value:
    """The matrix whose rows were found in groups: each group's sum where a row's pattern is.

    A single row stays as it was found, of this shape.
    """
    found = [x if x.shape == shape else _spread(x, shape) for x in found]
    if len(pattern) == 1:
        return found[0]
    builder = found[0].builder
    rows = [reshaped(x, (1, pattern.shape[1])) for x in found]
    sums = builder.apply("concatenate", *rows, axis=0)
    if len(found) == len(pattern):
        return sums
    chosen = builder.apply("gather", sums, builder.array(by.group))
    mask = builder.apply("ne", builder.array(pattern.astype(int)), 0)
    return builder.apply("select", mask, chosen, 0)


def _spread(x: Value, shape: tuple[int, ...]) -> Value:
    return x.builder.apply("broadcast_to", x, shape=shape)


def reshaped(x: Value, shape: tuple[int, ...]) -> Value:
    return x if x.shape == shape else x.builder.apply("reshape", x, shape=shape)
