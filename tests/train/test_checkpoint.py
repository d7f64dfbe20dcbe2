"""Models on disk: they go on where they were, and nothing in a file is trusted."""

import copy
import itertools
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sympy as sp
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import symgrad as sg
from symgrad.train.record import read_number, write_number
from tests.selection import mostly_full
from tests.train.models import line, points

x, label = sg.data("x", shape=5), sg.data("label", dtype=int)


def classifier(**options):
    W = sg.parameter("W", shape=(3, 5), init="linear")
    P = sg.parameter("P", shape=(3, 2), init="normal")
    z = sg.let("z", W @ x + sg.constant([1.0, 2, 3]) * sp.pi + sg.sum(P[label]))
    loss = sg.cross_entropy(z, label) + sg.hyper("lam", 0.1) * sg.sum(W**2) / sg.batch_size
    rule = sg.SGD(sp.Rational(1, 10) / (1 + sg.step / 10), momentum=0.9, lazy=True)
    return sg.compile(loss, rule, outputs={"z": z}, **options)


@pytest.fixture
def data(rng):
    return {"x": rng.normal(size=(20, 5)), "label": rng.integers(0, 3, 20)}


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_model_goes_on_where_it_was(target, dtype, data, tmp_path):
    model = classifier(target=target, dtype=dtype)
    options = {"epochs": 2, "batch_size": 3, "accumulate": 3}
    model.fit(data, **options)
    model.hyper["lam"] = 0.2
    model.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    assert str(loaded) == str(model) and loaded.summary() == model.summary()
    assert dict(loaded.hyper).keys() == dict(model.hyper).keys()
    histories = [m.fit(data, **options) for m in (model, loaded)]
    assert histories[0].loss == histories[1].loss
    for name, value in model.parameters.items():
        assert np.array_equal(value, loaded.parameters[name])
        assert value.dtype == loaded.parameters[name].dtype
    assert np.array_equal(model.predict(data, "z"), loaded.predict(data, "z"))
    assert (loaded.epoch, loaded.steps, loaded.pending) == (model.epoch, model.steps, model.pending)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copied_or_pickled_model_goes_on_where_it_was(copied, data):
    model = classifier(target="cpu", dtype="float64")
    model.fit(data, epochs=2, batch_size=20)
    other, before = copied(model), model.parameters["W"].copy()
    loss = other.step(data)
    assert np.array_equal(model.parameters["W"], before)  # they share nothing
    assert model.step(data) == loss
    for name, value in model.parameters.items():
        assert np.array_equal(value, other.parameters[name])


def test_another_target(data, tmp_path):
    model = classifier(target="reference", dtype="float64")
    model.save(str(tmp_path / "model"))
    assert sg.load(tmp_path / "model", target="cpu").loss(data) == pytest.approx(
        model.loss(data), rel=1e-13
    )


# --- in the middle of a group of mini-batches -----------------------------------------------------


def embeddings(target, rule=None):
    u, k = sg.data("u k", dtype=int)
    v, y = sg.data("v", shape=2, dtype=int), sg.data("y")
    P = sg.parameter("P", shape=(50, 3), init="normal")
    b = sg.parameter("b", shape=50, init="normal")
    Q = sg.parameter("Q", shape=(4, 7, 2), init="normal")
    rows = sg.sum(P[u] ** 2) + b[u] * sg.sum(P[v]) + sg.sum(Q[:, k, 0]) ** 2
    rule = rule or sg.Adagrad(0.1)
    return sg.compile((rows - y) ** 2 / 9, rule, dtype="float64", target=target)


def ratings(rng):
    return {"u": rng.integers(0, 50, 40), "v": rng.integers(0, 50, (40, 2)),
            "k": rng.integers(0, 7, 40), "y": rng.normal(size=40)}  # fmt: skip


GROUPS = {"batch_size": 3, "accumulate": 4, "shuffle": False, "epochs": 1, "progress": False}


WAYS = list(itertools.product(["reference", "cpu"], repeat=2))


