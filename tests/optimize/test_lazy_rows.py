"""Rules that move every row of a table: lazily, and caught up as if they had been dense."""

import itertools

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.optimize.tables import (
    TARGETS,
    USERS,
    N,
    model,
    near,
    quietly,
    symbols,
)
from tests.selection import mostly_full


def rows_of(data, table, at):
    """The rows that a mini-batch touches."""
    names = {"P": "u", "b": "u", "Q": "in"}[table]
    return np.unique(np.concatenate([data[k][at].ravel() for k in names]))


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: sg.SGD(0.02, momentum=0.9, weight_decay=0.1, nesterov=True, **o),
        lambda **o: sg.Adam(0.02, weight_decay=0.1, **o),
    ],
    ids=["SGD", "Adam"],
)
def test_lazy_is_the_dense_step_on_the_touched_rows(numbers, batch, make):
    """A dense model makes each step; rows that it did not touch are put back, states included."""
    data, tables = numbers
    dense = quietly(lambda: model(tables, make(), target="reference"))
    states = dense.programs.rule.states
    for at in np.split(np.arange(N), range(batch, N, batch)):
        before = {s: a.copy() for s, a in dense.arrays.items()}
        dense.step({k: v[at] for k, v in data.items()})
        for p, own in states.items():
            away = np.setdiff1d(np.arange(len(tables[p.name])), rows_of(data, p.name, at))
            for s in (p, *own.values()):
                dense.arrays[s][away] = before[s][away]
    for target in TARGETS:
        lazy = model(tables, make(lazy=True), target=target)
        lazy.fit(data, epochs=1, batch_size=batch, shuffle=False)
        near(lazy.parameters, dense.parameters)
        for p, own in lazy.programs.rule.states.items():
            expected = next(v for q, v in states.items() if q.name == p.name)
            for k, s in own.items():
                np.testing.assert_allclose(lazy.arrays[s], dense.arrays[expected[k]], rtol=1e-9,
                                           atol=1e-12)  # fmt: skip


DECAYS = {
    "momentum": {"momentum": 0.9},
    "decay": {"weight_decay": 0.1},
    "both": {"momentum": 0.9, "weight_decay": 0.1},
    "nesterov": {"momentum": 0.8, "weight_decay": 0.1, "nesterov": True},
    "complex eigenvalues": {"momentum": 0.95, "weight_decay": 5},
    "equal eigenvalues": {"momentum": 0.25, "weight_decay": 62.5},  # (1 - 1/2)**2 = lr times it
    "small momentum": {"momentum": 0.01, "weight_decay": 0.3},
}


ORDINARY = [*((name, "reference") for name in ("decay", "complex eigenvalues", "small momentum")),
            ("both", "cpu"), ("equal eigenvalues", "cpu")]  # fmt: skip


@pytest.mark.parametrize(("name", "target"), mostly_full(
    itertools.product(DECAYS, TARGETS), ORDINARY
))  # fmt: skip
def test_catching_up_is_the_dense_update(numbers, name, target):
    (data, tables), options = numbers, DECAYS[name]
    dense = quietly(lambda: model(tables, sg.SGD(0.004, **options), target="reference"))
    lazy = model(tables, sg.SGD(0.004, lazy="catch_up", **options), target=target)
    for m in (dense, lazy):
        m.fit(data, epochs=2, batch_size=1, shuffle=False)
        m.hyper["lr"] = 0.002
        for start in (0, 3):
            m.step({k: v[start : start + 3] for k, v in data.items()})
    near(lazy.parameters, dict(dense.parameters))
    assert lazy.loss(data) == pytest.approx(dense.loss(data), rel=1e-12)


