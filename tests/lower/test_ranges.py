"""What integers are known to be decides whether an index is tested in the kernel."""

import numpy as np
import pytest

import symgrad as sg

Q, u = sg.parameter("Q", shape=(9, 2), init=1.0), sg.data("u", dtype=int)
n, c = sg.random.integers("n", 9), sg.random.categorical("c", np.ones(9))
small, table = sg.random.integers("small", 3), sg.constant(np.array([4, 0, 8]))


@pytest.mark.parametrize(
    ("index", "tested"),
    [
        (n, False), (c, False), (u, False), (table[small], False), (table[u], False),
        (sg.where(u > 1, n, 4), False), (sg.where(u > 1, n, u), True),
        (sg.where(u > 1, table[small], 8), False), (n + small, True), (2 * small, True),
    ],
)  # fmt: skip
def test_an_index_is_tested_where_it_may_leave_its_axis(index, tested):
    model = sg.compile(sg.sum(Q[index]), sg.SGD(0.1))
    assert ("clamp(" in model.source) == tested
