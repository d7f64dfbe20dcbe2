"""Variances and norms beside torch's, at 0 too."""

import numpy as np
import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare

AXES = [None, 0, (0, 2), -1]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("correction", [0, 1])
def test_spread_is_torchs(name, axis, correction, rng):
    ours, theirs = getattr(sg, name), getattr(torch, name)
    compare(
        lambda x: ours(x, axis=axis, keepdims=True, correction=correction),
        lambda x: theirs(x, dim=axis, keepdim=True, correction=correction),
        [rng.standard_normal((2, 3, 4))],
    )


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("p", [0, 0.5, 1, 1.5, 2, 3, np.inf, -np.inf])
def test_norm_is_torchs(p, axis, rng):
    compare(
        lambda x: sg.norm(x, p, axis=axis),
        lambda x: torch.linalg.vector_norm(x, p, dim=axis),
        [rng.standard_normal((2, 3, 4))],
        order=1 if p in (0.5, 0) else 2,
    )


@pytest.mark.parametrize("p", [1, 2, 3])
def test_norm_of_zeros_has_the_derivative_0(p):
    compare(
        lambda x: sg.norm(x, p, axis=1), lambda x: torch.linalg.vector_norm(x, p, dim=1),
        [np.array([[0.0, 0.0], [3.0, 0.0]])], order=1,
    )  # fmt: skip


def test_std_of_equal_elements_has_the_derivative_0():
    compare(sg.std, torch.std, [np.full(4, 2.5)], order=1)


def test_a_variance_of_one_element_is_refused():
    with pytest.raises(ValueError, match="correction=0"):
        sg.var(sg.data("x", shape=1))


def test_the_power_of_a_norm_is_a_number():
    with pytest.raises(TypeError, match="wants a number p, or sympy.oo, not y"):
        sg.norm(sg.data("x", shape=3), sg.data("y"))
