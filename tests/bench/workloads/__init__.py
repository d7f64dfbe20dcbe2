"""The table of workloads: a row here is a row of `make bench`.

Each module holds its own rows: key -> workload.
"""

from tests.bench.workload import Workload
from tests.bench.workloads import (
    curve_fit,
    curve_points,
    full_batch_line,
    linear_regression,
    logistic_regression,
    matrix_factorization,
    mnist,
    models,
    networks,
    ranking,
    scalar_model,
    skip_gram,
)

MODULES = (
    curve_fit,
    full_batch_line,
    linear_regression,
    logistic_regression,
    mnist,
    networks,
    models,
    matrix_factorization,
    ranking,
    scalar_model,
    skip_gram,
)

WORKLOADS: dict[str, Workload] = {
    key: workload for module in MODULES for key, workload in module.ROWS.items()
}
POINTS: dict[str, Workload] = curve_points.POINTS  # of curves, see tests/bench/curves.py
