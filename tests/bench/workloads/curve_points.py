"""The points of the curves: the same three-layer network and other work, by one of its sizes."""

from tests.bench.workload import Workload
from tests.bench.workloads.equations import EQUATIONS
from tests.bench.workloads.network_peers import Network, peers
from tests.bench.workloads.table_rows import ADAGRAD, TABLES

RUN = 3e8  # additions and multiplications of a run, about: a tenth of a second or less
STEPS = (2, 2_000)  # of a run, at least and at most


def network(sizes: tuple[int, ...], batch: int) -> Network:
    """Steps on one mini-batch, as many as make a run of sensible length."""
    one = Network(sizes, batch, batch, "tanh")
    steps = int(min(max(RUN / one.flops, STEPS[0]), STEPS[1]))
    return Network(sizes, batch, batch, "tanh", epochs=steps)


def point(title: str, sizes: tuple[int, ...], batch: int) -> Workload:
    return Workload(title, unit="step", scale="us", peers=peers(network(sizes, batch)))


BATCHES = {n: point(f"batch {n}", (64, 64, 64, 10), n) for n in (1, 4, 16, 64, 256, 1024, 4096)}
WIDTHS = {n: point(f"width {n}", (64, n, n, 10), 32) for n in (8, 32, 128, 512, 2048)}
DEPTHS = {n: point(f"{n} layers", (32,) * (n + 1), 32) for n in (1, 2, 5, 10, 20, 50, 100, 200)}
POINTS = {
    f"{curve}_{n}": workload
    for curve, workloads in (
        ("batch", BATCHES), ("width", WIDTHS), ("depth", DEPTHS), ("table", TABLES),
        ("adagrad", ADAGRAD), ("equations", EQUATIONS),
    )
    for n, workload in workloads.items()
}  # fmt: skip
