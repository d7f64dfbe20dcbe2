"""The scalar benchmark's peers: each checks its first step against NumPy before it is timed."""

import pytest

from tests.bench.workloads.rigid_chain import check_step
from tests.bench.workloads.scalar_model import PEERS, STEPS

HERE = [name for name in PEERS if "JAX" not in name]  # JAX's settings are a whole process's


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("peer", HERE)
def test_the_first_step_is_numpys(peer, dtype):
    assert PEERS[peer](4, dtype, 1)() == STEPS


def test_a_wrong_step_is_refused():
    with pytest.raises(AssertionError, match="Mismatched"):
        check_step(2, "float64", loss=1.0, first=0.02)
