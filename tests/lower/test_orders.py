"""Contractions lie in the order that makes the fewest products, however they were written."""

import numpy as np
import pytest
import torch

import symgrad as sg
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Loop, Product
from tests.lower.programs import agree

T, D, H, E = 6, 8, 2, 4
x, t = sg.data("x", shape=(T, D)), sg.data("t", shape=(T, D))
SHAPES = {"Q": (D, H, E), "K": (D, H, E), "V": (D, H, E), "O": (H, E, D)}
WEIGHTS = {k: sg.parameter(k, shape=s, init=0) for k, s in SHAPES.items()}


def attention(einsum, softmax, w, x, own, projected="hte"):
    """own: the letters of the sample axis; projected: the order of what the heads see"""
    q, k, v = (einsum(f"{own}td,dhe->{own}{projected}", x, w[c]) for c in "QKV")
    of_query, of_key = projected.replace("t", "q"), projected.replace("t", "k")
    seen = softmax(einsum(f"{own}{of_query},{own}{of_key}->{own}hqk", q, k))
    y = einsum(f"{own}hqk,{own}{of_key}->{own}{of_query}", seen, v)
    return einsum(f"{own}{of_query},hed->{own}qd", y, w["O"])


def ours(projected="hte"):
    y = attention(sg.einsum, lambda s: sg.softmax(s, axis=-1), WEIGHTS, x, "", projected)
    return sg.mean((y - t) ** 2)


def program(loss):
    return sg.compile(loss, sg.SGD(0.05)).programs.make("step")


def products(loss, batch):
    """How often a step multiplies matrices."""

    def made(body, times=1):
        for s in body:
            if isinstance(s, Loop):
                yield from made(s.body, times * (s.axis.extent or batch))
            elif isinstance(s, Product):
                yield times

    return sum(made(lower(program(loss), "float32", batch).step))


@pytest.mark.parametrize("projected", ["hte", "the", "eth"])
def test_any_order_makes_as_few_products(projected):
    assert products(ours(projected), 16) == products(ours("the"), 16)


@pytest.mark.parametrize("batch", [1, 5, 16])
@pytest.mark.parametrize("projected", ["hte", "eht"])
def test_they_agree_with_the_reference(projected, batch, rng):
    agree(program(ours(projected)), batch, rng, samples=18)


def test_steps_are_torchs(rng):
    weights = {k: rng.standard_normal(s) / 2 for k, s in SHAPES.items()}
    data = {"x": rng.standard_normal((18, T, D)), "t": rng.standard_normal((18, T, D))}
    fitted = sg.compile(ours(), sg.SGD(0.05), dtype="float64")
    for k, w in weights.items():
        fitted.parameters[k] = w
    fitted.fit(data, epochs=1, batch_size=7, shuffle=False, progress=False)
    w = {k: torch.tensor(v, requires_grad=True) for k, v in weights.items()}
    optimizer = torch.optim.SGD(w.values(), lr=0.05)
    for at in range(0, 18, 7):
        rows = {k: torch.tensor(v[at : at + 7]) for k, v in data.items()}
        optimizer.zero_grad()
        y = attention(torch.einsum, lambda s: torch.softmax(s, -1), w, rows["x"], "n")
        ((y - rows["t"]) ** 2).mean().backward()
        optimizer.step()
    for k, v in w.items():
        np.testing.assert_allclose(fitted.parameters[k], v.detach().numpy(), atol=1e-11)


def test_what_is_read_otherwise_stays_as_it_is(rng):
    scores = sg.einsum("td,dhe->hte", x, WEIGHTS["Q"])
    loss = sg.sum(sg.relu(scores) ** 2) + sg.sum(t) * 0
    agree(program(loss), 5, rng, samples=18)
