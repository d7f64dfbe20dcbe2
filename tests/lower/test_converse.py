"""Products of a mini-batch with itself are made once, and read row by row from either side."""

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.lower.driver import lower
from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import Loop, Product, statements
from tests.lower.programs import agree

N, D, K = 23, 6, 8
x, t = sg.data("x", shape=D), sg.data("t", shape=D)
label = sg.data("label", dtype=int)
A, B = (sg.parameter(k, shape=(K, D), init=0) for k in "AB")
tau = sg.hyper("tau", 0.7)
z, q = sg.let("z", sp.tanh(A @ x)), sg.let("q", sp.tanh(B @ t))
zq, qz = sg.batch(z) @ q, sg.batch(q) @ z
same = sp.Eq(sg.batch(label), label)


def lse(s, axis):
    return torch.logsumexp(s, axis)


# A loss of s[i, j] = z_i q_j in both languages: ours is a sample's, torch's the mini-batch's mean.
LOSSES = {
    "both sides": (
        sg.logsumexp(10 * zq) + sg.logsumexp(10 * qz),
        lambda s, same: (lse(10 * s, 0) + lse(10 * s, 1)).mean(),
    ),
    "divided by a number of the run": (
        sg.logsumexp(sg.batch(z) @ (q / tau)) + sg.logsumexp(sg.batch(q / tau) @ z),
        lambda s, same: (lse(s / 0.7, 0) + lse(s / 0.7, 1)).mean(),
    ),
    "without some": (
        sg.logsumexp(sg.where(same, -3, zq)) + sg.logsumexp(sg.where(same, -3, qz)),
        lambda s, same: (
            lse(torch.where(same, -3, s), 0) + lse(torch.where(same, -3, s), 1)).mean(),
    ),
    "margins": (
        sg.sum(sg.relu(1 + zq - sg.dot(z, q))) + sg.max(qz) - sg.mean(qz) * sg.min(qz),
        lambda s, same: (sg_margins(s)).mean(),
    ),
    "kept axes": (
        sg.sum(sp.exp(zq - sg.max(zq, axis=0, keepdims=True)))
        + sg.sum(sp.exp(qz - sg.max(qz, axis=0, keepdims=True)) * np.float64(0.5)),
        lambda s, same: (
            torch.exp(s - s.amax(0)).sum(0)
            + torch.exp(s - s.amax(1, keepdim=True)).sum(1) / 2).mean(),
    ),
}  # fmt: skip
TOGETHER = sg.sum(sp.tanh(zq + 2 * qz))


def sg_margins(s):
    hinge = torch.relu(1 + s - s.diagonal()).sum(0)
    return hinge + s.amax(1) - s.mean(1) * s.amin(1)


def model(loss, rng, **options):
    weights = {p: rng.standard_normal((K, D)) for p in (A, B)}
    found = sg.compile(loss, sg.SGD(0.05), dtype="float64", **options)
    for p, w in weights.items():
        found.parameters[p.name] = w
    return found, {p.name: w for p, w in weights.items()}


def program(loss):
    return sg.compile(loss, sg.SGD(0.05)).programs.make("step")


def products(kernel):
    pairs = (s for s in statements(kernel.step) if isinstance(s, Product))
    return sum(s.sizes.count(None) > 1 for s in pairs)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("threads", [1, 2])
def test_steps_are_torchs(name, threads, rng):
    ours, theirs = LOSSES[name]
    data = {k: rng.standard_normal((2 * N, D)) for k in "xt"} | {"label": rng.integers(0, 4, 2 * N)}
    fitted, weights = model(ours, rng)
    data = {k: v for k, v in data.items() if k in {d.name for d in fitted.data}}
    before = sg.get_threads()
    sg.set_threads(threads)
    try:
        fitted.fit(data, epochs=1, batch_size=18, shuffle=False, progress=False)
    finally:
        sg.set_threads(before)
    w = {k: torch.tensor(v, requires_grad=True) for k, v in weights.items()}
    optimizer = torch.optim.SGD(w.values(), lr=0.05)
    for at in range(0, 2 * N, 18):
        rows = {k: torch.tensor(v[at : at + 18]) for k, v in data.items()}
        s = torch.tanh(rows["x"] @ w["A"].T) @ torch.tanh(rows["t"] @ w["B"].T).T
        labels = rows.get("label", torch.zeros(len(s)))
        optimizer.zero_grad()
        theirs(s, labels[:, None] == labels).backward()
        optimizer.step()
    for k, v in w.items():
        np.testing.assert_allclose(fitted.parameters[k], v.detach().numpy(), atol=1e-11)


@pytest.mark.parametrize("name", LOSSES)
def test_each_product_is_made_once(name):
    kernel = lower(program(LOSSES[name][0]), "float32", 64)
    assert products(kernel) == 3  # the pairs, and their adjoints with either sample


@pytest.mark.parametrize("name", LOSSES)
def test_pairs_are_read_row_by_row(name):
    kernel = lower(program(LOSSES[name][0]), "float32", 64)

    def check(s, inner=None):
        for t in s.body if isinstance(s, Loop) else ():
            check(t, s.axis)
        if not isinstance(s, Loop | Product) and inner is not None:
            for buffer, at in accesses(s):
                if buffer.shape == (64, 64):
                    assert all(a is not inner for a, _ in at[0].terms)

    for s in kernel.step:
        check(s)


@pytest.mark.parametrize("batch", [1, 5, 23])
@pytest.mark.parametrize("name", LOSSES)
def test_they_agree_with_the_reference(name, batch, rng):
    agree(program(LOSSES[name][0]), batch, rng, samples=N)


def test_both_sides_of_a_pair_met_together_are_two_products(rng):
    made = program(TOGETHER)
    assert products(lower(made, "float32", 64)) == 6
    agree(made, 5, rng, samples=N)


def test_values_of_one_sample_have_no_converse():
    from symgrad.language.levels import Converse

    with pytest.raises(ValueError, match="pairs of samples"):
        Converse(x)
