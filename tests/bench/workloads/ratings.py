"""Ratings of items by users, drawn at random, for everybody who factorises their matrix."""

from dataclasses import dataclass

import numpy as np

RATE, LAMBDA, MEAN = 0.005, 0.02, 3.0
TOGETHER = 1_000_000  # ratings of a run: a fit is several epochs of few ratings


@dataclass(frozen=True)
class Size:
    """Ratings of items by users, and how many factors explain them."""

    users: int
    items: int
    ratings: int
    rank: int
    dtype: str

    @property
    def epochs(self) -> int:
        return max(1, TOGETHER // self.ratings)

    def data(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        return {
            "user": rng.integers(0, self.users, self.ratings),
            "item": rng.integers(0, self.items, self.ratings),
            "rating": rng.integers(1, 6, self.ratings).astype(self.dtype),
        }

    def start(self) -> list[np.ndarray]:
        """P, Q, b, c: factors of users and items, and their biases."""
        rng = np.random.default_rng(1)
        factors = [rng.normal(0, 0.1, (n, self.rank)) for n in (self.users, self.items)]
        biases = [np.zeros(n) for n in (self.users, self.items)]
        return [a.astype(self.dtype) for a in (*factors, *biases)]
