"""One-hot vectors and gather beside torch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import symgrad as sg
from tests.language.against_torch import compare


@pytest.mark.parametrize("label", [np.array(2), np.array([0, 3, 1]), np.array([[1], [2]])])
def test_one_hot_is_torchs(label):
    compare(
        lambda x: x * sg.one_hot(sg.constant(label) if label.ndim else 2, 4),
        lambda x: x * F.one_hot(torch.tensor(label), 4),
        [np.array(1.5)],
    )  # fmt: skip


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_is_torchs(axis, rng):
    z, index = rng.standard_normal((4, 3, 5)), rng.integers(0, 3, (4, 3, 5))
    compare(
        lambda z, i: sg.gather(z, i, axis=axis), lambda z, i: torch.gather(z, axis, i), [z, index]
    )


def test_gather_of_fewer_elements(rng):
    z, index = rng.standard_normal((4, 3)), rng.integers(0, 3, (2, 2))
    compare(lambda z, i: sg.gather(z, i, axis=0), lambda z, i: torch.gather(z, 0, i), [z, index])


def test_floats_do_not_select():
    with pytest.raises(TypeError, match="dtype=int"):
        sg.one_hot(sg.data("label"), 3)
    with pytest.raises(ValueError, match="integers"):
        sg.gather(sg.data("z", shape=3), sg.data("i", shape=3), axis=0)
