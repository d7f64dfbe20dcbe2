"""The table of workloads: a row here is a row of `make bench`."""

from tests.bench.workload import Workload
from tests.bench.workloads import linear_regression, mnist, networks

WORKLOADS: dict[str, Workload] = {
    "linear_regression": linear_regression.ONE_SAMPLE,
    "mnist": mnist.EPOCH,
    **networks.ROWS,
}
