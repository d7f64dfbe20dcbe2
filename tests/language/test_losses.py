"""Losses against torch's, with their gradients, in float64 and float32, and their refusals."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import symgrad as sg
from tests.calculus.values import gradients, value

N = 6
SHAPES = [(), (4,), (2, 3)]
ELEMENTWISE = {
    "mse": (sg.mse, F.mse_loss),
    "huber": (sg.huber, F.huber_loss),
    "huber of 0.3": (lambda p, y: sg.huber(p, y, 0.3), lambda p, y: F.huber_loss(p, y, delta=0.3)),
    "with logits": (sg.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits),
    "probabilities": (
        lambda p, y: sg.binary_cross_entropy(sg.sigmoid(p), sg.sigmoid(y)),
        lambda p, y: F.binary_cross_entropy(torch.sigmoid(p), torch.sigmoid(y)),
    ),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_losses_are_torchs(name, shape, dtype, rng):
    ours, theirs = ELEMENTWISE[name]
    z, y = sg.data("z", shape=shape), sg.data("y", shape=shape)
    w = sg.parameter("w", shape=shape, init=0)
    arrays = {z: rng.standard_normal((N, *shape)), y: rng.standard_normal((N, *shape)),
              w: rng.standard_normal(shape)}  # fmt: skip
    arrays = {s: a.astype(dtype) for s, a in arrays.items()}
    loss = sg.expectation(ours(z * w, y))
    t = {s: torch.tensor(a, requires_grad=s is w) for s, a in arrays.items()}
    want = theirs(t[z] * t[w], t[y])
    want.backward()
    rtol = 1e-12 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(value(loss, arrays, dtype), want.item(), rtol=rtol)
    (g,) = gradients(loss, [w], arrays, dtype)
    assert g.dtype == dtype or shape == ()
    np.testing.assert_allclose(g, t[w].grad.numpy(), rtol=10 * rtol, atol=rtol)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3,), 0), ((3,), -1), ((3, 4), 0), ((4, 3), 1), ((3, 2, 2), 0), ((2, 3, 2), 1)],
)
def test_cross_entropy_is_torchs(shape, axis, rng):
    labels = tuple(s for k, s in enumerate(shape) if k != axis % len(shape))
    z, label = sg.data("z", shape=shape), sg.data("label", shape=labels, dtype=int)
    w = sg.parameter("w", shape=shape, init=0)
    arrays = {z: rng.standard_normal((N, *shape)) * 3, w: rng.standard_normal(shape),
              label: rng.integers(0, 3, (N, *labels))}  # fmt: skip
    loss = sg.expectation(sg.cross_entropy(z * w, label, axis=axis))
    t = torch.tensor(arrays[w], requires_grad=True)
    logits = torch.moveaxis(torch.tensor(arrays[z]) * t, 1 + axis % len(shape), 1)
    want = F.cross_entropy(logits, torch.tensor(arrays[label]))
    want.backward()
    np.testing.assert_allclose(value(loss, arrays), want.item(), rtol=1e-13)
    (g,) = gradients(loss, [w], arrays)
    np.testing.assert_allclose(g, t.grad.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", ["mse", "huber", "with logits"])
def test_edges_are_torchs(name):
    ours, theirs = ELEMENTWISE[name]
    z, y = sg.data("z y")
    at = np.array([0.0, 1.0, -1.0, 1e4, -1e4, 50.0])
    arrays = {z: at, y: np.zeros(6)}
    t = torch.tensor(at, requires_grad=True)
    theirs(t, torch.zeros(6, dtype=torch.float64), reduction="sum").backward()
    (g,) = gradients(ours(z, y), [z], arrays)
    np.testing.assert_allclose(g, t.grad.numpy(), rtol=1e-14)


def test_certain_probabilities_are_torchs():
    p, y = sg.data("p y")
    arrays = {p: np.array([0.0, 1.0, 0.0, 1.0]), y: np.array([0.0, 1.0, 1.0, 0.0])}
    want = F.binary_cross_entropy(
        torch.tensor(arrays[p]), torch.tensor(arrays[y]), reduction="none"
    )
    np.testing.assert_allclose(value(sg.binary_cross_entropy(p, y), arrays), want.numpy())


def test_far_logits(rng):
    z, label = sg.data("z", shape=3), sg.data("label", dtype=int)
    arrays = {z: np.array([[1e4, 0, -1e4]] * 3), label: np.array([0, 1, 2])}
    np.testing.assert_allclose(value(sg.cross_entropy(z, label), arrays), [0, 1e4, 2e4])
    (g,) = gradients(sg.cross_entropy(z, label), [z], arrays)
    np.testing.assert_array_equal(g, [[0, 0, 0], [1, -1, 0], [1, 0, -1]])


def test_a_target_may_be_a_number_or_an_array(rng):
    v = sg.data("v", shape=3)
    arrays = {v: rng.standard_normal((2, 3))}
    np.testing.assert_allclose(value(sg.mse(v, 1), arrays), ((arrays[v] - 1) ** 2).mean(1))
    np.testing.assert_allclose(
        value(sg.mse(v, np.array([1.0, 2, 3])), arrays), ((arrays[v] - [1, 2, 3]) ** 2).mean(1)
    )


@pytest.mark.parametrize(
    "loss", [sg.mse, sg.huber, sg.binary_cross_entropy, sg.binary_cross_entropy_with_logits]
)
def test_unequal_shapes_are_refused(loss):
    v, y = sg.data("v", shape=3), sg.data("y")
    with pytest.raises(
        ValueError, match=r"wants equal shapes: v has shape \(3,\), y has shape \(\)"
    ):
        loss(v, y)
    with pytest.raises(ValueError, match="wants equal shapes"):
        loss(sg.data("a", shape=(3, 1)), v)
    with pytest.raises(TypeError, match="'a' of type str"):
        loss("a", 1)


def test_cross_entropy_refusals():
    z, label = sg.data("z", shape=3), sg.data("label", dtype=int)
    for call, error, text in [
        (lambda: sg.cross_entropy(z, sg.data("l")), TypeError, "wants integer labels"),
        (lambda: sg.cross_entropy(sg.data("s"), label), ValueError, "wants a vector of"),
        (lambda: sg.cross_entropy(z, sg.data("l", shape=3, dtype=int)),
         ValueError, "labels of shape"),
        (lambda: sg.cross_entropy(z, label, axis=1), IndexError, "axis 1 does not exist"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x, y: sg.huber(x, y, delta=0), "delta above 0, not 0"),
        (lambda x, y: sg.smooth_l1(x, y, beta=-1), "beta from 0, not -1"),
        (lambda x, y: sg.quantile(x, y, 1.5), "q from 0 to 1, not 1.5"),
        (lambda x, y: sg.cross_entropy(x, y, label_smoothing=2), r"in \[0, 1\], not 2"),
        (lambda x, y: sg.cross_entropy(x, 0, weight=[1.0, 2.0]), "each of the 3 classes"),
        (lambda x, y: sg.nll(x, 0, weight=2.0), "each of the 3 classes"),
    ],
)
def test_numbers_that_make_no_loss_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make(sg.data("x", shape=3), sg.data("y", shape=3))


def test_a_variance_of_another_shape_is_refused():
    p = sg.data("p", shape=(2, 3))
    with pytest.raises(ValueError, match=r"shape \(2, 3\) or \(2,\).*this one has shape \(3,\)"):
        sg.gaussian_nll(p, p, sg.data("v", shape=3))
