"""Measuring a workload: all peers alive, one runs at a time, in turn."""

import os
import statistics
from collections.abc import Callable, Sequence

from tests.bench.peer import Peer
from tests.bench.workload import Workload

OURS = "symgrad"  # the peer without which there is nothing to compare


def measure(
    key: str, workload: Workload, cores: Sequence[int], rounds: int, say: Callable[[str], None]
) -> list[dict[str, object]]:
    """A row for each peer and number of cores: medians and spread in seconds per unit."""
    rows = []
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for count in cores:
        if count > available:
            say(f"{workload.title}: {count} cores are not available, left out")
            continue
        rows += [row(peer) for peer in in_turn(key, workload, count, rounds, say)]
    return rows


def in_turn(
    key: str, workload: Workload, cores: int, rounds: int, say: Callable[[str], None]
) -> list[Peer]:
    peers = [Peer(key, name, cores) for name in workload.peers]
    started: list[Peer] = []
    try:
        for peer in peers:
            say(f"{workload.title}: {peer.name} on {cores} core(s), first run")
            started.append(peer)
            try:
                peer.start()
            except RuntimeError as reason:
                if peer.name == OURS:
                    raise
                peer.absent = str(reason)
        for k in range(rounds):
            say(f"{workload.title}: round {k + 1} of {rounds} on {cores} core(s)")
            for peer in peers:
                if not peer.absent:
                    peer.run()
    finally:
        for peer in started:
            peer.stop()
    return peers


def row(peer: Peer) -> dict[str, object]:
    if peer.absent:
        return {"peer": peer.name, "cores": peer.cores, "absent": peer.absent}
    median = statistics.median(peer.runs)
    seconds, _, units = peer.first
    return {
        "peer": peer.name,
        "cores": peer.cores,
        "median": median,
        "fastest": min(peer.runs),
        "slowest": max(peer.runs),
        "processor": statistics.median(peer.work),
        "preparation_s": seconds - units * median,  # imports, data, compilation
    }
