"""Matrices that data read at columns, or by rows of which parts are kept: a step costs what it
touches, and is torch's dense one wherever g = 0 changes nothing.
"""

import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse
import torch

import symgrad as sg
from tests.selection import mostly_full

TARGETS = ("reference", "cpu")
ROWS, COLUMNS, N = 5, 17, 40
i, j, k = sg.data("i j k", dtype=int)
pair = sg.data("pair", shape=2, dtype=int)
x, y = sg.data("x", shape=COLUMNS, sparse=True), sg.data("y", shape=ROWS)

CASES = {  # one sample's loss of W, and torch's from a dict of one sample's data
    "columns": (
        lambda W: sg.sum((W[:, i] - y) ** 2),
        lambda W, d: ((W[:, d["i"]] - d["y"]) ** 2).sum(),
    ),
    "columns, twice the same": (
        lambda W: sg.sum((W[:, i] * W[:, j] - y) ** 2) + sg.sum(W[:, pair] ** 2),
        lambda W, d: (
            ((W[:, d["i"]] * W[:, d["j"]] - d["y"]) ** 2).sum() + (W[:, d["pair"]] ** 2).sum()
        ),
    ),
    "sparse": (
        lambda W: sg.sum((W @ x - y) ** 2),
        lambda W, d: ((W @ d["x"] - d["y"]) ** 2).sum(),
    ),
    "squares": (
        lambda W: sg.sum((W @ x) ** 2 + W**2 @ x**2) + sg.sum(W[:, i]),
        lambda W, d: ((W @ d["x"]) ** 2 + W**2 @ d["x"] ** 2).sum() + W[:, d["i"]].sum(),
    ),
    "rows in part": (
        lambda W: sg.sum((W[k, :3] - y[:3]) ** 2) + sg.sum(W[k, ::-4] ** 2),
        lambda W, d: (
            ((W[d["k"], :3] - d["y"][:3]) ** 2).sum() + (W[d["k"], [16, 12, 8, 4, 0]] ** 2).sum()
        ),
    ),
    "elements": (
        lambda W: (W[k, 2] - W[-1, i]) ** 2 + W[k, i] ** 2,
        lambda W, d: (W[d["k"], 2] - W[-1, d["i"]]) ** 2 + W[d["k"], d["i"]] ** 2,
    ),
    "parts of columns": (  # what all of them select are columns
        lambda W: sg.sum((W[:, i] - y) ** 2) + W[k, i] ** 2 - W[-1, j] * W[1, i],
        lambda W, d: (
            ((W[:, d["i"]] - d["y"]) ** 2).sum()
            + W[d["k"], d["i"]] ** 2
            - W[-1, d["j"]] * W[1, d["i"]]
        ),
    ),
    "rows and parts of them": (
        lambda W: sg.sum(W[k] ** 2) + W[k, i] ** 2 - W[1, j] * W[k, 2],
        lambda W, d: (W[d["k"]] ** 2).sum() + W[d["k"], d["i"]] ** 2 - W[1, d["j"]] * W[d["k"], 2],
    ),
    "rows and columns": (  # what they touch is everything
        lambda W: sg.sum((W[:, i] - y) ** 2) + sg.sum(W[k] ** 2),
        lambda W, d: ((W[:, d["i"]] - d["y"]) ** 2).sum() + (W[d["k"]] ** 2).sum(),
    ),
}


@pytest.fixture
def numbers(rng):
    features = scipy.sparse.random_array((N, COLUMNS), density=0.2, rng=rng, format="csr")
    data = {
        "i": rng.integers(0, COLUMNS, N), "j": rng.integers(0, COLUMNS, N), "x": features,
        "k": rng.integers(0, ROWS, N), "pair": rng.integers(0, COLUMNS, (N, 2)),
        "y": rng.normal(size=(N, ROWS)),
    }  # fmt: skip
    data["j"][::3] = data["i"][::3]
    return data, rng.normal(size=(ROWS, COLUMNS))


def used(model, data):
    return {s.name: data[s.name] for s in model.data}


def torch_trajectory(data, start, batch, loss, make):
    W = torch.tensor(start, requires_grad=True)
    optimizer = make([W])
    data = {k: v.toarray() if k == "x" else v for k, v in data.items()}
    columns = {name: torch.tensor(v) for name, v in data.items()}
    for _ in range(2):
        for rows in torch.arange(N).split(batch):
            optimizer.zero_grad()
            each = [loss(W, {name: v[r] for name, v in columns.items()}) for r in rows]
            torch.stack(each).mean().backward()
            optimizer.step()
    return W.detach().numpy()


def trained(case, data, start, optimizer, batch, target="cpu"):
    W = sg.parameter("W", start.shape, init=start)
    model = sg.compile(CASES[case][0](W), optimizer, dtype="float64", target=target)
    model.fit(used(model, data), epochs=2, batch_size=batch, shuffle=False, progress=False)
    return model


def near(found, expected):
    assert np.linalg.norm(found - expected) < 1e-10 * np.linalg.norm(expected)