def test_whoever_looks_at_a_table_finds_it_caught_up(numbers, tmp_path):
    data, tables = numbers
    options = {"momentum": 0.9, "weight_decay": 0.1}
    dense = quietly(lambda: model(tables, sg.SGD(0.02, **options), target="reference"))
    lazy = model(tables, sg.SGD(0.02, lazy="catch_up", **options), target="reference")
    first, second = ({k: v[rows] for k, v in data.items()} for rows in (slice(2), slice(2, 3)))
    expected = []
    for batch in (first, second):
        dense.step(batch)
        expected.append((dense.loss(data), dense.gradients(data), dict(dense.parameters)))
    lazy.step(first)
    assert lazy.loss(data) == pytest.approx(expected[0][0], rel=1e-12)
    lazy.step(second)
    near(lazy.gradients(data), expected[1][1])
    lazy.step(first)
    lazy.hyper["lr"][...] = 0.5  # behind the model's back: rows slept under the old one
    lazy.step(second)
    lazy.save(tmp_path / "model")
    dense.step(first)
    dense.hyper["lr"] = 0.5
    dense.step(second)
    near(lazy.parameters, dict(dense.parameters))
    loaded = sg.load(tmp_path / "model")
    for m in (loaded, dense, lazy):
        m.step(first)
        m.step(second)
    near(loaded.parameters, dict(dense.parameters))
    near(lazy.parameters, dict(dense.parameters))


def test_models_that_share_a_table_find_it_caught_up(numbers):
    data, tables = numbers
    u, _, _, y, P, *_ = symbols(tables)
    rule = sg.SGD(0.02, momentum=0.9, weight_decay=0.1, lazy="catch_up")
    first = sg.compile((P[u] @ P[u] - y) ** 2, rule, dtype="float64", target="reference")
    other = sg.compile(sg.sum(P[u]), share=first, dtype="float64", target="reference")
    first.fit({k: data[k] for k in "uy"}, epochs=1, batch_size=1)
    first.step({k: data[k][:2] for k in "uy"})
    found = other.loss({"u": np.arange(USERS)})
    assert found == pytest.approx(first.parameters["P"].sum() / USERS, rel=1e-12)


def test_a_float32_row_that_slept_long_keeps_its_digits():
    """(1 - 1e-7)**100000 rounds to 1 in float32, factor by factor: counted steps are exact."""
    u, table = sg.data("u", dtype=int), np.ones((2, 3))
    P = sg.parameter("P", (2, 3), init=table)
    for target in TARGETS:
        rule = sg.SGD(1e-3, weight_decay=1e-4, lazy="catch_up")
        m = sg.compile(0 * sg.sum(P[u]) + sg.sum(P[u]) ** 2 * 1e-30, rule, target=target)
        steps = 100_000 if target == "cpu" else 1_000
        m.fit({"u": np.zeros(steps, int)}, epochs=1, batch_size=1)
        np.testing.assert_allclose(m.parameters["P"][1], (1 - 1e-7) ** steps, rtol=1e-6)


# ---- accumulation over mini-batches


@pytest.mark.parametrize("lazy", [True, "catch_up"])
def test_lazy_rules_under_accumulation(numbers, lazy):
    """Two mini-batches of 8 are one of 16, lazily too: the mean of both is half their sum."""
    data, tables = numbers
    data = {k: v[:56] for k, v in data.items()}  # so that the last group is left unfinished
    rule = {"momentum": 0.9, "weight_decay": 0.1, "lazy": lazy}
    whole = model(tables, sg.SGD(0.02, **rule), target="reference")
    for start in range(0, 48, 16):
        whole.step({k: v[start : start + 16] for k, v in data.items()})
    for target in TARGETS:
        half = halved(tables, sg.SGD(0.02, **rule), target)
        half.fit(data, epochs=1, batch_size=8, shuffle=False, accumulate=2)
        assert half.steps == 3
        near(half.parameters, dict(whole.parameters))


def halved(tables, optimizer, target):
    u, i, n, y, P, Q, b = symbols(tables)
    p = sg.let("p", P[u])
    loss = (p @ (Q[i] - Q[n[0]]) + b[u] - y) ** 2 + sg.sum(sp.tanh(Q[n] @ p)) + 0.1 * p @ p
    return sg.compile(loss / 2, optimizer, dtype="float64", target=target)
