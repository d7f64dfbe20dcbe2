"""Accumulation over mini-batches sums, and updates, the rows of tables that were touched."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse
import sympy as sp
import torch

import symgrad as sg
from tests.optimize.tables import RULES, TARGETS, N, model, near, quietly, torch_trajectory
from tests.optimize.test_touched_columns import CASES, COLUMNS, used
from tests.optimize.test_touched_columns import ROWS as HEIGHT
from tests.optimize.test_touched_columns import N as SAMPLES
from tests.selection import mostly_full

LAZY = {
    "Adam": lambda: sg.Adam(0.02, weight_decay=0.1, lazy=True),
    "momentum": lambda: sg.SGD(0.02, momentum=0.9, weight_decay=0.1, lazy=True),
    "catch up": lambda: sg.SGD(0.02, momentum=0.9, weight_decay=0.1, lazy="catch_up"),
}


@pytest.fixture(autouse=True)
def nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error", sg.DenseUpdateWarning)
        yield


GROUPS = [(7, 2, "sgd"), (7, 2, "rule"), (1, 5, "adagrad")]


@pytest.mark.parametrize(
    ("batch", "every", "rule"), mostly_full(itertools.product((1, 7, 64), (1, 2, 5), RULES), GROUPS)
)
def test_torch_with_sparse_gradients(numbers, rule, batch, every):
    """Groups cross epochs; the last one stays unfinished."""
    data, tables = numbers
    ours, theirs = RULES[rule]
    expected = torch_trajectory(data, tables, batch, 6, theirs, every=every)
    for target in TARGETS:
        m = model(tables, ours(), target=target)
        m.fit(data, epochs=6, batch_size=batch, shuffle=False, accumulate=every, progress=False)
        assert m.pending == 6 * -(-N // batch) % every
        near(m.parameters, expected)


def test_a_rule_that_moves_every_row_stays_dense_and_exact(numbers):
    data, tables = numbers
    make = lambda w: torch.optim.SGD(w, lr=0.02, momentum=0.9, weight_decay=0.1)  # noqa: E731
    expected = torch_trajectory(data, tables, 7, 3, make, sparse=False, every=3)
    for target in TARGETS:
        rule = sg.SGD(0.02, momentum=0.9, weight_decay=0.1)
        m = quietly(lambda rule=rule, target=target: model(tables, rule, target=target))
        m.fit(data, epochs=3, batch_size=7, shuffle=False, accumulate=3, progress=False)
        near(m.parameters, expected)


DIFFERENT = [
    *(("Adagrad", case) for case in ("columns, twice the same", "squares", "rows and columns")),
    ("catch up", "sparse"), ("catch up", "rows and parts of them"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "case"), mostly_full(itertools.product(("Adagrad", "catch up"), CASES), DIFFERENT)
)
def test_columns_and_what_csr_matrices_store(rng, case, rule):
    """The targets agree; rules that do nothing where g = 0 are the dense ones."""
    features = scipy.sparse.random_array((SAMPLES, COLUMNS), density=0.2, rng=rng, format="csr")
    start = rng.normal(size=(HEIGHT, COLUMNS))
    data = {"x": features, "y": rng.normal(size=(SAMPLES, HEIGHT)),
            "k": rng.integers(0, HEIGHT, SAMPLES), "pair": rng.integers(0, COLUMNS, (SAMPLES, 2)),
            "i": rng.integers(0, COLUMNS, SAMPLES), "j": rng.integers(0, 3, SAMPLES)}  # fmt: skip
    make = {"Adagrad": lambda: sg.Adagrad(0.1), **LAZY}[rule]
    found = []
    for target in TARGETS:
        W = sg.parameter("W", start.shape, init=start)
        loss = CASES[case][0](W)
        m = quietly(lambda: sg.compile(loss, make(), dtype="float64", target=target))  # noqa: B023
        m.fit(used(m, data), epochs=2, batch_size=6, accumulate=4, progress=False)
        found.append(m.parameters["W"])
    near({"W": found[1]}, {"W": found[0]})


def test_bags_of_rows(rng):
    """Lists of another length for each sample, some of them empty; float32 as near as it can be."""
    bag, y = sg.data("bag", dtype=int, ragged=True), sg.data("y")
    lists = [rng.integers(0, 30, k) for k in rng.integers(0, 6, N)]
    data, start = {"bag": lists, "y": rng.normal(size=N)}, rng.normal(size=(30, 3))
    found = {}
    for target, dtype in (("reference", "float64"), ("cpu", "float64"), ("cpu", "float32")):
        P = sg.parameter("P", start.shape, init=start)
        loss = (sg.sum(sp.tanh(sg.sum(P[bag], axis=0))) - y) ** 2
        m = sg.compile(loss, sg.Adagrad(0.1), dtype=dtype, target=target)
        m.fit(data, epochs=3, batch_size=5, accumulate=3, progress=False)
        found[target, dtype] = m.parameters["P"]
    near({"P": found["cpu", "float64"]}, {"P": found["reference", "float64"]})
    near({"P": found["cpu", "float32"]}, {"P": found["reference", "float64"]}, 1e-5)


def test_three_axes_and_a_draw(rng):
    """T[:, i] and V[i, j]: rows of other axes than the first, and rows that the kernel draws."""
    i, j = sg.data("i", dtype=int), sg.random.integers("j", 4)
    start, pairs = rng.normal(size=(2, 9, 4)), rng.normal(size=(9, 4, 2))
    data, found = {"i": rng.integers(0, 9, N)}, []
    for target in TARGETS:
        T, V = sg.parameter("T", start.shape, init=start), sg.parameter("V", (9, 4, 2), init=pairs)
        loss = sg.sum(T[:, i] ** 2) - sg.sum(T[1, i]) + sg.sum(V[i, j] ** 2) + T[0, i, 1] ** 3
        m = sg.compile(loss, sg.Adagrad(0.1), dtype="float64", target=target)
        m.fit(data, epochs=2, batch_size=4, accumulate=3, progress=False)
        found.append(dict(m.parameters))
    near(found[1], found[0])


def test_threads_share_what_is_long(rng):
    """Rows are looked for by one thread; the numbers of a row belong to several."""
    u, x = sg.data("u", dtype=int), sg.data("x", shape=200)
    start, W = rng.normal(size=(50, 300)), rng.normal(size=(300, 200)) / 20
    data, found = {"u": rng.integers(0, 50, 256), "x": rng.normal(size=(256, 200))}, []
    for threads in (1, 2):
        sg.set_threads(threads)
        P, V = sg.parameter("P", start.shape, init=start), sg.parameter("W", W.shape, init=W)
        loss = sg.sum((sp.tanh(V @ x) - P[u]) ** 2)
        m = sg.compile(loss, sg.Adagrad(0.01), dtype="float64")
        m.fit(data, epochs=2, batch_size=64, accumulate=3, progress=False)
        assert ("barrier" in m.executables.latest("accumulate").source) == (threads > 1)
        found.append(dict(m.parameters))
    near(found[1], found[0])


def test_as_assembly_and_with_groups_of_another_size(numbers, monkeypatch):
    """Mini-batches of several sizes in one group; `accumulate` that changes forgets a group."""
    data, tables = numbers
    found = []
    for target, largest in (("reference", 10**9), ("cpu", 10**9), ("cpu", -1)):
        monkeypatch.setattr("symgrad.generate.blocks.LARGEST", largest)
        m = model(tables, sg.Adagrad(0.1), target=target)
        for size, every in ((5, 4), (64, 4), (7, 1), (5, 3)):
            m.partial_fit(data, batch_size=size, accumulate=every)
        found.append(dict(m.parameters))
    near(found[1], found[0])
    near(found[2], found[0])


def test_interrupted_in_the_middle_of_a_group(numbers):
    data, tables = numbers
    options = {"epochs": 2, "batch_size": 3, "accumulate": 4, "progress": False}
    for target in TARGETS:
        whole, parts = (model(tables, sg.Adagrad(0.1), target=target) for _ in range(2))
        whole.fit(data, **options)
        stop = sg.Every(7, lambda moment: moment.stop())
        history = parts.fit(data, callbacks=[stop], **options)
        assert history.interrupted and parts.pending == 3
        options_left = {**options, "epochs": 2}
        parts.fit(data, resume=True, **options_left)
        for name, value in whole.parameters.items():
            assert np.array_equal(value, parts.parameters[name])


# ---- what it costs


@pytest.mark.parametrize(
    "rule", mostly_full(["SGD", "Adagrad", *LAZY], ["SGD", "Adam", "catch up"])
)
def test_it_costs_what_touched_rows_cost(rule):
    """The kernel's memory, and what the model holds and counts, for two heights of a table."""
    makers = {"SGD": lambda: sg.SGD(0.01), "Adagrad": lambda: sg.Adagrad(0.1), **LAZY}
    found = []
    for rows in (1000, 100_000):
        u, y = sg.data("u", shape=3, dtype=int), sg.data("y")
        tables = [sg.parameter(f"P{k}", (rows, 8), init=0.5) for k in range(2)]
        total = sum(sg.sum(P[u[0]]) for P in tables) + sg.parameter("b", rows)[u[0]]
        m = sg.compile((total - y) ** 2, makers[rule]())
        m.fit({"u": np.arange(192).reshape(64, 3) * 5, "y": np.zeros(64)}, epochs=1, batch_size=8,
              accumulate=3, shuffle=False, progress=False)  # fmt: skip
        (made,) = (e for key, e in m.executables.made.items() if key[0] == "accumulate")
        line = next(x for x in m.summary().splitlines() if x.startswith("sums"))
        touched = (m.parameters["P1"] != 0.5).any(axis=1)
        if rule != "catch up":  # all rows are, when somebody looks
            assert np.array_equal(np.flatnonzero(touched), np.arange(0, 48 * 15, 15))
        found.append((sum(a.nbytes for a in made._scratch), line))
    assert found[0] == found[1]
    assert found[0][0] < 5000
    assert found[0][1] == "sums        of gradients in 16 rows of tables, 1,856 bytes"