@pytest.mark.parametrize(("saved", "loaded", "lazy"), mostly_full(
    [(*way, lazy) for way in WAYS for lazy in (False, "catch_up")],
    [*((*way, "catch_up") for way in WAYS), ("cpu", "reference", False)],
))  # fmt: skip
def test_a_group_goes_on_on_any_target(saved, loaded, lazy, rng, tmp_path):
    data = ratings(rng)
    rule = sg.SGD(0.01, momentum=0.9, weight_decay=0.1, lazy=lazy) if lazy else None
    model = embeddings(saved, rule)
    model.fit(data, **GROUPS)
    assert model.pending == 2
    model.save(tmp_path / "model")
    other = sg.load(tmp_path / "model", target=loaded)
    sums = [m.summary().partition("sums")[2].partition("\n")[0] for m in (model, other)]
    assert other.pending == 2 and sums[0] == sums[1] and " rows of tables" in sums[0]
    for m in (model, other):
        m.fit(data, **GROUPS)
    for name, value in model.parameters.items():
        found = other.parameters[name]
        assert np.array_equal(found, value) or saved != loaded
        np.testing.assert_allclose(found, value, rtol=1e-11, atol=1e-13)


def test_a_file_holds_the_rows_of_a_group_and_no_others(rng, tmp_path):
    u = sg.data("u", dtype=int)
    P = sg.parameter("P", shape=(100_000, 2), init=1)
    model = sg.compile(sg.sum(P[u] ** 2), sg.SGD(0.1))
    sizes = []
    for every in (1, 5):
        model.fit({"u": [7, 99_999]}, epochs=1, batch_size=1, accumulate=every)
        model.save(tmp_path / "model")
        sizes.append(os.path.getsize(tmp_path / "model"))
    assert sizes[1] - sizes[0] < 2000


BROKEN = {
    "a row that is not there": lambda rows, count, sums: rows.put(0, 50),
    "a negative row": lambda rows, count, sums: rows.put(0, -1),
    "the same row twice": lambda rows, count, sums: rows.put(0, rows[1]),
    "more rows than there are": lambda rows, count, sums: count.put(0, 51),
}


@pytest.mark.parametrize("case", BROKEN)
def test_groups_that_were_changed_are_refused(case, rng, tmp_path):
    path, model = tmp_path / "model", embeddings("cpu")
    model.fit(ratings(rng), **GROUPS)
    model.save(path)

    def change(record, tensors):
        names = [s[0] for s in record["symbols"]]
        at = ("rows of P", "count of rows of P", "sum of gradients of P")
        BROKEN[case](*(tensors[str(names.index(name))] for name in at))

    rewritten(path, change)
    with pytest.raises(ValueError, match=r"rows of P: they are no distinct rows of 50"):
        sg.load(path)


def test_files_of_version_2(rng, tmp_path):
    """They are read, but in the middle of sums of gradients of tables."""
    data, path = ratings(rng), tmp_path / "model"

    def older(record, tensors):
        assert record["version"] == 3
        record["version"] = 2
        for part in record["rule"]["parameters"]:
            part |= {"sum": 0, "mark": None}

    model = embeddings("reference")
    for every in (1, 4):
        model.fit(data, **GROUPS | {"accumulate": every})
        model.save(path)
        rewritten(path, older)
        if every == 1:
            assert sg.load(path).loss(data) == model.loss(data)
    with pytest.raises(ValueError, match="of version 2, saved while accumulate=4 summed"):
        sg.load(path)
    dense = line()
    dense.fit(points(), epochs=1, batch_size=2, accumulate=3)
    dense.save(path)
    rewritten(path, older)
    loaded = sg.load(path)
    for m in (dense, loaded):
        m.fit(points(), epochs=1, batch_size=2, accumulate=3)
    assert dict(loaded.parameters) == dict(dense.parameters)


def test_users_rules_and_plain_symbols(tmp_path):
    p, s = sp.symbols("p s")
    rule = sg.Rule(lambda p, g, v, lr: (p - lr * v, v + g), {"lr": 0.1}, {"v": 0.5}, name="mine")
    model = sg.compile((p * s - 2) ** 2, rule, parameters={p: 1}, target="reference")
    model.step({"s": [1, 2]})
    model.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    model.hyper["lr"] = loaded.hyper["lr"] = 0.05
    assert model.step({"s": [1, 2]}) == loaded.step({"s": [1, 2]})
    assert model.parameters["p"] == loaded.parameters["p"] and loaded.hyper["lr"] == 0.05


def test_what_was_compiled_away_stays_away(tmp_path):
    line().save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    with pytest.raises(ValueError, match="hyper 'momentum' was"):
        loaded.hyper["momentum"] = 0.5


def test_models_without_optimiser_and_without_data(tmp_path):
    w = sg.parameter("w", init=3)
    for optimizer in (None, sg.SGD(0.1)):
        sg.compile(w**2, optimizer, target="reference").save(tmp_path / "model")
        assert sg.load(tmp_path / "model").loss({}) == 9


