"""Memory-mapped data of another dtype are evaluated a slab at a time, as if they were in memory."""

import tracemalloc

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.train import slabs

N, WIDTH = 1000, 4
x, y, u = sg.data("x", shape=WIDTH), sg.data("y"), sg.data("u", dtype=int)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(slabs, "BYTES", 4096)


def mapped(tmp_path, rng, n=N):
    """In big-endian and wider dtypes, and the same in memory."""
    arrays = {"x": rng.normal(size=(n, WIDTH)), "y": rng.normal(size=n),
              "u": rng.integers(0, 5, n)}  # fmt: skip
    dtypes = {"x": ">f8", "y": "f4", "u": "i4"}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array.astype(dtypes[name]))
    return {k: np.load(tmp_path / f"{k}.npy", mmap_mode="r") for k in arrays}


def model(target, reduction="mean"):
    w = sg.parameter("w", shape=WIDTH, init=0.3)
    P = sg.parameter("P", shape=5, init=[1, 2, 3, 4, 5])
    z = sp.tanh(w @ x) + P[u]
    outputs = {"z": z, "own": w @ w}
    return sg.compile((z - y) ** 2, sg.SGD(0.1), outputs, dtype="float64", target=target,
                      reduction=reduction)  # fmt: skip


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_slabs_are_the_whole(small, tmp_path, rng, target, reduction):
    data = mapped(tmp_path, rng)
    m, whole = model(target, reduction), {k: np.array(v) for k, v in data.items()}
    assert len(slabs.slabs(data, m.evaluator.intake("loss"))) > 5
    np.testing.assert_allclose(m.loss(data), m.loss(whole), rtol=1e-13)
    for name, expected in m.gradients(whole).items():
        np.testing.assert_allclose(m.gradients(data)[name], expected, rtol=1e-12)
    given = {k: data[k] for k in "xu"}
    expected = m.predict({k: whole[k] for k in "xu"}, "z")
    np.testing.assert_allclose(m.predict(given, "z"), expected, rtol=1e-12)
    np.testing.assert_allclose(m.predict({}, "own"), WIDTH * 0.09)


def test_what_is_coupled_or_drawn_or_right_is_read_whole(small, tmp_path, rng):
    data = mapped(tmp_path, rng)
    w = sg.parameter("w", shape=WIDTH, init=0.3)
    z = w @ x
    coupled = sg.compile((z - sg.expectation(z)) ** 2 - sg.expectation(z) ** 2, target="reference")
    whole = {"x": np.array(data["x"])}
    np.testing.assert_allclose(coupled.loss({"x": data["x"]}), coupled.loss(whole), rtol=1e-6)
    drawn = sg.compile((z - sg.random.normal("eps")) ** 2, target="reference")
    assert drawn.loss({"x": data["x"]}) == drawn.loss(whole)
    m = model("reference")
    right = {"x": np.asarray(data["x"], float), "y": np.asarray(data["y"], float)}
    assert slabs.slabs(right, m.evaluator.intake("loss")) == []


def test_errors_say_from_where_samples_are_counted(small, tmp_path, rng):
    data = mapped(tmp_path, rng)
    np.save(tmp_path / "v.npy", np.array(data["u"]))
    data["u"] = np.load(tmp_path / "v.npy", mmap_mode="r+")
    data["u"][900] = 7
    with pytest.raises(IndexError, match="holds 7, which is out of range") as raised:
        model("reference").loss(data)
    start = int(raised.value.__notes__[0].split("sample ")[1].split(" ")[0].replace(",", ""))
    assert f"sample {900 - start} " in str(raised.value)
    data["u"][900] = 0
    with pytest.raises(ValueError, match="different numbers of samples"):
        model("reference").loss({**data, "y": data["y"][:-1]})
    with pytest.raises(KeyError, match="'y' missing"):
        model("reference").loss({k: data[k] for k in "xu"})


def test_memory_stays_far_below_the_file(small, tmp_path):
    n = 200_000
    np.save(tmp_path / "x.npy", np.ones((n, WIDTH), np.float32))
    data = {"x": np.load(tmp_path / "x.npy", mmap_mode="r")}
    w = sg.parameter("w", shape=WIDTH, init=0.5)
    m = sg.compile((w @ x) ** 2, dtype="float64", target="cpu")
    assert m.loss({"x": data["x"][:100]}) == 4
    tracemalloc.start()
    assert m.loss(data) == pytest.approx(4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * WIDTH * 8 / 20


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_fit_validates_in_slabs(small, tmp_path, rng, target, reduction, monkeypatch):
    """The same losses as of arrays in memory, and no slab of the file larger than it may be."""
    data, seen = mapped(tmp_path, rng), []
    whole, found = {k: np.array(v) for k, v in data.items()}, []
    train = {k: v[:50] for k, v in whole.items()}
    for given in (data, whole, {s: data[s.name] for s in (x, y, u)}):  # by symbol, too
        m = model(target, reduction)
        accepted = m.evaluator.accepted
        monkeypatch.setattr(m.evaluator, "accepted", lambda key, part, accepted=accepted: (
            seen.append(len(part["y"])), accepted(key, part))[1])  # fmt: skip
        found.append(m.fit(train, epochs=2, validation=given, progress=False).validation)
        assert given is whole or max(seen[1:]) < N / 5, seen
        seen.clear()
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    np.testing.assert_allclose(found[2], found[1], rtol=1e-12)


def test_wrong_validation_data_are_refused_before_the_training(small, tmp_path, rng):
    data = mapped(tmp_path, rng)
    data["u"] = np.array(data["u"])
    data["u"][900] = 7
    m = model("reference")
    train = {"x": np.ones((3, WIDTH)), "y": np.ones(3), "u": [0, 1, 2]}
    with pytest.raises(IndexError, match="holds 7, which is out of range"):
        m.fit(train, validation=data, progress=False)
    assert m.steps == 0
