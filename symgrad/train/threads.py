"""How many threads kernels may use."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from symgrad.language.arguments import whole

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of processor, in so many
MOST = 256

_chosen: int | None = None


def set_threads(n: int | None) -> None:
    """Let kernels use up to n threads from now on; None for as many as there are cores.

    How many a kernel does use is decided when it is made: only where the work is worth it.  With
    the same number a run gives the same bits every time; with another one sums are added up in
    another order.

    >>> import symgrad as sg
    >>> sg.set_threads(2)
    >>> sg.get_threads()
    2
    >>> sg.set_threads(None)
    """
    global _chosen
    if n is not None:
        n = whole(n, "the number of threads")
        if not 1 <= n <= MOST:
            raise ValueError(f"the number of threads is {n}, and should be 1 to {MOST}")
    _chosen = n


def get_threads() -> int:
    """How many threads kernels may use.

    Unless `set_threads` says so: as many as there are cores for this process (those it is bound to,
    and a container's share of them), at most OMP_NUM_THREADS where that is set, as found when first
    asked.
    """
    return _chosen or _default()


@cache
def _default() -> int:
    return min(_cores(), _environment(), MOST)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_default.cache_clear)  # it may get other cores


def _environment() -> int:
    with suppress(ValueError):
        return max(int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0]), 1)
    return MOST


def _cores() -> int:
    bound = getattr(os, "sched_getaffinity", None)
    cores = len(bound(0)) if bound else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()
        cores = min(cores, max(int(quota) // int(period), 1))
    return cores
