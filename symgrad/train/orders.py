"""The order in which epochs visit the samples; long ones are drawn while the epoch before runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import numpy as np

LONG = 2**18  # positions: such an order takes milliseconds
PATIENCE = 0.02  # seconds until somebody asks again whether to go on waiting


def shuffled(seed: int, epoch: int, n: int, apart: int = 0) -> np.ndarray:
    """The order of an epoch's samples, (n,) int64; depends on these numbers alone.

    apart: tells the orders of one epoch's blocks from one another.
    """
    bits = np.random.PCG64([seed, epoch, apart] if apart else [seed, epoch])
    return np.random.Generator(bits).permutation(n) if n < LONG else _sorted_keys(bits, n)


def _sorted_keys(bits: np.random.PCG64, n: int) -> np.ndarray:
    """The numbers below n by random keys above them: sorting reads memory in its order.

    Exchanging each number with a random one waits for memory, which takes twice as long where n is
    in the millions.  Equal keys, 64 bits less those of n, leave two numbers in order: rare.
    """
    mask = np.uint64((1 << (n - 1).bit_length()) - 1)
    keys = bits.random_raw(n)
    keys &= ~mask
    keys |= np.arange(n, dtype=np.uint64)
    keys.sort()
    keys &= mask
    return keys.view(np.int64)


class Orders:
    """Shuffled orders for one fit after the other.

    Shuffling ten million samples takes most of a second in which nothing else would happen, not
    even Ctrl-C: another thread does it, and NumPy lets this one go on meanwhile.
    """

    def __init__(self, seed: int, samples: int) -> None:
        self.seed, self.samples = seed, samples
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[range, Future[np.ndarray]] = {}

    def of(self, epochs: range, following: range, wait: Callable[[], None]) -> np.ndarray:
        """One order for these epochs, (epochs * samples,) int64; `following` come next.

        `wait` is called from time to time while an order is not there; it may raise.
        """
        if self.samples * len(epochs) < LONG:
            return self._draw(epochs)
        future = self._ahead.pop(epochs, None) or self._submit(epochs)
        while True:
            try:
                order = future.result(PATIENCE)
                break
            except NotYet:
                wait()
        if following:
            self._ahead[following] = self._submit(following)
        return order

    def close(self) -> None:
        """Draw no further orders."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, epochs: range) -> Future[np.ndarray]:
        self._pool = self._pool or ThreadPoolExecutor(1, "symgrad-order")
        return self._pool.submit(self._draw, epochs)

    def _draw(self, epochs: range) -> np.ndarray:
        drawn = [shuffled(self.seed, epoch, self.samples) for epoch in epochs]
        return drawn[0] if len(drawn) == 1 else np.concatenate(drawn)
