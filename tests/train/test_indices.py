"""Indices that a model computes from its data are checked before anything runs."""

import numpy as np
import pytest

import symgrad as sg


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_computed_index_out_of_range_changes_nothing(target: str) -> None:
    P, u = sg.parameter("P", shape=(5, 3), init=1.0), sg.data("u", dtype=int)
    model = sg.compile(sg.sum(P[2 * u] ** 2), sg.SGD(lr=0.1), target=target)
    with pytest.raises(IndexError, match="is 6 for sample 2, which is out of range"):
        model.step({"u": [0, 1, 3]})
    assert (model.parameters["P"] == 1).all()
    model.step({"u": [0, 1, 2]})
    assert (model.parameters["P"] != 1).any()


def test_a_function_checks_them_too() -> None:
    v, k = sg.data("v", shape=4), sg.data("k", dtype=int)
    f = sg.function(v[k - 1], [v, k], target="reference")
    assert f(np.arange(8.0).reshape(2, 4), [1, 2]).tolist() == [0, 5]
    with pytest.raises(IndexError, match="is -1 for sample 1"):
        f(np.arange(8.0).reshape(2, 4), [1, 0])
