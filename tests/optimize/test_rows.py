"""Tables whose rows are looked up: a step costs its rows, and means what torch's sparse one does.

One sample looks up several rows, of one table several times, and mini-batches repeat them.
"""

import warnings

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg

USERS, ITEMS, RANK, NEGATIVES, N = 11, 9, 4, 3, 64
TARGETS = ("reference", "cpu")


@pytest.fixture(autouse=True, scope="module")
def torch_as_it_is():
    """Small tables: threads would only get into each other's way; sparse tensors unchecked."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.sparse.check_sparse_tensor_invariants.disable()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def numbers(rng):
    """Ratings, and the tables' first values."""
    data = {
        "u": rng.integers(0, USERS, N), "i": rng.integers(0, ITEMS, N),
        "n": rng.integers(0, ITEMS, (N, NEGATIVES)), "y": rng.normal(size=N),
    }  # fmt: skip
    data["n"][:, 1] = data["n"][:, 0]  # the same row twice in a sample
    tables = {"P": rng.normal(size=(USERS, RANK)) / 2, "Q": rng.normal(size=(ITEMS, RANK)) / 2,
              "b": rng.normal(size=USERS) / 2}  # fmt: skip
    return data, tables


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


RULES = {
    "sgd": (lambda: sg.SGD(0.05), lambda w: torch.optim.SGD(w, lr=0.05)),
    "adagrad": (
        lambda: sg.Adagrad(0.1, lr_decay=0.01, initial_accumulator_value=0.1),
        lambda w: torch.optim.Adagrad(w, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
    ),
    "rule": (lambda: adagrad(0.1), lambda w: torch.optim.Adagrad(w, lr=0.1)),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("batch", [1, 7, 64])
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


# ---- rules that move every row


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.DenseUpdateWarning)
        return make()


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


@pytest.mark.parametrize("name", DECAYS)
def test_catching_up_is_the_dense_update(numbers, name):
    (data, tables), options = numbers, DECAYS[name]
    targets = TARGETS if name in ("decay", "both") else ("reference",)
    dense = quietly(lambda: model(tables, sg.SGD(0.004, **options), target="reference"))
    lazy = [model(tables, sg.SGD(0.004, lazy="catch_up", **options), target=t) for t in targets]
    for m in (dense, *lazy):
        m.fit(data, epochs=3, batch_size=1, shuffle=False)
        m.hyper["lr"] = 0.002
        for start in (0, 3):
            m.step({k: v[start : start + 3] for k, v in data.items()})
    for m in lazy:
        near(m.parameters, dict(dense.parameters))
        assert m.loss(data) == pytest.approx(dense.loss(data), rel=1e-12)


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


# ---- what is said


def test_the_default_is_exact_and_says_what_it_costs(numbers):
    data, tables = numbers
    with pytest.warns(sg.DenseUpdateWarning, match=r"lazy=True") as found:
        dense = model(tables, sg.SGD(0.05, momentum=0.5))
    assert sorted(str(w.message).split("rows of ")[1][0] for w in found) == ["P", "Q", "b"]
    assert all(w.filename == __file__ for w in found)
    dense.fit(data, epochs=2, batch_size=7, shuffle=False)
    expected = torch_trajectory(
        data, tables, 7, 2, lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.5), sparse=False
    )
    near(dense.parameters, expected)


def test_a_penalty_on_the_whole_table_is_dense(numbers):
    _, tables = numbers
    u, _, _, y, P, *_ = symbols(tables)
    with pytest.warns(sg.DenseUpdateWarning, match="uses P as a whole"):
        sg.compile((sg.sum(P[u]) - y) ** 2 + sg.sum(P**2), sg.SGD(0.1))


