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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from symgrad.lower.kernel import Buffer, Kernel
from symgrad.lower.lifetimes import Life, lives


@dataclass(eq=False)
class _Room:
    """One array and who lives in it."""

    tenants: list[Buffer] = field(default_factory=list)

    def is_free(self, b: Buffer, known: Mapping[Buffer, Life]) -> bool:
        return b.dtype == self.tenants[0].dtype and all(
            known[b].apart(known[t]) for t in self.tenants
        )

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
    rooms: list[_Room] = []
    for b in sorted(scratch, key=lambda b: -b.nbytes):
        room = next((r for r in reversed(rooms) if r.is_free(b, known)), None)
        if room is None:
            room = _Room()
            rooms.append(room)
        room.tenants.append(b)
    return rooms
