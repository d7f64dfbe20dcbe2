"""argmax and argmin beside torch's, and as indices."""

import numpy as np
import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_place_is_torchs(name, axis, keepdims, rng):
    x = rng.standard_normal((3, 4))
    x[1, 2] = np.nan
    ours, theirs = getattr(sg, name), getattr(torch, name)
    compare(
        lambda x: ours(x, axis=axis, keepdims=keepdims),
        lambda x: theirs(x, dim=axis, keepdim=keepdims),
        [x],
        order=0,
    )


def test_of_equal_elements_the_first():
    compare(sg.argmax, torch.argmax, [np.array([1.0, 3.0, 3.0])], order=0)


def test_a_place_is_an_index(rng):
    P, d = rng.standard_normal((4, 3)), rng.standard_normal(4)
    compare(lambda P, d: P[sg.argmin(d)] ** 2, lambda P, d: P[torch.argmin(d)] ** 2, [P, d])


def test_nothing_has_no_largest_element():
    with pytest.raises(ValueError, match="0 elements"):
        sg.argmax(sg.data("x", shape=0))
