"""A step that touches two rows of a table, against the number of its rows: flat but for caches."""

from functools import partial

import numpy as np

from tests.bench.workload import Run, Workload

STEPS, RANK = 200_000, 32
ROWS = tuple(10**k for k in (4, 5, 6, 7))


def steps(rows: int, cores: int) -> Run:
    import symgrad as sg

    u, v, y = *sg.data("u v", dtype=int), sg.data("y")
    P = sg.parameter("P", shape=(rows, RANK), init=sg.init.uniform(-0.1, 0.1))
    model = sg.compile((P[u] @ P[v] - y) ** 2, optimizer=sg.SGD(lr=0.01))
    rng = np.random.default_rng(0)
    data = {name: rng.integers(0, rows, STEPS) for name in "uv"} | {"y": rng.random(STEPS)}

    def run() -> int:
        model.fit(data, epochs=1, batch_size=1, shuffle=False, progress=False)
        return STEPS

    return run


STEP = Workload(
    title=f"a step on two rows of {RANK} float32 numbers, by the number of rows",
    unit="step",
    scale="ns",
    cores=(1,),
    aim="flat but for cache misses",
    peers={f"{rows:.0e} rows": partial(steps, rows) for rows in ROWS},
)

ROWS = {"table_rows": STEP}
