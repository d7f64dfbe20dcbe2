"""Activations beside torch's: values, first and second derivatives, at the kinks too."""

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.reference import evaluate
from tests.language.against_torch import compare

ACTIVATIONS = {
    "relu": (sg.relu, F.relu),
    "relu6": (sg.relu6, F.relu6),
    "leaky_relu": (sg.leaky_relu, F.leaky_relu),
    "elu": (sg.elu, F.elu),
    "elu of 0.7": (lambda x: sg.elu(x, 0.7), lambda x: F.elu(x, 0.7)),
    "selu": (sg.selu, F.selu),
    "celu": (sg.celu, F.celu),
    "celu of 2": (lambda x: sg.celu(x, 2), lambda x: F.celu(x, 2)),
    "gelu": (sg.gelu, F.gelu),
    "gelu by tanh": (
        lambda x: sg.gelu(x, approximate="tanh"),
        lambda x: F.gelu(x, approximate="tanh"),
    ),
    "silu": (sg.silu, F.silu),
    "mish": (sg.mish, F.mish),
    "hardtanh": (sg.hardtanh, F.hardtanh),
    "hardtanh of 0, 2": (lambda x: sg.hardtanh(x, 0, 2), lambda x: F.hardtanh(x, 0, 2)),
    "hardsigmoid": (sg.hardsigmoid, lambda x: F.relu6(x + 3) / 6),  # its own has float32's 1/6
    "softplus": (sg.softplus, F.softplus),
    "softsign": (sg.softsign, F.softsign),
    "softshrink": (sg.softshrink, F.softshrink),
    "hardshrink": (sg.hardshrink, F.hardshrink),
    "tanhshrink": (sg.tanhshrink, F.tanhshrink),
    "threshold": (lambda x: sg.threshold(x, 0.5, 3), lambda x: F.threshold(x, 0.5, 3)),
    "sigmoid": (sg.sigmoid, torch.sigmoid),
    "log_sigmoid": (sg.log_sigmoid, F.logsigmoid),
}
KINKS = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_torchs(name, rng):
    ours, theirs = ACTIVATIONS[name]
    compare(ours, theirs, [rng.uniform(-8, 8, (3, 5))])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_torchs_at_its_kinks(name):
    ours, theirs = ACTIVATIONS[name]
    compare(ours, theirs, [KINKS], order=1)


def test_hardswish_is_torchs(rng):
    compare(sg.hardswish, F.hardswish, [rng.uniform(-5, 5, 20)])
    compare(sg.hardswish, F.hardswish, [KINKS], order=1)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_activations_of_non_finite_inputs_are_torchs(target):
    """Derivatives at infinity, where ours may be limits and torch's NaN; at NaN its own depend on
    the vector's length."""
    limits = {"softsign": [0, 0], "gelu": [1, 0], "mish": [1, 0]}
    x, points = sg.data("x"), np.array([np.nan, np.inf, -np.inf])
    table = {**ACTIVATIONS, "hardswish": (sg.hardswish, F.hardswish)}
    values = [ours(x) for ours, _ in table.values()]
    slopes = [sg.gradient(e, x) for e in values]
    found = sg.function([*values, *slopes], [x], target=target)(points)
    for k, (name, (_, theirs)) in enumerate(table.items()):
        t = torch.tensor(points, requires_grad=True)
        y = theirs(t)
        (slope,) = torch.autograd.grad(y.sum(), t)
        np.testing.assert_array_equal(found[k], y.detach(), err_msg=name)
        slope = limits.get(name, slope[1:])
        np.testing.assert_array_equal(found[k + len(table)][1:], slope, err_msg=name)


@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_prelu_is_torchs(shape, rng):
    x, weight = rng.standard_normal(shape), rng.uniform(0.1, 0.3, 4)
    compare(sg.prelu, lambda x, w: F.prelu(x[None], w)[0], [x, weight])


@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "softsign", "tanhshrink"])
def test_far_out_derivatives_are_finite(name):
    compare(*ACTIVATIONS[name], [np.array([-1e4, -700.0, -40.0, 40.0, 700.0, 1e4])], atol=1e-9)


def test_gelu_keeps_its_digits_where_torchs_are_gone():
    x = sg.data("x")
    block = capture({"y": sg.gelu(x)})
    value = evaluate(block, {x: np.array([-20.0])})[block.outputs["y"]]
    with mpmath.workdps(30):
        np.testing.assert_allclose(value, float(-20 * mpmath.ncdf(-20)), rtol=1e-12)
