"""Running sums beside torch's."""

import numpy as np
import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cumsum_is_torchs(axis, rng):
    x = rng.standard_normal((3, 5, 4))
    compare(lambda x: sg.cumsum(x, axis=axis) ** 2, lambda x: torch.cumsum(x, axis) ** 2, [x])


def test_cumsum_backwards_and_flat(rng):
    x = rng.standard_normal((3, 2))
    compare(sg.cumsum, lambda x: torch.cumsum(x.flatten(), 0), [x])
    compare(
        lambda x: sg.cumsum(x, axis=0, reverse=True) ** 2,
        lambda x: x.flip(0).cumsum(0).flip(0) ** 2,
        [x],
    )


def test_infinity_does_not_spoil_the_sums_before_it():
    compare(sg.cumsum, lambda x: torch.cumsum(x, 0), [np.array([1.0, 2.0, np.inf, 3.0])], order=0)


def test_the_mini_batch_has_no_order():
    with pytest.raises(ValueError, match="symbolic size"):
        sg.cumsum(sg.batch(sg.data("x")))
