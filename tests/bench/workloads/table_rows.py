"""A step that touches two rows of a table, against the number of its rows: flat but for caches."""

from functools import partial

import numpy as np

from tests.bench.workload import Run, Workload

STEPS, RANK = 200_000, 32


def symgrad_steps(rows: int, cores: int) -> Run:
    import symgrad as sg

    u, v, y = *sg.data("u v", dtype=int), sg.data("y")
    P = sg.parameter("P", shape=(rows, RANK), init=sg.init.uniform(-0.1, 0.1))
    model = sg.compile((P[u] @ P[v] - y) ** 2, optimizer=sg.SGD(lr=0.01))
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


def draws(rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.random(STEPS, dtype=np.float32)
    return {name: rng.integers(0, rows, STEPS) for name in "uv"} | {"y": y}


def step(rows: int) -> Workload:
    return Workload(
        title=f"a step on two rows of {RANK} float32 numbers, of {rows:,}",
        unit="step",
        scale="ns",
        cores=(1,),
        aim="flat but for cache misses",
        peers={
            "symgrad": partial(symgrad_steps, rows),
            "numba by hand": partial(numba_steps, rows),
        },
    )


TABLES = {10**k: step(10**k) for k in (4, 5, 6, 7)}
