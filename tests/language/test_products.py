"""tensordot and cross beside torch's."""

import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare

TENSORDOT = [
    ((2, 3), (3, 4), 1),
    ((2, 3, 4), (3, 4, 5), 2),
    ((2,), (3,), 0),
    ((2, 3, 4), (4, 3), ([1, 2], [1, 0])),
]


@pytest.mark.parametrize("case", TENSORDOT)
def test_tensordot_is_torchs(case, rng):
    *shapes, axes = case
    arrays = [rng.standard_normal(s) for s in shapes]
    compare(lambda a, b: sg.tensordot(a, b, axes), lambda a, b: torch.tensordot(a, b, axes), arrays)


@pytest.mark.parametrize("axis", [0, 1])
def test_cross_is_torchs(axis, rng):
    arrays = [rng.standard_normal((3, 3)) for _ in range(2)]
    compare(
        lambda a, b: sg.cross(a, b, axis=axis), lambda a, b: torch.cross(a, b, dim=axis), arrays
    )


def test_cross_wants_three_elements():
    with pytest.raises(ValueError, match="three"):
        sg.cross(sg.data("a", shape=2), sg.data("b", shape=2))
