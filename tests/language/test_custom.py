"""Operations with the user's own derivative."""

import pickle

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from tests.language.against_torch import compare


class Clipped(torch.autograd.Function):
    """exp whose gradient is cut off at 1."""

    @staticmethod
    def forward(ctx, x):
        y = torch.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * torch.clamp(y, max=1)


clipped = sg.custom(sp.exp, lambda g, y, x: g * sg.clamp(y, max=1))


def test_an_own_derivative_is_used(rng):
    compare(clipped, Clipped.apply, [rng.standard_normal((3, 4))], order=1)


def test_an_own_derivative_is_differentiated_in_turn(rng):
    square = sg.custom(lambda x: x**2, lambda g, y, x: 2 * x * g)
    compare(lambda x: square(sp.sin(x)), lambda x: torch.sin(x) ** 2, [rng.standard_normal(5)])


def test_several_operands(rng):
    product = sg.custom(lambda a, b: a @ b, lambda g, y, a, b: (sg.outer(g, b), a.T @ g))
    compare(product, torch.matmul, [rng.standard_normal((2, 3)), rng.standard_normal(3)])


def test_no_derivative(rng):
    held = sg.custom(lambda a, b: a * b, lambda g, y, a, b: [g * b, None])
    compare(
        held, lambda a, b: a * b.detach(), [rng.standard_normal(3), rng.standard_normal(3)], order=1
    )


def test_of_one_sample_and_shared_by_all(rng):
    w, x = sg.parameter("w"), sg.data("x")
    doubled = sg.custom(lambda a, b: a * b, lambda g, y, a, b: [2 * g * b, g * a])
    g = sg.gradient(sg.expectation(doubled(w, x)), w)
    assert str(g) == "E[2*x]"


def test_equal_rules_are_equal():
    x = sg.data("x")
    first, second = (sg.custom(sp.exp, lambda g, y, x: g)(x) for _ in range(2))
    assert first == second
    assert first != sg.custom(sp.exp, lambda g, y, x: 2 * g)(x)
    assert pickle.loads(pickle.dumps(first)) == first


def test_wrong_pull_backs_are_refused():
    x = sg.data("x", shape=3)
    with pytest.raises(ValueError, match="1 operands, 2 adjoints"):
        sg.custom(sp.exp, lambda g, y, x: (g, g))(x)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        sg.custom(sp.exp, lambda g, y, x: np.ones(2))(x)


def test_two_functions_are_wanted():
    with pytest.raises(TypeError, match="wants two functions, not 1 and 2"):
        sg.custom(1, 2)
