"""Whether arrays that share memory stay out of each other's way.

Unlike the plan, which compares times, this follows a run: memory is its last setter's, and nobody
else finds anything there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain

from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import Barrier, Buffer, Kernel, Loop, Statement
from symgrad.lower.lifetimes import SET, USED, Event, events, is_tiles, owned


def check_memory(kernel: Kernel) -> None:
    """Raise AssertionError where two arrays are in the same memory while both are needed."""
    for b, array in kernel.memory.items():
        assert array in kernel.buffers and b not in kernel.buffers, f"{b.label} has no memory"
        assert b.dtype == array.dtype and math.prod(b.shape) <= array.shape[0], f"{b.label}: size"
    once, step, *update = kernel.sections
    rounds = [step, step, *update, step, *update]
    holder: dict[Buffer, Buffer] = {}
    for together in _followed([*once, *(s for section in rounds for s in section)]):
        here: dict[Buffer, Buffer] = {}
        for b, how in together:
            if b in kernel.memory:
                array = kernel.memory[b]
                other = here.setdefault(array, b)
                assert other is b, f"one statement needs {b.label} and {other.label} in one memory"
                held = b if how == SET else holder.get(array, b)
                assert held is b, f"{b.label} is needed, and {held.label} is in its memory"
                holder[array] = b
    if kernel.threads > 1:
        for section in kernel.sections:
            _check_phases(section, kernel)


def _followed(body: Iterable[Statement]) -> Iterator[list[Event]]:
    """The events of a run, statement by statement; two tiles stand for all of them."""
    for s in body:
        if isinstance(s, Loop) and is_tiles(s):
            yield [(b.home, USED) for b, _ in accesses(s)]
            yield from _followed([*s.body, *s.body])
        else:
            yield list(events(s))


def _check_phases(section: Iterable[Statement], kernel: Kernel) -> None:
    """Between two barriers an array has one tenant, or some that every thread has for itself."""
    own = owned(kernel)
    tenants: dict[Buffer, Buffer] = {}
    for s in section:
        if isinstance(s, Barrier):
            tenants.clear()
        for b, _ in chain.from_iterable(_followed([s])):
            if b in kernel.memory:
                other = tenants.setdefault(kernel.memory[b], b)
                apart = {b, other} <= own and b.shape == other.shape
                assert b is other or apart, f"{b.label} and {other.label} without a barrier"
