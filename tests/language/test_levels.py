"""The mini-batch in a model: E, batch, batch_size; batch-coupled losses against torch."""

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.calculus.capture import capture
from tests.calculus.values import gradients, through_expressions, value

x = sg.data("x", shape=3)
s = sg.data("s")
W = sg.parameter("W", shape=(2, 3), init=0)
N = 5


@pytest.fixture
def arrays(rng):
    return {
        x: rng.standard_normal((N, 3)), s: rng.standard_normal(N), W: rng.standard_normal((2, 3)),
    }  # fmt: skip


def torchs(arrays):
    return {k: torch.tensor(v, requires_grad=k.role == "parameter") for k, v in arrays.items()}


def test_values(arrays):
    S, X = arrays[s], arrays[x]
    np.testing.assert_allclose(value(sg.expectation(s), arrays), S.mean())
    np.testing.assert_allclose(value(sg.expectation(x), arrays), X.mean(0))
    np.testing.assert_allclose(value(sg.batch(x), arrays), X)
    np.testing.assert_allclose(value(s - sg.expectation(s), arrays), S - S.mean())
    np.testing.assert_allclose(value(sg.sum(sg.batch(s)) * s, arrays), S.sum() * S)
    np.testing.assert_allclose(value(sg.batch(x) @ x, arrays), X @ X.T)
    assert value(sg.batch_size * sg.expectation(s), arrays) == pytest.approx(S.sum())
    assert value(sg.expectation(sg.sum(W)), arrays) == pytest.approx(arrays[W].sum())
    assert value(sg.expectation(sg.expectation(s)), arrays) == pytest.approx(S.mean())


def test_shapes_and_printing():
    assert str(sg.shape(sg.batch(x))) == "(B, 3)" and sg.shape(sg.expectation(x)) == (3,)
    assert str(sg.expectation((s - 1) ** 2)) == "E[(s - 1)**2]"
    assert str(sg.batch(x) @ x) == "batch(x) @ x"
    assert sp.latex(sg.expectation(s)) == r"\mathbb{E}\left[s\right]"
    assert sg.batch(x)[0].shape == (3,) and str(sg.shape(sg.batch(x)[:, 0])) == "(B,)"
    assert str(sg.shape(sg.transpose(sg.batch(x)))) == "(3, B)"
    assert str(sg.shape(sg.sum(sg.batch(x), axis=1))) == "(B,)"


def check(loss, theirs, wrt, arrays, rtol=1e-11):
    t = torchs(arrays)
    want = theirs(t)
    want.backward()
    np.testing.assert_allclose(value(loss, arrays), want.item(), rtol=rtol)
    for route in (gradients, through_expressions):
        for p, g in zip(wrt, route(loss, wrt, arrays), strict=True):
            np.testing.assert_allclose(g, t[p].grad.numpy(), rtol=rtol, atol=1e-13)


def test_batch_normalisation_by_nested_means(arrays):
    z = sg.let("z", W @ x)
    mu = sg.let("mu", sg.expectation(z))
    var = sg.let("var", sg.expectation((z - mu) ** 2))
    loss = sg.expectation(sg.sum(sp.tanh((z - mu) / sp.sqrt(var + 1e-5)) * s))

    def theirs(t):
        z = torch.nn.functional.batch_norm(t[x] @ t[W].T, None, None, training=True)
        return (torch.tanh(z) * t[s][:, None]).sum(1).mean()

    check(loss, theirs, [W], arrays)


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_info_nce(samples, rng):
    p, tau = sg.data("p", shape=2), sg.hyper("tau", 0.2)
    z = sg.let("z", W @ x)
    q = sg.let("q", p / sp.sqrt(sg.sum(p**2)))
    loss = sg.expectation(-sg.dot(z, q) / tau + sg.logsumexp(sg.batch(q) @ z / tau))
    arrays = {
        x: rng.standard_normal((samples, 3)), p: rng.standard_normal((samples, 2)),
        W: rng.standard_normal((2, 3)), tau: np.array(0.2),
    }  # fmt: skip

    def theirs(t):
        z, q = t[x] @ t[W].T, t[p] / t[p].norm(dim=1, keepdim=True)
        return torch.nn.functional.cross_entropy(z @ q.T / 0.2, torch.arange(samples))

    check(loss, theirs, [W], arrays)


def test_both_sides_of_a_batched_product_have_gradients(arrays):
    z = sg.let("z", sp.tanh(W @ x))
    loss = sg.expectation(sg.logsumexp(sg.batch(z) @ z) + sg.sum(sg.batch(z) ** 2))

    def theirs(t):
        z = torch.tanh(t[x] @ t[W].T)
        return torch.logsumexp(z @ z.T, 1).mean() + (z**2).sum()

    check(loss, theirs, [W], arrays)


