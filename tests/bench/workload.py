"""A row of the benchmarks: one piece of work and everybody who does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

Run = Callable[[], int]  # does the work once and returns how many units it did


@dataclass(frozen=True)
class Workload:
    """One piece of work, done by several peers from equal inputs.

    title:  what the table calls it
    unit:   what a run counts: "sample", "epoch", "step"
    scale:  the time unit of the table: "ns", "us", "ms" or "s" per unit
    peers:  name -> a function of the number of cores that imports, prepares and returns a Run.
            It runs in a process of its own, pinned to that many cores
    aim:    what we want of ourselves, for the reader of the table
    """

    title: str
    unit: str
    scale: str
    peers: Mapping[str, Callable[[int], Run]]
    cores: tuple[int, ...] = (1, 2)
    aim: str = ""


def of_size(
    peers: Mapping[str, Callable[..., Run]], *size: Any
) -> Mapping[str, Callable[[int], Run]]:
    """Peers that do the work at one size, which they are called with before the cores."""
    return {name: partial(peer, *size) for name, peer in peers.items()}
