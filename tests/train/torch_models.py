"""Models written twice, in symgrad and in torch, from the same numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
import torch.nn.functional as F

import symgrad as sg

N = 23


@dataclass(frozen=True)
class Model:
    """numbers: rng -> (data, initial weights); ours: weights as parameters -> loss;
    torch: (weights, data of a mini-batch) -> loss."""

    numbers: Callable[[np.random.Generator], tuple[dict, dict]]
    ours: Callable[..., Any]
    torch: Callable[[dict, dict], torch.Tensor]
    rate: float = 0.05


def _line(rng):
    x = rng.normal(size=N)
    return {"x": x, "y": 3 * x + 1}, {"w": np.array(0.5), "b": np.array(0.0)}


def _regression(rng):
    x = rng.normal(size=(N, 4))
    y = np.sin(x @ rng.normal(size=(4, 2)))
    weights = {"W": rng.normal(size=(5, 4)) / 2, "V": rng.normal(size=(2, 5)) / 2}
    return {"x": x, "y": y}, weights


def _digits(rng):
    data = {"x": rng.normal(size=(N, 6)), "label": rng.integers(0, 3, N)}
    shapes = {"W0": (5, 6), "W1": (4, 5), "W2": (3, 4), "b0": 5, "b1": 4, "b2": 3}
    return data, {k: rng.normal(size=shape) / 2 for k, shape in shapes.items()}


def _tied(rng):
    return {"x": rng.normal(size=(N, 6))}, {"W": rng.normal(size=(3, 6)) / 3, "b": np.zeros(6)}


def _factors(rng):
    data = {"u": rng.integers(0, 5, N), "i": rng.integers(0, 4, N), "r": rng.normal(size=N)}
    return data, {"P": rng.normal(size=(5, 3)) / 2, "Q": rng.normal(size=(4, 3)) / 2}


def _pairs(rng):
    a = rng.normal(size=(N, 4))
    return {"a": a, "p": a + rng.normal(size=(N, 4)) / 3}, {"W": rng.normal(size=(3, 4)) / 2}


def _sentences(rng):
    """Six tokens of eight numbers."""
    weights = {name: rng.normal(size=(8, 8)) / 3 for name in "QKVO"}
    return {"x": rng.normal(size=(N, 6, 8)), "y": rng.normal(size=(N, 6, 8))}, weights


def vectors(**shapes):
    return [sg.data(name, shape=shape) for name, shape in shapes.items()]


def _ours_line(w, b):
    x, y = sg.data("x y")
    return (w * x + b - y) ** 2


def _ours_relu(W, V):
    x, y = vectors(x=4, y=2)
    return sg.sum((V @ sg.relu(W @ x) - y) ** 2)


def _ours_network(W0, W1, W2, b0, b1, b2):
    h, label = sg.data("x", shape=6), sg.data("label", dtype=int)
    for k, (W, b) in enumerate([(W0, b0), (W1, b1)], 1):
        h = sg.let(f"h{k}", sg.sigmoid(W @ h + b))
    return sg.cross_entropy(W2 @ h + b2, label)


def _torch_network(w, d):
    h = d["x"]
    for k in (0, 1):
        h = torch.sigmoid(h @ w[f"W{k}"].T + w[f"b{k}"])
    return F.cross_entropy(h @ w["W2"].T + w["b2"], d["label"])


def _ours_tied(W, b):
    x = sg.data("x", shape=6)
    return sg.mse(W.T @ sp.tanh(W @ x) + b, x)


def _ours_factors(P, Q):
    u, i = sg.data("u i", dtype=int)
    penalty = (sg.sum(P[u] ** 2) + sg.sum(Q[i] ** 2)) / 50
    return (sg.dot(P[u], Q[i]) - sg.data("r")) ** 2 + penalty


def _torch_factors(w, d):
    p, q = w["P"][d["u"]], w["Q"][d["i"]]
    return (((p * q).sum(1) - d["r"]) ** 2 + ((p**2).sum(1) + (q**2).sum(1)) / 50).mean()


def _ours_contrastive(W):
    a, p = vectors(a=4, p=4)
    z, q = sg.let("z", sp.tanh(W @ a)), sg.let("q", sp.tanh(W @ p))
    return -sg.dot(z, q) / 0.5 + sg.logsumexp(sg.batch(q) @ z / 0.5)


def _torch_contrastive(w, d):
    z, q = torch.tanh(d["a"] @ w["W"].T), torch.tanh(d["p"] @ w["W"].T)
    return F.cross_entropy(z @ q.T / 0.5, torch.arange(len(z)))


def _ours_normalised(W, V):
    x, y = vectors(x=4, y=2)
    h = sg.let("h", W @ x)
    centred = sg.let("c", h - sg.expectation(h))
    scale = sp.sqrt(sg.expectation(centred**2) + 1)
    return sg.mse(V @ sp.tanh(centred / scale), y)


def _torch_normalised(w, d):
    h = d["x"] @ w["W"].T
    h = F.batch_norm(h, None, None, training=True, eps=1.0) if len(h) > 1 else h - h
    return F.mse_loss(torch.tanh(h) @ w["V"].T, d["y"])


def _ours_decayed(W, V):
    x, y = vectors(x=4, y=2)
    return sg.huber(V @ sp.tanh(W @ x), y) + sg.sum(W**2) / 100 + sg.sum(V**4) / 100


def _ours_attention(Q, K, V, O):
    x, y = vectors(x=(6, 8), y=(6, 8))
    q, k, v = (sg.transpose(sg.reshape(x @ W, (6, 2, 4)), (1, 0, 2)) for W in (Q, K, V))
    later = np.triu(np.full((6, 6), -1e9), 1)
    seen = sg.softmax(q @ sg.transpose(k, (0, 2, 1)) / 2 + later) @ v
    return sg.mse(x + sg.reshape(sg.transpose(seen, (1, 0, 2)), (6, 8)) @ O, y)


def _torch_attention(w, d):
    q, k, v = ((d["x"] @ w[name]).reshape(-1, 6, 2, 4).transpose(1, 2) for name in "QKV")
    seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return F.mse_loss(d["x"] + seen.transpose(1, 2).reshape(-1, 6, 8) @ w["O"], d["y"])


MODELS = {
    "line": Model(_line, _ours_line, lambda w, d: F.mse_loss(w["w"] * d["x"] + w["b"], d["y"])),
    "two layers, relu": Model(
        _regression, _ours_relu,
        lambda w, d: ((F.relu(d["x"] @ w["W"].T) @ w["V"].T - d["y"]) ** 2).sum(1).mean(), 0.02,
    ),
    "three layers, sigmoid": Model(_digits, _ours_network, _torch_network),
    "tied weights": Model(
        _tied, _ours_tied,
        lambda w, d: F.mse_loss(torch.tanh(d["x"] @ w["W"].T) @ w["W"] + w["b"], d["x"]),
    ),
    "matrix factorisation": Model(_factors, _ours_factors, _torch_factors),
    "contrastive": Model(_pairs, _ours_contrastive, _torch_contrastive),
    "normalised by the mini-batch": Model(_regression, _ours_normalised, _torch_normalised),
    "attention": Model(_sentences, _ours_attention, _torch_attention),
    "penalties": Model(
        _regression, _ours_decayed,
        lambda w, d: F.huber_loss(torch.tanh(d["x"] @ w["W"].T) @ w["V"].T, d["y"])
        + (w["W"] ** 2).sum() / 100 + (w["V"] ** 4).sum() / 100,
    ),
}  # fmt: skip
