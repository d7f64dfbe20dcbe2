"""Products with zeros: values, first and second derivatives."""

import numpy as np
import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare

ZEROS = {"none": [], "one": [1], "two": [1, 3], "three": [0, 2, 3], "last": [4]}


@pytest.mark.parametrize("zeros", ZEROS)
def test_product_is_torchs(zeros, rng):
    x = rng.uniform(0.5, 2, 5)
    x[ZEROS[zeros]] = 0
    compare(sg.prod, torch.prod, [x])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_product_along_an_axis_is_torchs(axis, rng):
    x = rng.integers(-1, 3, (2, 3, 4)) * 1.0
    compare(lambda x: sg.prod(x, axis=axis), lambda x: torch.prod(x, axis), [x])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8])
def test_third_derivatives_are_finite_where_elements_are_0(n, rng):
    x = np.where(np.arange(n) % 2, rng.uniform(0.5, 2, n), 0)
    compare(sg.prod, torch.prod, [x], order=3)


def test_product_over_two_axes(rng):
    x = rng.uniform(0.5, 2, (2, 3, 4))
    compare(lambda x: sg.prod(x, axis=(0, 2)), lambda x: x.prod(2).prod(0), [x])
