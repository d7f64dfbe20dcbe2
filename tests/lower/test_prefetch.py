"""What kernels ask memory for ahead of time, and that it changes nothing but the time."""

import re

import numpy as np
import pytest
import scipy.sparse
import sympy as sp

import symgrad as sg
from symgrad.lower import driver, prefetch


@pytest.fixture
def small_cache(monkeypatch):
    """Every table counts as large, so that small ones show what is done for large ones."""
    monkeypatch.setattr(prefetch, "CACHE", 64)
    monkeypatch.setattr("symgrad.generate.cpu.CACHE", 64)


def factorization(users=50, items=40, k=24):
    P = sg.parameter("P", shape=(users, k), init="normal")
    Q = sg.parameter("Q", shape=(items, k), init="normal")
    u, i = sg.data("u i", dtype=int)
    return sg.compile((P[u] @ Q[i] - sg.data("r")) ** 2, sg.SGD(0.05), dtype="float32")


def linear(columns=300, sparse=True, dtype="float64"):
    x, w = sg.data("x", shape=columns, sparse=sparse), sg.parameter("w", shape=columns)
    return sg.compile((w @ x - sg.data("y")) ** 2, sg.SGD(0.01), dtype=dtype)


def ratings(rng, n=200):
    return {"u": rng.integers(0, 50, n), "i": rng.integers(0, 40, n), "r": rng.normal(size=n)}


def features(rng, n=200, columns=300):
    X = scipy.sparse.random_array((n, columns), density=0.05, format="csr", rng=rng)
    return {"x": X, "y": rng.normal(size=n)}


def requests(model, batch):
    """The lines of the step that ask for memory, without the numbers in their names."""
    source = model.executables.exactly("step", batch).source
    lines = re.findall(r"(\bprefetch\(.*\))", source)
    return [re.sub(r"\b[a-z]\d+_?", "", line) for line in lines]


def test_rows_of_tables(small_cache):
    """96 bytes of a row: its first line, its second, and the one that its last number is in."""
    found = requests(factorization(), 1)
    assert [line for line in found if "(P, " in line] == [
        "prefetch(P,  * 24)", "prefetch(P,  * 24 + 16)", "prefetch(P,  * 24 + 23)"
    ]  # fmt: skip
    assert sum("(Q, " in line for line in found) == 3
    assert {line[:11] for line in found if "(P" not in line and "(Q" not in line} == {
        "prefetch(u,", "prefetch(i,", "prefetch(r,"
    }  # fmt: skip


def test_three_stages_of_sparse_rows(small_cache):
    model = linear()
    source = model.executables.exactly("step", 1).source
    places = [int(k) for k in re.findall(r"minimum\(at \+ (\d+), last - 1\)", source)]
    assert len(places) == 3 and places[0] == 3 * places[2] and places[1] == 2 * places[2]
    found = requests(model, 1)
    assert any("(startofnnzx, " in line for line in found)
    assert any("(columnsofx, " in line for line in found)
    assert sum("(w, columnsofx[" in line for line in found) == 1


def test_small_tables_and_small_rows_are_left_alone():
    assert not any("(P, " in line for line in requests(factorization(), 1))
    assert requests(factorization(), 128) == []
    x, y = sg.data("x y")
    line = sg.compile((sg.parameter("w") * x - y) ** 2, sg.SGD(0.1))
    assert requests(line, 1) == []
    curve = sg.compile((sp.tanh(sg.parameter("w") * x) - y) ** 2, sg.SGD(0.1))  # no short step
    assert [s[:11] for s in requests(curve, 1)] == ["prefetch(x,", "prefetch(y,"]
    assert len(requests(factorization(), 1)) == 3  # nor are rows of tables
    assert [s[:11] for s in requests(linear(30, sparse=False), 1)].count("prefetch(x,") == 5


@pytest.mark.parametrize(("columns", "batch", "asked"), [(8, 32, 9), (40, 1, 41), (40, 32, 0)])
def test_of_many_columns_a_whole_mini_batch_is_not_asked_for(columns, batch, asked, small_cache):
    """Each of a sample's numbers is in a line of its own, and there is none for long enough."""
    terms = [sg.parameter(f"w{k}") * sg.data(f"x{k}") for k in range(columns)]
    model = sg.compile((sp.Add(*terms) - sg.data("y")) ** 2, sg.SGD(0.01), dtype="float32")
    assert len({line.split(",")[0] for line in requests(model, batch)}) == asked


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", ["table", "sparse", "dense"])
def test_training_is_the_same(kind, batch, small_cache, monkeypatch, rng):
    data = ratings(rng) if kind == "table" else features(rng)
    if kind == "dense":
        data["x"] = data["x"].toarray()
    found = []
    for ahead in (driver.ahead, lambda *_: []):
        monkeypatch.setattr(driver, "ahead", ahead)
        model = factorization() if kind == "table" else linear(sparse=kind == "sparse")
        for shuffle in (True, False):
            model.fit(data, epochs=2, batch_size=batch, shuffle=shuffle, progress=False)
        found.append(model)
    assert "prefetch" in found[0].source and "prefetch" not in found[1].source
    for a, b in zip(*(m.parameters.values() for m in found), strict=True):
        np.testing.assert_array_equal(a, b)


def test_assembly_of_large_kernels_has_them_too(small_cache, monkeypatch, rng):
    data = features(rng)
    plain = linear()
    plain.fit(data, epochs=2, batch_size=1, progress=False)
    monkeypatch.setattr("symgrad.generate.blocks.LARGEST", 0)
    large = linear()
    large.fit(data, epochs=2, batch_size=1, progress=False)
    assert "ASSEMBLY" in large.source and "prefetch(" in large.source
    np.testing.assert_allclose(large.parameters["w"], plain.parameters["w"], rtol=1e-12)