def test_a_process_that_never_saw_the_model(data, tmp_path):
    model = classifier(target="reference")
    model.save(tmp_path / "model")
    np.savez(tmp_path / "data.npz", **data)
    code = (
        "import numpy as np, symgrad as sg, sys; d = sys.argv[1]; "
        "print(sg.load(d + '/model').loss(dict(np.load(d + '/data.npz'))))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(found.stdout) == model.loss(data)


def test_hostile_names_are_kept_and_do_nothing(tmp_path):
    name = '__import__("os")._exit(1)\n'
    model = sg.compile((sp.Symbol(name) - 3) ** 2, sg.SGD(0.1), parameters=[sp.Symbol(name)],
                       target="reference", outputs={name: sp.Symbol(name) * 2})  # fmt: skip
    model.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    loaded.step({})
    assert loaded.predict({}, name) == 2 * loaded.parameters[name]


@pytest.mark.parametrize(
    "number",
    [
        sp.Integer(-3), sp.Rational(22, 7), sp.Float("0.1"), sp.Float("1e-300"), sp.pi, sp.E, sp.oo,
        -sp.oo, sp.nan, sp.true, sp.Float("0.1", 40), sp.Integer(10) ** 50,
    ],
)  # fmt: skip
def test_numbers_come_back_exactly(number):
    back = read_number(json.loads(json.dumps(write_number(number))))
    assert type(back) is type(number) and (back == number or number is sp.nan)


def test_roots_come_back_to_float64():
    assert float(read_number(write_number(sp.sqrt(2)))) == 2**0.5


# --- files that are no models ---------------------------------------------------------------------


def rewritten(path, change):
    """The same file with its description changed."""
    with safe_open(str(path), framework="numpy") as file:
        record = json.loads(file.metadata()["symgrad"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    change(record, tensors)
    save_file(tensors, path, {"symgrad": json.dumps(record)})


CHANGES = {
    "a version": lambda r, t: r.update(version=99),
    "no symbols": lambda r, t: r.update(symbols=[]),
    "an operation": lambda r, t: r["loss"]["equations"][0].__setitem__(0, "eval"),
    "an operand": lambda r, t: r["loss"]["equations"][0].__setitem__(1, [999]),
    "a later operand": lambda r, t: r["loss"]["equations"][0].__setitem__(
        1, [len(r["loss"]["names"]) - 1]
    ),
    "code as a number": lambda r, t: r["loss"]["equations"][0].__setitem__(1, ["os.abort()"]),
    "a shape": lambda r, t: r["symbols"][0].__setitem__(1, [-1]),
    "a role": lambda r, t: r["symbols"][0].__setitem__(3, "file"),
    "a smaller array": lambda r, t: t.update({k: v[:1] for k, v in t.items() if v.ndim == 2}),
    "a missing array": lambda r, t: t.clear(),
    "a target": lambda r, t: r["settings"].__setitem__(2, "gpu"),
    "what is trained": lambda r, t: r.update(trained=[0, 1, 2, 3]),
    "a list": lambda r, t: r.update(loss=[]),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_file_is_refused(case, tmp_path):
    path = tmp_path / "model"
    classifier(target="reference").save(path)
    rewritten(path, CHANGES[case])
    with pytest.raises(ValueError, match="is not a symgrad model that can be read here"):
        sg.load(path)


def test_every_array_is_needed(tmp_path):
    path = tmp_path / "model"
    model = classifier(target="reference")
    model.save(path)
    tensors = load_file(path)
    for key in tensors:
        model.save(path)
        rewritten(path, lambda record, tensors, key=key: tensors.pop(key))
        with pytest.raises(ValueError, match="is not a symgrad model that can be read here"):
            sg.load(path)


def test_whole_numbers_are_no_floats(tmp_path):
    path = tmp_path / "model"
    classifier(target="reference").save(path)
    steps = {k: v.astype(float) for k, v in load_file(path).items() if v.dtype.kind == "i"}
    rewritten(path, lambda record, tensors: tensors.update(steps))
    with pytest.raises(ValueError, match="has shape .* and dtype float64"):
        sg.load(path)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x08\0\0\0\0\0\0\0{}      "])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(ValueError, match="is not a symgrad model"):
        sg.load(tmp_path / "model")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        sg.load(tmp_path / "model")


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    model = line()
    model.save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    model.step(points())
    with pytest.raises(OSError, match="no space"):
        model.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model"]
