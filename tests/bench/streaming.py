"""Streamed against in-memory training: the time of an epoch on the same data.

    python -m tests.bench.streaming [--rounds 5] [--samples 0.1] [name ...]

Ways take turns.  Wall times are the fastest of the rounds; processor times, of all threads, do not
count what else runs on the machine.  A way's figure is its nanoseconds a sample, and how many times
as long as in memory that is; the aim is at most 1.15 where two cores are free.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import symgrad as sg

Data = dict[str, np.ndarray]
rng = np.random.default_rng(0)


def factorisation(n: int) -> tuple[Any, Data, int]:
    """One rating a step, 20 factors."""
    P, Q = (sg.parameter(k, shape=(m, 20), init="normal") for k, m in (("P", 943), ("Q", 1682)))
    u, i, r = sg.data("u", dtype=int), sg.data("i", dtype=int), sg.data("r")
    loss = (r - P[u] @ Q[i]) ** 2 + 0.02 * (sg.sum(P[u] ** 2) + sg.sum(Q[i] ** 2))
    data = {"u": rng.integers(0, 943, n), "i": rng.integers(0, 1682, n)}
    return sg.compile(loss, sg.SGD(0.001)), data | {"r": _normal(n)}, 1


def logistic(n: int) -> tuple[Any, Data, int]:
    """One sample of 30 features a step."""
    w, x, y = sg.parameter("w", shape=30), sg.data("x", shape=30), sg.data("y")
    model = sg.compile(sg.softplus(-y * (w @ x)), sg.SGD(0.001))
    return model, {"x": _normal(n, 30), "y": np.sign(_normal(n))}, 1


def network(n: int) -> tuple[Any, Data, int]:
    """784-128-10, mini-batches of 32."""
    x, label = sg.data("x", shape=784), sg.data("label", dtype=int)
    U, V = (
        sg.parameter(k, shape=s, init="linear") for k, s in (("U", (128, 784)), ("V", (10, 128)))
    )
    model = sg.compile(sg.cross_entropy(V @ sg.relu(U @ x), label), sg.SGD(0.01))
    return model, {"x": _normal(n, 784), "label": rng.integers(0, 10, n)}, 32


def _normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


WORKLOADS = {factorisation: 10_000_000, logistic: 3_000_000, network: 100_000}


def cut(data: Data, size: int) -> Callable[[], Iterator[Data]]:
    """A stream of pieces of this size."""
    n = len(next(iter(data.values())))
    return lambda: ({k: v[at : at + size] for k, v in data.items()} for at in range(0, n, size))


def mapped(data: Data, folder: Path) -> Data:
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in data}


def measure(make: Callable, n: int, rounds: int, folder: Path) -> None:
    model, data, batch = make(n)
    ways = {
        "in memory": data,
        "pieces of 65,536": cut(data, 65_536),
        "pieces of 1,000": cut(data, 1_000),
        "memory-mapped": mapped(data, folder),
    }
    for shuffle in (True, False):
        best = {way: np.full(2, np.inf) for way in ways}
        for _ in range(rounds):
            for way, given in ways.items():
                began = np.array([time.perf_counter(), time.process_time()])
                model.fit(given, epochs=1, batch_size=batch, shuffle=shuffle, progress=False)
                took = np.array([time.perf_counter(), time.process_time()]) - began
                best[way] = np.minimum(best[way], took / n * 1e9)
        print(f"{make.__name__}, {n:,} samples, {'shuffled' if shuffle else 'in order'}")
        for way, (wall, processor) in best.items():
            base = best["in memory"]
            print(f"  {way:17} {wall:9.1f} ns {wall / base[0]:5.2f}x wall", end=" ")
            print(f"{processor:9.1f} ns {processor / base[1]:5.2f}x processor", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=", ".join(w.__name__ for w in WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=float, default=1.0, help="a fraction of each workload's")
    options = parser.parse_args()
    for make, n in WORKLOADS.items():
        if not options.names or make.__name__ in options.names:
            with tempfile.TemporaryDirectory() as folder:
                measure(make, int(n * options.samples), options.rounds, Path(folder))


if __name__ == "__main__":
    main()
