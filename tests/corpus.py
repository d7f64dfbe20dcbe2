"""The shared list of models: what a user may train, each with torch's version of its loss.

A model is a function of a random generator; torch's version takes a dict from name to tensor, the
samples along the first axis of the data, and gives what `E[loss]` is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
import torch.nn.functional as F

import symgrad as sg


@dataclass(frozen=True)
class Model:
    loss: sp.Expr  # one sample's, or of the mini-batch
    values: dict[str, np.ndarray]  # the parameters', by name
    data: dict[str, np.ndarray]
    torch: Callable[[dict[str, torch.Tensor]], torch.Tensor]

    @property
    def parameters(self) -> list[sp.Symbol]:
        found = [s for s in self.loss.free_symbols if getattr(s, "role", "") == "parameter"]
        return sorted(found, key=lambda s: s.name)

    def arrays(self) -> dict[sp.Symbol, np.ndarray]:
        """Values and data by symbol."""
        given = {**self.values, **self.data}
        return {s: given[s.name] for s in self.loss.free_symbols if s.name in given}

    def torchs(self, dtype: torch.dtype = torch.float64) -> tuple[float, dict[str, np.ndarray]]:
        """The loss and its gradient for each parameter, by torch."""
        given = {k: torch.tensor(v) for k, v in {**self.data, **self.values}.items()}
        given = {k: t.to(dtype) if t.is_floating_point() else t for k, t in given.items()}
        for name in self.values:
            given[name].requires_grad_(True)
        loss = self.torch(given)
        loss.backward()
        return loss.item(), {name: given[name].grad.numpy() for name in self.values}


N = 7


def _parameters(rng: np.random.Generator, **shapes: tuple[int, ...]) -> tuple[list, dict]:
    symbols = [sg.parameter(name, shape=shape, init=0) for name, shape in shapes.items()]
    return symbols, {name: 0.5 * rng.standard_normal(shape) for name, shape in shapes.items()}


def linear_regression(rng):
    x, y = sg.data("x y")
    (w, b), values = _parameters(rng, w=(), b=())
    data = {"x": rng.standard_normal(N), "y": rng.standard_normal(N)}
    return Model((w * x + b - y) ** 2, values, data,
                 lambda t: ((t["w"] * t["x"] + t["b"] - t["y"]) ** 2).mean())  # fmt: skip


def logistic_regression(rng):
    x, y = sg.data("x", shape=4), sg.data("y")
    (w, b), values = _parameters(rng, w=(4,), b=())
    data = {"x": rng.standard_normal((N, 4)), "y": rng.integers(0, 2, N).astype(float)}
    return Model(
        sg.binary_cross_entropy_with_logits(w @ x + b, y) + 0.1 * sg.sum(w**2), values, data,
        lambda t: F.binary_cross_entropy_with_logits(t["x"] @ t["w"] + t["b"], t["y"])
        + 0.1 * (t["w"] ** 2).sum(),
    )  # fmt: skip


def classifier(rng):
    x, label = sg.data("x", shape=6), sg.data("label", dtype=int)
    (W1, b1, W2, b2), values = _parameters(rng, W1=(5, 6), b1=(5,), W2=(4, 5), b2=(4,))
    h = sg.let("h", sg.sigmoid(W1 @ x + b1))
    data = {"x": rng.standard_normal((N, 6)), "label": rng.integers(0, 4, N)}

    def theirs(t):
        h = torch.sigmoid(t["x"] @ t["W1"].T + t["b1"])
        return F.cross_entropy(h @ t["W2"].T + t["b2"], t["label"])

    return Model(sg.cross_entropy(W2 @ h + b2, label), values, data, theirs)


def rectifiers(rng):
    x, y = sg.data("x", shape=6), sg.data("y", shape=3)
    (W1, W2, W3), values = _parameters(rng, W1=(8, 6), W2=(8, 8), W3=(3, 8))
    h = sg.let("h1", sg.relu(W1 @ x))
    h = sg.let("h2", sg.leaky_relu(W2 @ h + h, 0.1))
    data = {"x": rng.standard_normal((N, 6)), "y": rng.standard_normal((N, 3))}

    def theirs(t):
        h = torch.relu(t["x"] @ t["W1"].T)
        h = F.leaky_relu(h @ t["W2"].T + h, 0.1)
        return ((h @ t["W3"].T - t["y"]) ** 2).sum(1).mean()

    return Model(sg.sum((W3 @ h - y) ** 2), values, data, theirs)


def tied_autoencoder(rng):
    x = sg.data("x", shape=5)
    (W,), values = _parameters(rng, W=(3, 5))
    code = sg.let("code", sp.tanh(W @ x))
    data = {"x": rng.standard_normal((N, 5))}

    def theirs(t):
        return F.mse_loss(torch.tanh(t["x"] @ t["W"].T) @ t["W"], t["x"])

    return Model(sg.mse(W.T @ code, x), values, data, theirs)


def matrix_factorisation(rng):
    u, i = sg.data("u i", dtype=int)
    r = sg.data("r")
    (P, Q, a, c), values = _parameters(rng, P=(4, 3), Q=(5, 3), a=(4,), c=(5,))
    data = {"u": rng.integers(0, 4, N), "i": rng.integers(0, 5, N), "r": rng.standard_normal(N)}
    loss = (P[u] @ Q[i] + a[u] + c[i] - r) ** 2 + 0.02 * (sg.sum(P[u] ** 2) + sg.sum(Q[i] ** 2))

    def theirs(t):
        p, q = t["P"][t["u"]], t["Q"][t["i"]]
        error = (p * q).sum(1) + t["a"][t["u"]] + t["c"][t["i"]] - t["r"]
        return (error**2 + 0.02 * ((p**2).sum(1) + (q**2).sum(1))).mean()

    return Model(loss, values, data, theirs)


def embedding_of_itself(rng):
    u, v = sg.data("u v", dtype=int)
    (P,), values = _parameters(rng, P=(4, 3))
    data = {"u": rng.integers(0, 4, N), "v": np.zeros(N, dtype=np.int64)}

    def theirs(t):
        return -F.logsigmoid((t["P"][t["u"]] * t["P"][t["v"]]).sum(1)).mean()

    return Model(-sg.log_sigmoid(P[u] @ P[v]), values, data, theirs)


def attention(rng):
    x, y = sg.data("x", shape=(5, 4)), sg.data("y", shape=4)
    (Wq, Wk, Wv), values = _parameters(rng, Wq=(4, 3), Wk=(4, 3), Wv=(4, 4))
    weights = sg.let("weights", sg.softmax((x @ Wq) @ (x @ Wk).T / sp.sqrt(3)))
    data = {"x": rng.standard_normal((N, 5, 4)), "y": rng.standard_normal((N, 4))}

    def theirs(t):
        q, k, v = t["x"] @ t["Wq"], t["x"] @ t["Wk"], t["x"] @ t["Wv"]
        weights = torch.softmax(q @ k.transpose(1, 2) / 3**0.5, -1)
        return (((weights @ v).mean(1) - t["y"]) ** 2).mean()

    loss = sg.mse(sg.mean(weights @ (x @ Wv), axis=0), y)
    return Model(loss, values, data, theirs)


def batch_normalised(rng):
    x, y = sg.data("x", shape=4), sg.data("y")
    (W, v, scale), values = _parameters(rng, W=(3, 4), v=(3,), scale=(3,))
    z = sg.let("z", W @ x)
    mean = sg.let("mean", sg.expectation(z))
    variance = sg.let("variance", sg.expectation((z - mean) ** 2))
    h = scale * (z - mean) / sp.sqrt(variance + 1e-5)
    data = {"x": rng.standard_normal((N, 4)), "y": rng.standard_normal(N)}

    def theirs(t):
        h = F.batch_norm(t["x"] @ t["W"].T, None, None, t["scale"], None, True)
        return ((torch.tanh(h) @ t["v"] - t["y"]) ** 2).mean()

    return Model((v @ sp.tanh(h) - y) ** 2, values, data, theirs)


def info_nce(rng):
    x, p = sg.data("x", shape=4), sg.data("p", shape=3)
    (W, V), values = _parameters(rng, W=(2, 4), V=(2, 3))
    z, q = sg.let("z", W @ x), sg.let("q", sp.tanh(V @ p))
    loss = -sg.dot(z, q) / 0.3 + sg.logsumexp(sg.batch(q) @ z / 0.3)
    data = {"x": rng.standard_normal((N, 4)), "p": rng.standard_normal((N, 3))}

    def theirs(t):
        z, q = t["x"] @ t["W"].T, torch.tanh(t["p"] @ t["V"].T)
        return F.cross_entropy(z @ q.T / 0.3, torch.arange(len(z)))

    return Model(loss, values, data, theirs)


def recurrent(rng):
    x, y = sg.data("x", shape=(6, 2)), sg.data("y")
    (W, U, v), values = _parameters(rng, W=(3, 2), U=(3, 3), v=(3,))
    h = np.zeros(3)
    for k in range(6):
        h = sg.let("h", sp.tanh(W @ x[k] + U @ h))
    data = {"x": rng.standard_normal((N, 6, 2)), "y": rng.standard_normal(N)}

    def theirs(t):
        h = torch.zeros(len(t["y"]), 3, dtype=t["x"].dtype)
        for k in range(6):
            h = torch.tanh(t["x"][:, k] @ t["W"].T + h @ t["U"].T)
        return F.huber_loss(h @ t["v"], t["y"])

    return Model(sg.huber(v @ h, y), values, data, theirs)


def hinges(rng):
    x, y = sg.data("x", shape=4), sg.data("y")
    (w, b), values = _parameters(rng, w=(4,), b=())
    data = {"x": rng.standard_normal((N, 4)), "y": np.sign(rng.standard_normal(N))}
    loss = sp.Max(0, 1 - y * (w @ x + b)) + 0.1 * sg.sum(sp.Abs(w)) + sp.Min(b, 0.2) ** 2

    def theirs(t):
        margin = 1 - t["y"] * (t["x"] @ t["w"] + t["b"])
        return torch.relu(margin).mean() + 0.1 * t["w"].abs().sum() + t["b"].clamp(max=0.2) ** 2

    return Model(loss, values, data, theirs)


def mixture(rng):
    x = sg.data("x")
    (m, s, a), values = _parameters(rng, m=(3,), s=(3,), a=(3,))
    parts = sg.log_softmax(a) - s - (x - m) ** 2 / (2 * sp.exp(2 * s))
    data = {"x": rng.standard_normal(N)}

    def theirs(t):
        parts = torch.log_softmax(t["a"], 0) - t["s"]
        parts = parts - (t["x"][:, None] - t["m"]) ** 2 / (2 * torch.exp(2 * t["s"]))
        return -torch.logsumexp(parts, 1).mean()

    return Model(-sg.logsumexp(parts), values, data, theirs)


def views(rng):
    x = sg.data("x", shape=(4, 6))
    (W, c), values = _parameters(rng, W=(2, 6), c=(3, 4))
    left, right = x[:, ::2], x[:, 1::2]
    joined = sg.concatenate([left * c.T, right[::-1]], axis=1)
    loss = sg.sum(sp.sin(W @ joined.T)) + sg.max(sg.reshape(joined, (8, 3)) @ c[:, :3][:, ::-1])
    data = {"x": rng.standard_normal((N, 4, 6))}

    def theirs(t):
        left, right = t["x"][:, :, ::2], t["x"][:, :, 1::2]
        joined = torch.cat([left * t["c"].T, right.flip(1)], 2)
        part = joined.reshape(-1, 8, 3) @ t["c"][:, :3].flip(1)
        return (torch.sin(t["W"] @ joined.transpose(1, 2)).sum((1, 2)) + part.amax((1, 2))).mean()

    return Model(loss, values, data, theirs)


def branches(rng):
    x = sg.data("x", shape=3)
    (w,), values = _parameters(rng, w=(3,))
    z = w * x
    loss = sg.sum(
        sg.where(z > 0, sp.log(1 + z) * sp.sqrt(z), sp.Piecewise((z**2, x > 0), (-z, True)))
    )
    data = {"x": rng.standard_normal((N, 3))}

    def theirs(t):
        z = t["w"] * t["x"]
        p = torch.where(z > 0, z, 1.0)
        other = torch.where(t["x"] > 0, z**2, -z)
        return torch.where(z > 0, torch.log(1 + p) * torch.sqrt(p), other).sum(1).mean()

    return Model(loss, values, data, theirs)


def without_data(rng):
    (A, v), values = _parameters(rng, A=(3, 3), v=(3,))
    loss = sg.sum((A @ A.T - np.eye(3)) ** 2) + sg.einsum("i,ij,j->", v, A, v)

    def theirs(t):
        product = t["A"] @ t["A"].T - torch.eye(3, dtype=t["A"].dtype)
        return (product**2).sum() + t["v"] @ t["A"] @ t["v"]

    return Model(loss, values, {}, theirs)


MODELS = {
    f.__name__: f
    for f in (
        linear_regression, logistic_regression, classifier, rectifiers, tied_autoencoder,
        matrix_factorisation, embedding_of_itself, attention, batch_normalised, info_nce, recurrent,
        hinges, mixture, views, branches, without_data,
    )
}  # fmt: skip
