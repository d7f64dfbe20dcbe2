"""The alias method: a weighted choice among n by one even choice and one comparison.

A. J. Walker, 1977; the table is filled as by M. D. Vose, 1991, in whole numbers, so that it holds
the weights' probabilities exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNITS = 2**63  # what a column holds, in an entry


@dataclass(frozen=True)
class AliasTable:
    """Column k stands for k with probability own[k] / total, else for other[k].

    A number's own probability is that of its column, 1/n, times the share, over all columns.
    """

    own: tuple[int, ...]
    other: np.ndarray  # (n,) int64
    total: int

    @property
    def entries(self) -> np.ndarray:
        """(n,) int64, what `counters.either` reads: own / total in units of 2**-63, rounded down,
        with the other number in the last digits.

        A full column's other number is itself.
        """
        digits = (len(self.own) - 1).bit_length()
        thresholds = [min(UNITS * t // self.total, UNITS - 1) >> digits << digits for t in self.own]
        return np.array(thresholds, np.int64) | self.other


def alias_table(weights: np.ndarray) -> AliasTable:
    """The table for weights that are finite, not negative and not all 0.

    >>> table = alias_table(np.array([1.0, 3.0]))
    >>> table.own, table.other.tolist(), table.total
    ((2, 4), [1, 1], 4)
    """
    ratios = [float(w).as_integer_ratio() for w in weights]
    common = max(q for _, q in ratios)  # denominators are powers of two
    n, mass = len(ratios), [p * (common // q) for p, q in ratios]
    total = sum(mass)
    mass = [m * n for m in mass]  # a column holds `total`
    other = list(range(n))
    small = [k for k in range(n) if mass[k] < total]
    large = [k for k in range(n) if mass[k] > total]
    while small:
        k, giver = small.pop(), large[-1]
        other[k] = giver
        mass[giver] -= total - mass[k]
        if mass[giver] <= total:
            large.pop()
            if mass[giver] < total:
                small.append(giver)
    return AliasTable(tuple(mass), np.array(other, np.int64), total)
