"""What may be worked off in pieces, and that the pieces give the result of the whole."""

import itertools

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.train import pieces
from symgrad.train.pieces import Pieces, dependence
from tests.selection import mostly_full

x, y = sg.data("x", shape=3), sg.data("y")
W, b = sg.parameter("W", shape=(2, 3), init="normal"), sg.parameter("b")
z = sg.sum(W @ x) + b - y
E = sg.expectation

WAYS = {
    "parameters alone": (sg.sum(W**2) + b, "fixed"),
    "one sample": (z**2, "sample"),
    "mean": (E(z**2), "mean"),
    "mean and penalty": (3 * E(z**2) / 2 + b * E(z) + sg.sum(W**2), "mean"),
    "mean of a vector": (sg.sum(E(W @ x)), "mean"),
    "matrix times mean": (W @ E(x), "mean"),
    "square of a mean": (E(z) ** 2, "coupled"),
    "product of means": (E(z) * E(y), "coupled"),
    "variance": (E((z - E(z)) ** 2), "coupled"),
    "dot of means": (sg.dot(E(x), E(x)), "coupled"),
    "number of samples": (z / sg.batch_size, "coupled"),
    "batch": (sg.logsumexp(sg.batch(z)), "coupled"),
    "against the mean": (z - E(y), "coupled"),
}


@pytest.mark.parametrize("case", WAYS)
def test_how_a_value_depends_on_the_mini_batch(case):
    expression, way = WAYS[case]
    block = capture({"e": expression})
    assert dependence(block)[block.outputs["e"]] == way


LOSSES = {
    "plain": z**2,
    "mean and penalty": E(z**2) + sg.sum(W**2) / 7,
    "penalty per sample": z**2 + sg.sum(W**2) / 7,
    "penalty counted once": z**2 + sg.sum(W**2) / sg.batch_size,
    "normalised": ((z - E(z)) / sp.sqrt(E((z - E(z)) ** 2) + 1) - y) ** 2,
    "squared mean": E(z) ** 2 + E(y * z),
    "contrastive": sg.logsumexp(sg.batch(z)) - z,
}


COMPILED = [("plain", "sum"), ("penalty counted once", "sum"), ("normalised", "mean"),
            ("contrastive", "mean")]  # fmt: skip
ORDINARY = [
    *itertools.product(["reference"], LOSSES, ["mean", "sum"]), *(("cpu", *c) for c in COMPILED)
]  # fmt: skip


@pytest.mark.parametrize(("target", "case", "reduction"), mostly_full(
    itertools.product(["reference", "cpu"], LOSSES, ["mean", "sum"]), ORDINARY
))  # fmt: skip
def test_pieces_give_the_loss_and_gradient_of_the_whole(case, reduction, target, rng, monkeypatch):
    data = {"x": rng.normal(size=(37, 3)), "y": rng.normal(size=37)}
    options = {"dtype": "float64", "target": target, "reduction": reduction}
    whole = sg.compile(LOSSES[case], **options)
    monkeypatch.setattr(pieces, "LARGEST", 64)
    loss, gradients = whole.loss(data), whole.gradients(data)
    monkeypatch.setattr(pieces, "LARGEST", 8)
    parts = sg.compile(LOSSES[case], **options)
    assert parts.loss(data) == pytest.approx(loss, rel=1e-13)
    for name, g in parts.gradients(data).items():
        np.testing.assert_allclose(g, gradients[name], rtol=1e-11, atol=1e-13)


def test_pieces_are_as_small_as_memory_asks():
    small = Pieces(capture({"e": z**2}))
    assert small.size(10**6) == 1024
    assert small.size(5) == 8
    assert small.size(1) == 1
    assert Pieces(capture({"e": E(z) ** 2})).size(5) == 5
    big = sg.data("image", shape=(3, 1000, 1000))
    assert Pieces(capture({"e": sg.sum(sp.tanh(big))})).size(100) == 4
