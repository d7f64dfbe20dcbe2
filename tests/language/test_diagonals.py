"""Diagonals and triangles beside torch's."""

import numpy as np
import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare

MATRICES = [(3, 3), (2, 4), (4, 2)]


@pytest.mark.parametrize("shape", MATRICES)
@pytest.mark.parametrize("k", [-1, 0, 1, 2])
@pytest.mark.parametrize("name", ["tril", "triu", "diagonal"])
def test_part_of_a_matrix_is_torchs(name, shape, k, rng):
    ours, theirs = getattr(sg, name), getattr(torch, name)
    compare(lambda x: ours(x, k), lambda x: theirs(x, k), [rng.standard_normal(shape)], order=1)


@pytest.mark.parametrize("k", [-2, 0, 1])
def test_diag_is_torchs(k, rng):
    for shape in ((3,), (4, 4)):
        x = rng.standard_normal(shape)
        compare(lambda x: sg.diag(x, k), lambda x: torch.diag(x, k), [x], order=1)


def test_stacks_of_matrices(rng):
    x = rng.standard_normal((2, 3, 3))
    compare(sg.tril, torch.tril, [x], order=1)
    compare(sg.trace, lambda x: x.diagonal(dim1=-2, dim2=-1).sum(-1), [x], order=1)


def test_what_is_left_out_does_not_spoil_a_triangle():
    x = np.array([[1.0, np.inf], [np.nan, 2.0]])
    compare(lambda x: sg.take(sg.tril(x), 0), lambda x: torch.tril(x)[0], [x], order=0)


def test_a_vector_has_no_diagonal():
    with pytest.raises(ValueError, match="matrix"):
        sg.trace(sg.data("x", shape=3))
