"""Cross-entropy and its kin beside torch's, over a mini-batch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.calculus.reference import evaluate

WEIGHT = np.array([0.5, 2.0, 1.0, 0.25])
OPTIONS = {
    "plain": {},
    "weighted": {"weight": WEIGHT},
    "ignoring": {"ignore_index": 2},
    "ignoring what is no class": {"ignore_index": -100},
    "weighted and ignoring": {"weight": WEIGHT, "ignore_index": 0},
}
SMOOTH = {f"{name}, smoothed": {**o, "label_smoothing": 0.1} for name, o in OPTIONS.items()}
SAMPLES, CLASSES, FEATURES = 6, 4, 3


def compare(ours, theirs, targets, extra, rng):
    """The mini-batch's loss and its gradient for scores W x of shape (classes, *extra)."""
    shape = (CLASSES, *extra)
    W = sg.parameter("W", shape=(*shape, FEATURES), init=0)
    x = sg.data("x", shape=FEATURES)
    y = sg.data("y", shape=targets.shape[1:], dtype=targets.dtype)
    arrays = {W: rng.standard_normal(W.shape), x: rng.standard_normal((SAMPLES, 3)), y: targets}
    block = capture({"loss": sg.expectation(ours(sg.let("z", W @ x), y))})
    block, (g,) = derive(block, block.outputs["loss"], [block.inputs[W]])
    values = evaluate(block.check(), arrays)
    weights = torch.tensor(arrays[W], requires_grad=True)
    z = torch.einsum("...f,bf->b...", weights, torch.tensor(arrays[x]))
    loss = theirs(z, torch.tensor(targets))
    loss.backward()
    np.testing.assert_allclose(values[block.outputs["loss"]], loss.item(), rtol=1e-12)
    np.testing.assert_allclose(values[g], weights.grad, rtol=1e-11, atol=1e-13)


def tensors(options):
    kept = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    return kept


@pytest.mark.parametrize("extra", [(), (5,), (2, 3)])
@pytest.mark.parametrize("name", OPTIONS | SMOOTH)
def test_cross_entropy_with_labels_is_torchs(name, extra, rng):
    options = (OPTIONS | SMOOTH)[name]
    labels = rng.integers(0, CLASSES, (SAMPLES, *extra))
    if options.get("ignore_index") == -100:
        labels.reshape(-1)[::3] = -100
    compare(
        lambda z, y: sg.cross_entropy(z, y, **options),
        lambda z, y: F.cross_entropy(z, y, **tensors(options)),
        labels,
        extra,
        rng,
    )


@pytest.mark.parametrize("extra", [(), (5,)])
@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}, {"label_smoothing": 0.2}])
def test_cross_entropy_with_probabilities_is_torchs(options, extra, rng):
    compare(
        lambda z, y: sg.cross_entropy(z, y, **options),
        lambda z, y: F.cross_entropy(z, y, **tensors(options)),
        rng.dirichlet(np.ones(CLASSES), (SAMPLES, *extra)).swapaxes(1, -1).copy(),
        extra,
        rng,
    )


@pytest.mark.parametrize("extra", [(), (5,)])
@pytest.mark.parametrize("name", OPTIONS)
def test_nll_is_torchs(name, extra, rng):
    labels = rng.integers(0, CLASSES, (SAMPLES, *extra))
    compare(
        lambda z, y: sg.nll(sg.log_softmax(z, axis=0), y, **OPTIONS[name]),
        lambda z, y: F.nll_loss(F.log_softmax(z, 1), y, **tensors(OPTIONS[name])),
        labels,
        extra,
        rng,
    )


def test_the_class_axis_may_be_another(rng):
    z, y = sg.data("z", shape=(5, 4)), sg.data("y", shape=5, dtype=int)
    arrays = {z: rng.standard_normal((3, 5, 4)), y: rng.integers(0, 4, (3, 5))}
    block = capture({"loss": sg.expectation(sg.cross_entropy(z, y, axis=-1))})
    value = evaluate(block, arrays)[block.outputs["loss"]]
    want = F.cross_entropy(torch.tensor(arrays[z]).mT, torch.tensor(arrays[y]))
    np.testing.assert_allclose(value, want, rtol=1e-12)


@pytest.mark.parametrize(
    ("error", "target"),
    [
        (TypeError, sg.data("y")),
        (TypeError, sg.data("y", shape=2)),
        (ValueError, sg.data("y", shape=2, dtype=int)),
    ],
)
def test_labels_that_do_not_fit_are_refused(error, target):
    with pytest.raises(error, match=r"sg\.cross_entropy"):
        sg.cross_entropy(sg.data("z", shape=3), target)


def test_only_labels_are_ignored():
    with pytest.raises(ValueError, match="probabilities"):
        sg.cross_entropy(sg.data("z", shape=3), sg.data("y", shape=3), ignore_index=1)
