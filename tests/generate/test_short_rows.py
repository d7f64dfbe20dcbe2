"""Rows shorter than a vector: their loops as vectors, without what lies beside them in memory."""

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.generate import blocks, ir_rows
from symgrad.generate.cpu import generate
from symgrad.lower.driver import lower

N, BATCH = 37, 16
WIDTHS = [4, 5, 7, 10, 11, 15]


@pytest.fixture(autouse=True)
def as_assembly(monkeypatch):
    monkeypatch.setattr(blocks, "LARGEST", -1)


def ours(W, x):
    """A chain through rows: extremes, sums, products, choices, and sums over what is in front."""
    n = W.shape[0]
    a = sg.let("a", sg.log_softmax(W @ x))
    for k in range(2):
        m = sg.let(f"m{k}", sg.reshape(a, (n, 1)) + W / 2)
        a = sg.let(f"a{k}", sg.logsumexp(m, axis=0) - sg.max(m, axis=1) / 3)
    b = sg.let("b", sp.tanh(a) + sg.where(a > sg.mean(a), a**2 / 9, 1))
    return sg.logsumexp(b) + sg.min(b) * sg.max(a) + sg.prod(sp.exp(b / 8)) + sg.sum(sg.relu(b)) / 7


def theirs(W, x):
    a = torch.log_softmax(x @ W.T, 1)
    for _ in range(2):
        m = a[:, :, None] + W / 2
        a = torch.logsumexp(m, 1) - m.amax(2) / 3
    b = torch.tanh(a) + torch.where(a > a.mean(1, keepdim=True), a**2 / 9, 1)
    parts = torch.logsumexp(b, 1) + b.amin(1) * a.amax(1) + torch.exp(b / 8).prod(1)
    return (parts + torch.relu(b).sum(1) / 7).mean()


def model(n, dtype, W):
    x = sg.data("x", shape=n)
    return sg.compile(ours(sg.parameter("W", shape=(n, n), init=W), x), sg.SGD(0.05), dtype=dtype)


@pytest.mark.parametrize("n", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_are_torchs(n, dtype, rng):
    W, x = rng.standard_normal((n, n)) / 2, rng.standard_normal((N, n))
    fitted = model(n, dtype, W)
    fitted.fit({"x": x}, epochs=1, batch_size=BATCH, shuffle=False, progress=False)
    w = torch.tensor(W, requires_grad=True)
    for at in range(0, N, BATCH):
        (g,) = torch.autograd.grad(theirs(w, torch.tensor(x[at : at + BATCH])), w)
        w = (w - 0.05 * g).detach().requires_grad_()
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(fitted.parameters["W"], w.detach().numpy(), atol=tolerance)


@pytest.mark.parametrize("n", [5, 10])
def test_infinities_and_nan_of_a_row_stay_in_it(n, rng):
    """The lanes that are too many hold anything, and are added to nothing."""
    x = sg.data("x", shape=n)
    function = sg.function([sg.max(x), sg.sum(sp.exp(x)), sg.logsumexp(x - sg.max(x))], [x])
    rows = rng.standard_normal((9, n))
    rows[3, n - 1], rows[4, 0], rows[5, 1] = np.inf, -np.inf, np.nan
    found = function(rows)
    t = torch.tensor(rows)
    for got, want in zip(found, (t.amax(1), torch.exp(t).sum(1)), strict=False):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-5)


def test_no_loop_is_left(monkeypatch):
    """Of a row of fewer elements than a vector has lanes, whatever the machine's are."""
    program = model(4, "float32", 0.5).programs.make("step")
    text = generate(lower(program, "float32", BATCH)).text
    assert "load <4 x float>" in text and "store <4 x float>" in text
    monkeypatch.setattr(ir_rows, "LEAST", 10**6)
    assert "<4 x float>" not in generate(lower(program, "float32", BATCH)).text


@pytest.mark.parametrize("sizes", [(4, 6), (7, 14), (5, 10)])
def test_a_number_meets_rows_of_several_lengths(sizes):
    """Spread out over as many lanes as each has."""
    a = sg.parameter("a", init=0.5)
    rows = [sg.parameter(f"w{n}", shape=n, init=n) for n in sizes]
    y = sg.data("y")
    model = sg.compile(y * a * sum(map(sg.sum, rows)), sg.SGD(a), dtype="float64")
    model.step({"y": np.ones(BATCH)})
    for n in sizes:
        np.testing.assert_allclose(model.parameters[f"w{n}"], n - 0.5 * 0.5)