def test_a_rule_that_is_not_elementwise_is_dense(numbers):
    _, tables = numbers
    u, _, _, y, P, *_ = symbols(tables)
    rule = sg.Rule(lambda p, g: p - g / sp.sqrt(1 + sg.sum(g**2)), lazy=True)
    with pytest.warns(sg.DenseUpdateWarning, match="not elementwise"):
        sg.compile((sg.sum(P[u]) - y) ** 2, rule)


REFUSED = {
    "a schedule": (
        lambda: sg.SGD(0.1 / (1 + sg.step), 0.9, lazy="catch_up"),
        "depends on the step",
    ),
    "a dampening": (lambda: sg.SGD(0.1, 0.9, 0.5, 0.1, lazy="catch_up"), "depends on the step"),
    "Adam": (lambda: sg.Adam(lazy="catch_up"), "is not linear"),
    "another word": (lambda: sg.SGD(0.1, lazy="always"), "lazy is False, True or 'catch_up'"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_caught_up(numbers, make, words):
    with pytest.raises(ValueError, match=words):
        model(numbers[1], make())


# ---- accumulation over mini-batches


@pytest.mark.parametrize("target", TARGETS)
def test_accumulation_is_exact_and_says_that_it_is_dense(numbers, target):
    data, tables = numbers
    expected = torch_trajectory(data, tables, 8, 2, RULES["rule"][1], sparse=False, every=2)
    m = model(tables, adagrad(0.1), target=target)
    with pytest.warns(sg.DenseUpdateWarning, match="accumulate=2 .* P, Q, b"):
        m.fit(data, epochs=2, batch_size=8, shuffle=False, accumulate=2)
    near(m.parameters, expected)


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
        half = quietly(lambda t=target: halved(tables, sg.SGD(0.02, **rule), target=t))
        quietly(lambda m=half: m.fit(data, epochs=1, batch_size=8, shuffle=False, accumulate=2))
        assert half.steps == 3
        near(half.parameters, dict(whole.parameters))


def halved(tables, optimizer, target):
    u, i, n, y, P, Q, b = symbols(tables)
    p = sg.let("p", P[u])
    loss = (p @ (Q[i] - Q[n[0]]) + b[u] - y) ** 2 + sg.sum(sp.tanh(Q[n] @ p)) + 0.1 * p @ p
    return sg.compile(loss / 2, optimizer, dtype="float64", target=target)


# ---- memory


def test_a_step_allocates_nothing_as_large_as_the_table():
    """The kernel's memory, and the model's: the table and Adagrad's state, no gradient."""
    sizes = []
    for rows in (1000, 100_000):
        u, y = sg.data("u", dtype=int), sg.data("y")
        P = sg.parameter("P", (rows, 8), init=0.5)
        m = sg.compile((sg.sum(P[u]) - y) ** 2, sg.Adagrad(0.1))
        m.fit({"u": np.arange(64), "y": np.zeros(64)}, epochs=1, batch_size=32)
        (executable,) = (e for key, e in m.executables.made.items() if key[0] == "step")
        sizes.append(sum(a.nbytes for a in executable._scratch))
        assert sum(a.nbytes for a in m.arrays.values()) < 2 * 4 * 8 * rows + 100
        assert (m.parameters["P"][64:] == 0.5).all() and (m.parameters["P"][:64] != 0.5).all()
    assert sizes[0] == sizes[1] < 20_000


# ---- index lists of varying length


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


def test_a_gradient_as_large_as_a_large_table_is_announced(monkeypatch):
    u = sg.data("u", dtype=int)
    P = sg.parameter("P", (50, 2), init=1)
    m = sg.compile(sg.sum(P[u] ** 2), dtype="float64", target="reference")
    expected = np.zeros((50, 2))
    expected[7] = 2
    assert np.array_equal(m.gradients({"u": [7]})["P"], expected)
    monkeypatch.setattr("symgrad.train.model.LARGE", 99)
    with pytest.warns(sg.DenseUpdateWarning, match=r"table's shape \(50, 2\)"):
        m.gradients({"u": [7]})
