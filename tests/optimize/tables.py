"""Models that look rows of tables up, and the same ones in torch."""

import warnings

import numpy as np
import sympy as sp
import torch

import symgrad as sg

USERS, ITEMS, RANK, NEGATIVES, N = 11, 9, 4, 3, 64
TARGETS = ("reference", "cpu")


def symbols(tables):
    u, i = sg.data("u i", dtype=int)
    n, y = sg.data("n", shape=(NEGATIVES,), dtype=int), sg.data("y")
    return u, i, n, y, *(sg.parameter(k, v.shape, init=v) for k, v in tables.items())


def model(tables, optimizer, **options):
    """Reads P[u], b[u], Q[i] - Q[n_0] and Q[n] in every sample."""
    u, i, n, y, P, Q, b = symbols(tables)
    p = sg.let("p", P[u])
    loss = (p @ (Q[i] - Q[n[0]]) + b[u] - y) ** 2 + sg.sum(sp.tanh(Q[n] @ p)) + 0.1 * p @ p
    return sg.compile(loss, optimizer, dtype="float64", **{"target": "cpu", **options})


def torch_trajectory(data, tables, batch, epochs, make, sparse=True, every=1):
    weights = {
        k: torch.nn.Embedding.from_pretrained(
            torch.tensor(v.reshape(len(v), -1)), freeze=False, sparse=sparse
        )
        for k, v in tables.items()
    }
    optimizer = make([e.weight for e in weights.values()])
    data = {k: torch.tensor(v) for k, v in data.items()}
    done = 0
    for _ in range(epochs):
        for rows in torch.arange(N).split(batch):
            u, i, n, y = (data[k][rows] for k in "uiny")
            p, q = weights["P"](u), weights["Q"]
            error = (p * (q(i) - q(n[:, 0]))).sum(1) + weights["b"](u)[:, 0] - y
            others = torch.tanh((q(n) * p[:, None]).sum(2)).sum(1)
            (error**2 + others + 0.1 * (p * p).sum(1)).mean().backward()
            done += 1
            if done % every == 0:
                optimizer.step()
                optimizer.zero_grad()
    return {k: e.weight.detach().numpy().reshape(tables[k].shape) for k, e in weights.items()}


def near(found, expected, tolerance=1e-10):
    for name, value in expected.items():
        error = np.linalg.norm(found[name] - value) / np.linalg.norm(value)
        assert error < tolerance, (name, error)


def adagrad(lr, eps=1e-10):
    """A user's own rule: row-local, and not linear in g."""
    return sg.Rule(
        lambda p, g, s, lr: (p - lr * g / (sp.sqrt(s + g**2) + eps), s + g**2),
        {"lr": lr}, {"s": 0}, name="mine",
    )  # fmt: skip


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.DenseUpdateWarning)
        return make()


RULES = {
    "sgd": (lambda: sg.SGD(0.05), lambda w: torch.optim.SGD(w, lr=0.05)),
    "adagrad": (
        lambda: sg.Adagrad(0.1, lr_decay=0.01, initial_accumulator_value=0.1),
        lambda w: torch.optim.Adagrad(w, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
    ),
    "rule": (lambda: adagrad(0.1), lambda w: torch.optim.Adagrad(w, lr=0.1)),
}