def test_variance_over_the_minibatch(arrays):
    w = sg.parameter("w", shape=3)
    z = sg.let("z", sg.dot(w, x))
    m = sg.expectation(z)
    loss = sg.expectation((z - m) ** 2) * sg.expectation(z**4) + sg.max(sg.batch(z))
    arrays[w] = np.array([0.3, -1.0, 0.7])

    def theirs(t):
        z = t[x] @ t[w]
        return z.var(unbiased=False) * (z**4).mean() + z.max()

    check(loss, theirs, [w], arrays)


def test_ranking_by_pairs(arrays):
    w = sg.parameter("w", shape=3)
    z = sg.let("z", sg.dot(w, x))
    pairs = sg.softplus(sg.batch(z) - z) * sg.indicator(sg.batch(s) < s)
    loss = sg.expectation(sg.sum(pairs)) / sg.batch_size
    arrays[w] = np.array([0.3, -1.0, 0.7])

    def theirs(t):
        z = t[x] @ t[w]
        pairs = torch.nn.functional.softplus(z[None] - z[:, None])
        return (pairs * (t[s][None] < t[s][:, None])).sum() / N**2

    check(loss, theirs, [w], arrays)


def test_the_size_of_the_minibatch_scales_penalties(arrays):
    w = sg.parameter("w", shape=3)
    arrays[w] = np.ones(3)
    loss = sg.batch_size * sg.expectation(sg.dot(w, x) ** 2 + sg.sum(w**2) / sg.batch_size)
    check(loss, lambda t: ((t[x] @ t[w]) ** 2).sum() + (t[w] ** 2).sum(), [w], arrays)


def test_batch_of_a_parameter_is_refused():
    with pytest.raises(ValueError, match="sg.batch stacks .* the same for every sample"):
        capture({"loss": sg.sum(sg.batch(W))})


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_outputs_may_have_the_mini_batchs_axis(target, arrays):
    """Resolved when the number of samples is known; per sample or not, whole or clamped."""
    S, X = arrays[s], arrays[x]
    outputs = {
        "stacked": (sg.batch(x), X),
        "per sample": (sg.clamp(s, sg.batch(s), 0.3 + sg.batch(s)),
                       np.clip(S[:, None], S, S + 0.3)),
        "pairs": (sg.batch(x) @ x, X @ X.T),
        "beside": (sg.concatenate([sg.batch(x), 2 * sg.batch(x)], axis=1), np.hstack([X, 2 * X])),
        "counted": (sg.sum(sg.indicator(sg.batch(s) <= s)), (S[:, None] >= S).sum(1)),
    }  # fmt: skip
    f = sg.function([e for e, _ in outputs.values()], [x, s], target=target)
    for got, (name, (_, want)) in zip(f(X, S), outputs.items(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14, err_msg=name)


def test_samples_have_no_order_and_no_places():
    with pytest.raises(ValueError, match=r"adds up those that come before"):
        sg.cumsum(sg.batch(s), axis=0)
    with pytest.raises(ValueError, match=r"marks one"):
        sg.argmax(sg.batch(s))


def test_symbolic_sizes_are_only_used_as_a_whole():
    with pytest.raises(IndexError, match="symbolic size B is only sliced as a whole"):
        sg.batch(x)[1:]
    with pytest.raises(IndexError, match="symbolic size"):
        sg.batch(x)[-1]
    with pytest.raises(ValueError, match="do not fit|equal sizes"):
        sg.batch(x) @ sg.batch(x)


def test_chosen_samples_of_the_minibatch_have_a_gradient(rng):
    """Its adjoint is made of constants, but has as many rows as the mini-batch has samples."""
    W = sg.parameter("W", shape=(2, 3), init=0)
    g = sg.gradient(sg.sum(sg.batch(W @ x)[[0, 1]]), W)
    arrays = rng.standard_normal((5, 3)), rng.standard_normal((2, 3))
    got = sg.function(g, [x, W])(*arrays)
    np.testing.assert_allclose(got, [arrays[0][:2].sum(0)] * 2, rtol=1e-12)


def test_joined_mini_batches_are_for_the_reference_target(rng):
    both = sg.concatenate([sg.batch(x), 2 * sg.batch(x)])
    loss = sg.logsumexp(both @ x)
    array = rng.standard_normal((5, 3))
    scores = torch.tensor(array) @ torch.tensor(np.concatenate([array, 2 * array])).T
    got = sg.function(loss, [x], target="reference")(array)
    np.testing.assert_allclose(got, scores.logsumexp(1), rtol=1e-12)
    with pytest.raises(ValueError, match=r"an axis of 2\*B elements .* only target"):
        sg.function(loss, [x])(array)
