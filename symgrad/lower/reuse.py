"""Scratch memory reused: arrays whose contents are never needed at the same time share one.

    z1 = X @ W1            z1 and d2 in one array, the larger of the two
    h1 = tanh(z1)    ->
    ...
    d2 = ...

The largest come first, each into the smallest array that is free while it lives.  Only whole
arrays are shared, so that no two pointers of the generated code lead into the same memory.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from symgrad.lower.kernel import Buffer, Kernel
from symgrad.lower.lifetimes import Life, lives


@dataclass(eq=False)
class _Room:
    """One array and who lives in it."""

    tenants: list[Buffer] = field(default_factory=list)

    @property
    def buffer(self) -> Buffer:
        labels = dict.fromkeys(t.label for t in self.tenants if t.label)
        first = self.tenants[0]
        return Buffer("scratch", ", ".join(labels), (math.prod(first.shape),), first.dtype)


def reused(kernel: Kernel) -> Kernel:
    """The kernel with as few and as small scratch arrays as the lifetimes allow."""
    fixed = {kernel.fault, kernel.sync}
    scratch = [b for b in kernel.buffers if b.role == "scratch" and b not in fixed]
    if len(scratch) < 2:
        return kernel
    rooms = [r for r in _rooms(scratch, lives(kernel)) if len(r.tenants) > 1]
    if not rooms:
        return kernel
    memory = {b: array for r in rooms for array in [r.buffer] for b in r.tenants}
    buffers = dict.fromkeys(memory.get(b, b) for b in kernel.buffers)
    return replace(kernel, buffers=tuple(buffers), memory=memory).check()


def _rooms(scratch: Iterable[Buffer], known: Mapping[Buffer, Life]) -> list[_Room]:
    buffers = sorted(scratch, key=lambda b: -b.nbytes)
    together = _Together([known[b] for b in buffers], [b.dtype for b in buffers])
    rooms: list[_Room] = []
    home = np.zeros(len(buffers), int)  # buffer -> its room
    for k, b in enumerate(buffers):
        free = np.ones(len(rooms), bool)
        free[home[:k][together.with_earlier(k)]] = False
        found = np.flatnonzero(free)
        if not found.size:
            rooms.append(_Room())
        home[k] = found[-1] if found.size else len(rooms) - 1
        rooms[home[k]].tenants.append(b)
    return rooms


class _Together:
    """Which buffers cannot share memory: for thousands of them, all that came before at a time."""

    def __init__(self, lives: Sequence[Life], dtypes: Sequence[str]) -> None:
        self.spans = np.array([life.span for life in lives]).reshape(-1, 2).T
        self.own = np.array([life.own for life in lives]).reshape(-1, 2).T
        self.shapes = _numbered([life.shape or k for k, life in enumerate(lives)])
        self.dtypes = _numbered(dtypes)

    def with_earlier(self, k: int) -> np.ndarray:
        """(k,) bool: see `Life.apart`."""
        same = self.shapes[:k] == self.shapes[k]
        meets = np.where(same, _meet(self.own, k), _meet(self.spans, k))
        return meets | (self.dtypes[:k] != self.dtypes[k])


def _meet(times: np.ndarray, k: int) -> np.ndarray:
    """Which of the first k stretches of time have a moment in common with the next one."""
    begin, end = times
    return (end[:k] >= begin[k]) & (begin[:k] <= end[k])


def _numbered(keys: Iterable[Hashable]) -> np.ndarray:
    """Equal keys have equal numbers."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])
