"""The table of workloads: a row here is a row of `make bench`.

Each module holds its own rows: key -> workload.
"""

from tests.bench.workload import Workload
from tests.bench.workloads import (
    linear_regression,
    matrix_factorization,
    mnist,
    networks,
    ranking,
    skip_gram,
    table_rows,
)

MODULES = (
    linear_regression,
    mnist,
    networks,
    matrix_factorization,
    ranking,
    skip_gram,
    table_rows,
)

WORKLOADS: dict[str, Workload] = {
    key: workload for module in MODULES for key, workload in module.ROWS.items()
}
