"""any and all beside torch's."""

import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("bound", [-1.0, 0.0, 5.0])
def test_condition_is_torchs(name, axis, bound, rng):
    ours, theirs = getattr(sg, name), getattr(torch, name)
    compare(
        lambda x: sg.indicator(ours(x > bound, axis=axis)),
        lambda x: theirs(x > bound, dim=axis).double(),
        [rng.uniform(-1, 1, (3, 2))],
        order=0,
    )


def test_numbers_are_conditions(rng):
    x = rng.integers(0, 2, (3, 4)) * 1.0
    compare(
        lambda x: sg.where(sg.any(x, axis=1), 1, sg.sum(x)),
        lambda x: torch.where(torch.any(x != 0, 1), 1, x.sum()),
        [x],
    )


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_number_is_a_condition_where_it_is_not_zero(target):
    x = sg.data("x")
    f = sg.function([sg.indicator(x), sg.where(x, 3, 4)], [x], target=target)
    one, other = f([-2.0, 0.0, 0.5])
    assert one.tolist() == [1, 0, 1] and other.tolist() == [3, 4, 3]
