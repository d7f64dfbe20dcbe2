"""Tables whose rows are looked up: a step costs its rows, and means what torch's sparse one does.

One sample looks up several rows, of one table several times, and mini-batches repeat them.
"""

import itertools

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from tests.optimize.tables import (
    RANK,
    RULES,
    TARGETS,
    USERS,
    adagrad,
    model,
    near,
    torch_trajectory,
)
from tests.selection import mostly_full

ORDINARY = [*((7, rule) for rule in RULES), (1, "adagrad"), (64, "adagrad")]


@pytest.mark.parametrize(
    ("batch", "rule"), mostly_full(itertools.product((1, 7, 64), RULES), ORDINARY)
)
def test_torch_with_sparse_gradients(numbers, rule, batch):
    data, tables = numbers
    ours, theirs = RULES[rule]
    expected = torch_trajectory(data, tables, batch, 3, theirs)
    for target in TARGETS:
        m = model(tables, ours(), target=target)
        m.fit(data, epochs=3, batch_size=batch, shuffle=False)
        near(m.parameters, expected)


def test_pairs_of_indices_select_rows(rng):
    """P[u, v]: two axes select; P[u] too, in one sample; with scalars as rows as well."""
    values, weights = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 4))
    u, v = sg.data("u v", dtype=int)
    w = sg.data("w", shape=(2,), dtype=int)
    n, data = 30, {}
    data["u"], data["v"] = rng.integers(0, 3, n), rng.integers(0, 4, n)
    data["w"] = rng.integers(0, 4, (n, 2))

    for with_rows in (False, True):
        for batch in (1, 8):
            P, b = sg.parameter("P", values.shape, init=values), sg.parameter("b", (3, 4), weights)
            rows = sg.sum(P[u] ** 2) if with_rows else 0
            loss = sg.sum(P[u, v] ** 2) + sg.sum(P[u, w] ** 3) + b[u, v] ** 2 + rows
            found = [sg.compile(loss, adagrad(0.1), dtype="float64", target=t) for t in TARGETS]
            table = torch.tensor(values, requires_grad=True)
            bias = torch.tensor(weights, requires_grad=True)
            theirs = torch.optim.Adagrad([table, bias], lr=0.1)
            for m in found:
                m.fit(data, epochs=2, batch_size=batch, shuffle=False)
            columns = {k: torch.tensor(x) for k, x in data.items()}
            for _ in range(2):
                for at in torch.arange(n).split(batch):
                    i, j, k = (columns[c][at] for c in "uvw")
                    total = (table[i, j] ** 2).sum(1) + (table[i[:, None], k] ** 3).sum((1, 2))
                    total = total + bias[i, j] ** 2
                    total = total + (table[i] ** 2).sum((1, 2)) if with_rows else total
                    theirs.zero_grad()
                    total.mean().backward()
                    theirs.step()
            for m in found:
                near(m.parameters, {"P": table.detach().numpy(), "b": bias.detach().numpy()})


@pytest.mark.parametrize("batch", [1, 7])
def test_lists_of_varying_length(rng, batch):
    """A list may be empty, and name a row twice; what lies beyond its end touches nothing."""
    values, n = rng.normal(size=(USERS, RANK)), 20
    lists = [rng.integers(1, USERS, rng.integers(0, 6)) for _ in range(n)]  # row 0 in none of them
    offsets = np.cumsum([0, *map(len, lists)])
    data = {"bag": (np.concatenate(lists), offsets), "y": rng.normal(size=n)}
    bag, y = sg.data("bag", dtype=int, ragged=True), sg.data("y")
    P = sg.parameter("P", values.shape, init=values)
    loss = (sg.sum(sp.tanh(P[bag])) - y) ** 2
    table = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(values), freeze=False, sparse=True)
    theirs = torch.optim.Adagrad(table.parameters(), lr=0.1)
    for at in np.split(np.arange(n), range(batch, n, batch)):
        theirs.zero_grad()
        rows = [torch.tanh(table.weight[lists[k]]).sum() for k in at]
        (torch.stack(rows) - torch.tensor(data["y"][at])).square().mean().backward()
        theirs.step()
    models = [sg.compile(loss, adagrad(0.1), dtype="float64", target=t) for t in TARGETS]
    lazy = [
        sg.compile(loss, sg.SGD(0.02, 0.9, weight_decay=0.1, lazy=True), dtype="float64", target=t)
        for t in TARGETS
    ]
    for m in (*models, *lazy):
        m.fit(data, epochs=1, batch_size=batch, shuffle=False)
    for m in models:
        near(m.parameters, {"P": table.weight.detach().numpy()})
    near(lazy[1].parameters, dict(lazy[0].parameters))
    assert all(np.array_equal(m.parameters["P"][0], values[0]) for m in lazy)
