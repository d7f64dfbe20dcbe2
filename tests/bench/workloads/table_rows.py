"""A step that touches two rows of a table, against the number of its rows: flat but for caches."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tests.bench.workload import Run, Workload, of_size

STEPS, RANK = 200_000, 32


def symgrad_steps(rule: str, rows: int, cores: int) -> Run:
    import symgrad as sg

    u, v, y = *sg.data("u v", dtype=int), sg.data("y")
    P = sg.parameter("P", shape=(rows, RANK), init=sg.init.uniform(-0.1, 0.1))
    model = sg.compile((P[u] @ P[v] - y) ** 2, optimizer=getattr(sg, rule)(lr=0.01))
    data = draws(rows)

    def run() -> int:
        model.fit(data, epochs=1, batch_size=1, shuffle=False, progress=False)
        return STEPS

    return run


def numba_steps(rows: int, cores: int) -> Run:
    """What a user would write by hand."""
    from numba import njit

    @njit(fastmath={"contract", "reassoc", "arcp", "nsz"})
    def descend(P, u, v, y, rate):
        for s in range(len(y)):
            i, j, dot = u[s], v[s], np.float32(0)
            for k in range(P.shape[1]):
                dot += P[i, k] * P[j, k]
            g = 2 * rate * (dot - y[s])
            for k in range(P.shape[1]):
                p, q = P[i, k], P[j, k]
                P[i, k] = p - g * q
                P[j, k] = q - g * p

    P = np.random.default_rng(1).uniform(-0.1, 0.1, (rows, RANK)).astype("f4")
    d = draws(rows)

    def run() -> int:
        descend(P, d["u"], d["v"], d["y"], np.float32(0.01))
        return STEPS

    return run


def numba_adagrad(rows: int, cores: int) -> Run:
    """Adagrad by hand: a row that comes twice in a sample has one gradient."""
    from numba import njit

    @njit(fastmath={"contract", "reassoc", "arcp", "nsz"})
    def descend(P, S, u, v, y, rate, eps):
        for s in range(len(y)):
            i, j, dot = u[s], v[s], np.float32(0)
            for k in range(P.shape[1]):
                dot += P[i, k] * P[j, k]
            g = 2 * (dot - y[s])
            if i == j:
                for k in range(P.shape[1]):
                    h = 2 * g * P[i, k]
                    S[i, k] += h * h
                    P[i, k] -= rate * h / (np.sqrt(S[i, k]) + eps)
                continue
            for k in range(P.shape[1]):
                p, q = g * P[j, k], g * P[i, k]
                S[i, k] += p * p
                S[j, k] += q * q
                P[i, k] -= rate * p / (np.sqrt(S[i, k]) + eps)
                P[j, k] -= rate * q / (np.sqrt(S[j, k]) + eps)

    P = np.random.default_rng(1).uniform(-0.1, 0.1, (rows, RANK)).astype("f4")
    S, d = np.zeros_like(P), draws(rows)

    def run() -> int:
        descend(P, S, d["u"], d["v"], d["y"], np.float32(0.01), np.float32(1e-10))
        return STEPS

    return run


def draws(rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.random(STEPS, dtype=np.float32)
    return {name: rng.integers(0, rows, STEPS) for name in "uv"} | {"y": y}


def step(rule: str, by_hand: Callable[[int, int], Run], rows: int) -> Workload:
    return Workload(
        title=f"a step of {rule} on two rows of {RANK} float32 numbers, of {rows:,}",
        unit="step",
        scale="ns",
        cores=(1,),
        aim="flat but for cache misses",
        peers=of_size({"symgrad": partial(symgrad_steps, rule), "numba by hand": by_hand}, rows),
    )


ROWS = tuple(10**k for k in (4, 5, 6, 7))
TABLES = {rows: step("SGD", numba_steps, rows) for rows in ROWS}
ADAGRAD = {rows: step("Adagrad", numba_adagrad, rows) for rows in ROWS}
