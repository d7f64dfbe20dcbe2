"""Losses that join the samples of the mini-batch, and derivatives by data inside a loss."""

import numpy as np
import pytest
import sympy as sp
import torch
import torch.nn.functional as F

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.calculus.reference import evaluate

N, D, K = 7, 4, 3
W = sg.parameter("W", shape=(K, D), init=0)
x, y = sg.data("x", shape=D), sg.data("y", shape=D)
t, event, label = sg.data("t"), sg.data("event"), sg.data("label", dtype=int)


def compare(loss, theirs, arrays):
    """The loss and its gradient for the parameter W beside torch's."""
    block = capture({"loss": loss})
    block, (g,) = derive(block, block.outputs["loss"], [block.inputs[W]])
    values = evaluate(block.check(), arrays)
    tensors = {s.name: torch.tensor(a, requires_grad=s is W) for s, a in arrays.items()}
    want = theirs(**tensors)
    want.backward()
    np.testing.assert_allclose(values[block.outputs["loss"]], want.item(), rtol=1e-12)
    np.testing.assert_allclose(values[g], tensors["W"].grad, rtol=1e-10, atol=1e-13)


def drawn(rng, *symbols):
    arrays = {W: rng.standard_normal((K, D))}
    for s in symbols:
        arrays[s] = rng.standard_normal((N, *s.shape))
    return arrays


def test_contrastive_loss_with_cosines(rng):
    z, p = sg.let("z", W @ x), sg.let("p", W @ y)
    a, b = z / sg.norm(z), sg.let("b", p / sg.norm(p))
    loss = sg.expectation(-sg.dot(a, b) / 0.1 + sg.logsumexp(sg.batch(b) @ a / 0.1))

    def theirs(W, x, y):
        a, b = F.normalize(x @ W.T, dim=1), F.normalize(y @ W.T, dim=1)
        return F.cross_entropy(a @ b.T / 0.1, torch.arange(N))

    compare(loss, theirs, drawn(rng, x, y))


def test_cox_partial_likelihood_with_ties(rng):
    risk = sg.let("risk", W[0] @ x)
    at_risk = sg.where(sg.batch(t) >= t, sg.batch(risk), -sp.oo)
    loss = sg.expectation(event * (sg.logsumexp(at_risk) - risk)) / sg.expectation(event)

    def theirs(W, x, t, event):
        risk = x @ W[0]
        alive = t[None, :] >= t[:, None]
        logs = torch.logsumexp(torch.where(alive, risk[None, :], -torch.inf), 1)
        return (event * (logs - risk)).sum() / event.sum()

    arrays = drawn(rng, x) | {
        t: np.array([1.0, 2.0, 2.0, 3.0, 5.0, 5.0, 5.0]),
        event: np.array([1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]),
    }
    compare(loss, theirs, arrays)


def test_hardest_triplets_of_the_mini_batch(rng):
    z = sg.let("z", W @ x)
    distance = sg.let("d", sg.norm(sg.batch(z) - z + 1e-3, axis=1))
    same = sp.Eq(sg.batch(label), label)
    near = sg.max(sg.where(same, distance, 0))
    far = sg.min(sg.where(same, sp.oo, distance))
    loss = sg.expectation(sg.relu(1 + near - far))

    def theirs(W, x, label):
        z = x @ W.T
        distance = torch.linalg.vector_norm(z[None] - z[:, None] + 1e-3, dim=2)
        same = label[None] == label[:, None]
        near = torch.where(same, distance, 0).amax(1)
        far = torch.where(same, torch.inf, distance).amin(1)
        return F.relu(1 + near - far).mean()

    arrays = drawn(rng, x) | {label: np.array([0, 1, 0, 1, 2, 2, 0])}
    compare(loss, theirs, arrays)


def test_nearest_prototype_is_an_index(rng):
    d = sg.let("d", sg.sum((W - x) ** 2, axis=1))
    loss = sg.expectation(sg.sum((x - W[sg.argmin(d)]) ** 2))

    def theirs(W, x):
        nearest = ((W[None] - x[:, None]) ** 2).sum(2).argmin(1)
        return ((x - W[nearest]) ** 2).sum(1).mean()

    compare(loss, theirs, drawn(rng, x))


@pytest.mark.parametrize("name", ["var", "std", "norm", "prod", "max", "mean", "logsumexp"])
def test_reductions_over_the_mini_batch(name, rng):
    z = sg.batch(sg.let("z", W @ x))
    loss = sg.sum(getattr(sg, name)(z, axis=0))
    theirs = {
        "norm": lambda z: torch.linalg.vector_norm(z, dim=0), "max": lambda z: z.amax(0),
    }.get(name, lambda z: getattr(torch, name)(z, dim=0))  # fmt: skip
    compare(loss, lambda W, x: theirs(x @ W.T).sum(), drawn(rng, x))


def test_second_derivative_by_data_inside_a_loss(rng):
    """A physics-informed network: u'' + u = 0."""
    hidden = sp.tanh(W @ (x[:1] * np.ones(D)) + W[:, 0])
    u = sg.sum(hidden * W[:, 1])
    slope = sg.gradient(u, x)[0]
    residual = sg.gradient(slope, x)[0] + u
    loss = sg.expectation(residual**2)

    def theirs(W, x):
        x = x.clone().requires_grad_()
        hidden = torch.tanh((x[:, :1] * torch.ones(D)) @ W.T + W[:, 0])
        u = (hidden * W[:, 1]).sum(1)
        slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0][:, 0]
        bend = torch.autograd.grad(slope.sum(), x, create_graph=True)[0][:, 0]
        return ((bend + u) ** 2).mean()

    compare(loss, theirs, drawn(rng, x))