ALONE = ("sparse", "rows and parts of them")
BATCHED = [*((7, case) for case in CASES), *((1, case) for case in ALONE)]


@pytest.mark.parametrize(("batch", "case"), mostly_full(itertools.product((1, 7), CASES), BATCHED))
@pytest.mark.filterwarnings("ignore::symgrad.DenseUpdateWarning")
def test_adagrad_is_torchs(numbers, case, batch):
    data, start = numbers
    make = lambda w: torch.optim.Adagrad(w, lr=0.1)  # noqa: E731
    expected = torch_trajectory(data, start, batch, CASES[case][1], make)
    for target in TARGETS:
        model = trained(case, data, start, sg.Adagrad(0.1), batch, target)
        near(model.parameters["W"], expected)


CAUGHT_UP = [
    "columns, twice the same", "sparse", "rows in part", "parts of columns",
    "rows and parts of them", "rows and columns",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:the rows of W are looked up by data")
@pytest.mark.parametrize(
    "case", mostly_full(CAUGHT_UP, ["sparse", "rows and parts of them", "rows and columns"])
)
def test_columns_are_caught_up(numbers, case, batch=7):
    """Momentum and decay of columns that slept, in closed form; and the lazy step's two targets."""
    data, start = numbers
    options = {"momentum": 0.9, "weight_decay": 0.05}
    make = lambda w: torch.optim.SGD(w, lr=0.02, **options)  # noqa: E731
    expected = torch_trajectory(data, start, batch, CASES[case][1], make)
    for target in TARGETS:
        rule = sg.SGD(0.02, **options, lazy="catch_up")
        near(trained(case, data, start, rule, batch, target).parameters["W"], expected)
    lazy = [trained(case, data, start, sg.SGD(0.02, **options, lazy=True), batch, t)
            for t in TARGETS]  # fmt: skip
    near(lazy[1].parameters["W"], lazy[0].parameters["W"])
    dense = case == "rows and columns"  # nothing sleeps
    assert (np.linalg.norm(lazy[0].parameters["W"] - expected) < 1e-6) == dense


def test_a_lazy_rule_under_accumulation_leaves_the_other_columns(numbers):
    data, start = numbers
    data = {**data, "i": data["i"] % 3}
    W = sg.parameter("W", start.shape, init=start)
    for target in TARGETS:
        rule = sg.SGD(0.02, 0.9, weight_decay=0.1, lazy=True)
        model = sg.compile(CASES["columns"][0](W), rule, dtype="float64", target=target)
        model.fit(used(model, data), epochs=1, batch_size=4, accumulate=2, progress=False)
        assert (model.parameters["W"][:, 3:] == start[:, 3:]).all()
        assert (model.parameters["W"][:, :3] != start[:, :3]).all()


def test_a_rule_that_moves_every_column_says_so(numbers):
    data, start = numbers
    with pytest.warns(sg.DenseUpdateWarning, match="Adam also changes the rows of W"):
        trained("columns", data, start, sg.Adam(0.1), 7)


WIDE = {
    "columns": lambda W, x: sg.sum((W[:, i] - y) ** 2),
    "sparse": lambda W, x: sg.sum((W @ x - y) ** 2),
    "squares": lambda W, x: sg.sum((W @ x) ** 2 + W**2 @ x**2),
    "rows in part": lambda W, x: sg.sum((W[k, :3] - y[:3]) ** 2),
}


@pytest.mark.parametrize(
    ("batch", "case"),
    mostly_full(
        itertools.product((1, 7), WIDE), [(7, "columns"), (7, "sparse"), (7, "rows in part")]
    ),
)
def test_a_step_touches_what_data_name_and_holds_no_more(rng, case, batch):
    """The kernel's own memory is the same for a matrix of 20,000 columns, and of 200,000."""
    sizes, data = [], {"k": np.arange(N) % 4, "y": np.zeros((N, ROWS)), "i": np.arange(N) % 9}
    features = scipy.sparse.random_array((N, 9), density=0.5, rng=rng, format="csr")
    for wide in (20_000, 200_000):
        shape = (wide, COLUMNS) if case == "rows in part" else (ROWS, wide)
        W, wide_x = sg.parameter("W", shape, init=0.5), sg.data("x", shape=wide, sparse=True)
        features.resize((N, wide))
        model = sg.compile(WIDE[case](W, wide_x), sg.Adagrad(0.1))
        given = used(model, {**data, "x": features})
        model.fit(given, epochs=1, batch_size=batch, progress=False)
        (made,) = (e for key, e in model.executables.made.items() if key[0] == "step")
        sizes.append(sum(a.nbytes for a in made._scratch))
        table = model.parameters["W"] if case == "rows in part" else model.parameters["W"].T
        assert (table[9:] == 0.5).all() and (table[:4] != 0.5).any()
    assert sizes[0] == sizes[1] < 20_000


def test_the_middle_axis_of_three(rng):
    """T[:, i], and elements of one slice of it: each rule on two targets."""
    start, answers = rng.normal(size=(2, 9, 4)), []
    data = {"i": rng.integers(0, 9, N), "k": rng.integers(0, 4, N)}
    rules = [sg.Adagrad(0.1), sg.Adam(0.1, lazy=True),
             sg.SGD(0.05, 0.9, weight_decay=0.1, lazy="catch_up")]  # fmt: skip
    for rule in rules:
        found = []
        for target in TARGETS:
            T = sg.parameter("T", start.shape, init=start)
            loss = sg.sum(T[:, i] ** 2) - sg.sum(T[1, i]) + T[0, i, k] ** 3 / 9
            model = sg.compile(loss, rule, dtype="float64", target=target)
            model.fit(data, epochs=2, batch_size=4, progress=False)
            found.append(model.parameters["T"])
        near(found[1], found[0])
        answers.append(found[0])
    assert np.linalg.norm(answers[0] - answers[2]) > 1e-3


SLICES = {  # of a table of rank 3, by data, and parts of the same ones; torch's likewise
    "slices": (lambda T: sg.sum(T[i] ** 2) + sg.sum((T[i, k] - 1) ** 2),
               lambda T, d: (T[d["i"]] ** 2).sum() + ((T[d["i"], d["k"]] - 1) ** 2).sum()),
    "far axes": (lambda T: sg.sum(T[i] ** 2) + sg.sum((T[i, :, j] - 1) ** 2),
                 lambda T, d: (T[d["i"]] ** 2).sum() + ((T[d["i"], :, d["j"]] - 1) ** 2).sum()),
    "pairs": (lambda T: sg.sum(T[i, k] ** 2) + (T[i, k, j] - 1) ** 2,
              lambda T, d: (T[d["i"], d["k"]] ** 2).sum() + (T[d["i"], d["k"], d["j"]] - 1) ** 2),
}  # fmt: skip


@pytest.mark.parametrize("case", SLICES)
def test_slices_and_parts_of_them_are_caught_up(rng, case):
    start, (ours, theirs) = rng.normal(size=(9, 4, 3)), SLICES[case]
    data = {name: rng.integers(0, n, N) for name, n in zip("ikj", start.shape, strict=True)}
    options = {"momentum": 0.9, "weight_decay": 0.05}
    make = lambda w: torch.optim.SGD(w, lr=0.02, **options)  # noqa: E731
    expected = torch_trajectory(data, start, 7, theirs, make)
    for target in TARGETS:
        T = sg.parameter("T", start.shape, init=start)
        rule = sg.SGD(0.02, **options, lazy="catch_up")
        model = sg.compile(ours(T), rule, dtype="float64", target=target)
        model.fit(used(model, data), epochs=2, batch_size=7, shuffle=False, progress=False)
        near(model.parameters["T"], expected)


def test_saved_in_the_middle_of_a_group_all_goes_on_with_the_same_bits(numbers, tmp_path):
    """What is held column by column is so before and after."""
    data, start = numbers
    W = sg.parameter("W", start.shape, init=start)
    model = sg.compile(CASES["sparse"][0](W), sg.Adagrad(0.1), dtype="float64")
    options = {"batch_size": 7, "accumulate": 4, "shuffle": False, "progress": False}
    model.fit(used(model, data), epochs=1, **options)
    model.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    assert model.pending == loaded.pending == 2
    for m in (model, loaded):
        held = [a.flags.f_contiguous for a in m.arrays.values() if a.shape == start.shape]
        assert held == [True] * 2, held  # W, what Adagrad keeps
        m.fit(used(m, data), epochs=1, **options)
    assert np.array_equal(model.parameters["W"], loaded.parameters["W"])


def test_models_that_share_a_matrix_read_it_by_columns_and_by_rows(rng):
    """Whichever lays it out, and each with Adagrad: two targets and one answer."""
    start = rng.normal(size=(ROWS, COLUMNS))
    features = scipy.sparse.random_array((N, COLUMNS), density=0.2, rng=rng, format="csr")
    data = {"x": features, "y": rng.normal(size=(N, ROWS)), "k": rng.integers(0, ROWS, N)}
    for first, second in [("sparse", "rows in part"), ("rows in part", "sparse")]:
        found = []
        for target in TARGETS:
            W = sg.parameter("W", start.shape, init=start)
            options = {"dtype": "float64", "target": target}
            one = sg.compile(CASES[first][0](W), sg.Adagrad(0.1), **options)
            two = sg.compile(CASES[second][0](W), sg.Adagrad(0.1), **options, share=one)
            for model in (one, two, one, two):
                model.fit(used(model, data), epochs=1, batch_size=7, progress=False)
            assert one.parameters["W"] is two.parameters["W"]
            found.append(one.parameters["W"])
        near(found[1], found[0])


def test_no_warning_where_columns_are_enough(numbers):
    data, start = numbers
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in ("columns", "sparse", "rows in part", "elements", "parts of columns"):
            trained(case, data, start, sg.Adagrad(0.1), 7, "reference")
