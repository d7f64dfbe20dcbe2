"""Losses beside torch's, reduced by the mean: values, first and second derivatives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import symgrad as sg
from tests.language.against_torch import compare

OF_TWO = {
    "mse": (sg.mse, F.mse_loss),
    "l1": (sg.l1, F.l1_loss),
    "huber": (sg.huber, F.huber_loss),
    "huber of 0.3": (lambda p, y: sg.huber(p, y, 0.3), lambda p, y: F.huber_loss(p, y, delta=0.3)),
    "smooth_l1": (sg.smooth_l1, F.smooth_l1_loss),
    "smooth_l1 of 0.3": (
        lambda p, y: sg.smooth_l1(p, y, 0.3),
        lambda p, y: F.smooth_l1_loss(p, y, beta=0.3),
    ),
    "smooth_l1 of 0": (lambda p, y: sg.smooth_l1(p, y, 0), lambda p, y: F.l1_loss(p, y)),
    "log_cosh": (sg.log_cosh, lambda p, y: torch.log(torch.cosh(p - y)).mean()),
    "quantile": (
        lambda p, y: sg.quantile(p, y, 0.3),
        lambda p, y: torch.maximum(0.3 * (y - p), -0.7 * (y - p)).mean(),
    ),
    "binary_cross_entropy_with_logits": (
        sg.binary_cross_entropy_with_logits,
        F.binary_cross_entropy_with_logits,
    ),
    "binary_cross_entropy_with_logits, weighted": (
        lambda p, y: sg.binary_cross_entropy_with_logits(p, y, 2.5),
        lambda p, y: F.binary_cross_entropy_with_logits(
            p, y, pos_weight=torch.tensor(2.5, dtype=p.dtype)
        ),
    ),
    "poisson_nll": (sg.poisson_nll, F.poisson_nll_loss),
    "kl_div of logarithms": (
        lambda p, y: sg.kl_div(p, y, log_target=True),
        lambda p, y: F.kl_div(p, y, log_target=True, reduction="none").mean(),
    ),
}
OF_POSITIVE = {
    "binary_cross_entropy": (
        lambda p, y: sg.binary_cross_entropy(p / 4, y / 4),
        lambda p, y: F.binary_cross_entropy(p / 4, y / 4),
    ),
    "kl_div": (sg.kl_div, lambda p, y: F.kl_div(p, y, reduction="none").mean()),
    "kl_div of one sample": (
        lambda p, y: sg.kl_div(p, y, reduction="batchmean"),
        lambda p, y: F.kl_div(p, y, reduction="sum"),
    ),
    "poisson_nll of rates": (
        lambda p, y: sg.poisson_nll(p, y, log_input=False),
        lambda p, y: F.poisson_nll_loss(p, y, log_input=False),
    ),
    "poisson_nll in full": (
        lambda p, y: sg.poisson_nll(p, y, full=True),
        lambda p, y: F.poisson_nll_loss(p, y, full=True),
    ),
}


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
@pytest.mark.parametrize("name", OF_TWO)
def test_loss_is_torchs(name, shape, rng):
    compare(*OF_TWO[name], [rng.standard_normal(shape), rng.standard_normal(shape)])


@pytest.mark.parametrize("name", OF_POSITIVE)
def test_loss_of_positive_values_is_torchs(name, rng):
    arrays = [rng.uniform(0.2, 3.5, (2, 3)), rng.uniform(0.2, 3.5, (2, 3))]
    compare(*OF_POSITIVE[name], arrays, order=1 if "poisson" in name or "cross" in name else 2)


@pytest.mark.parametrize("full", [False, True])
def test_gaussian_nll_is_torchs_below_its_least_variance_too(full, rng):
    p, y = rng.standard_normal(4), rng.standard_normal(4)
    var = np.array([0.5, 2.0, 1e-9, 0.0])
    compare(
        lambda p, y, v: sg.gaussian_nll(p, y, v, full=full, eps=0.01),
        lambda p, y, v: F.gaussian_nll_loss(p, y, v, full=full, eps=0.01),
        [p, y, var],
        order=1,
    )


def test_log_cosh_neither_overflows_nor_cancels():
    error = np.array([-1e4, -40.0, 1e-9, 1e-5, 0.999, 1.001, 800.0])
    exact = np.array([1e4 - np.log(2), 40 - np.log(2), 5e-19, 5e-11, 0, 0, 800 - np.log(2)])

    def theirs(x):
        inner = torch.log(torch.cosh(x.clamp(-2, 2)))
        return torch.where(x.abs().sub(1).abs() < 0.1, inner, torch.tensor(exact))

    compare(lambda x: sg.log_cosh(x, 0), lambda x: theirs(x).mean(), [error], order=0)


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\).*shape \(2,\)"):
        sg.l1(sg.data("p", shape=3), sg.data("y", shape=2))
    with pytest.raises(ValueError, match="batchmean"):
        sg.kl_div(sg.data("p"), sg.data("y"), reduction="sum")
