"""Sparse data against the same models over dense data, and against torch."""

import itertools
import re

import numpy as np
import pytest
import scipy.sparse
import sympy as sp
import torch

import symgrad as sg
from symgrad.train.orders import shuffled
from tests.selection import mostly_full

N, D, K = 40, 23, 3


def logistic(x, y, w, b):
    return sg.binary_cross_entropy_with_logits(w @ x + b, sg.indicator(y > 0))


def machine(x, y, w, b, V):
    """A factorisation machine."""
    pairs = (sg.sum((V @ x) ** 2) - sg.sum(V**2 @ x**2)) / 2
    return (sg.let("f", b + w @ x + pairs) - y) ** 2


def network(x, y, V, c, b):
    return (c @ sp.tanh(sg.let("h", V @ x)) + b - y) ** 2


def reductions(x, y, w, b):
    s = sg.sum(sp.tanh(w * x)) + sg.norm(x) * b - sg.mean(x * 3) * sg.sum(sp.Ne(x, 0))
    return (s + sg.max(w * x) - sg.min(x) + sg.sum(sg.relu(-x)) - y) ** 2 / 50


def both_sides(x, y, A, w):
    """x' A x and more: columns along two axes."""
    return (x @ A @ x + sg.sum(sp.exp(w) * x) - y) ** 2 / 10


def columns_first(x, y, w, M, b):
    """A table of one row for each column, scaled by its norm: read where it is needed."""
    unit = sg.let("unit", M / (1 + sg.sum(M**2)))
    return sg.sum((x @ unit - b) ** 2) + (w**2 @ sp.Abs(x) - y) ** 2


MODELS = {
    "logistic": logistic, "factorisation machine": machine, "network": network,
    "reductions": reductions, "both sides": both_sides, "columns first": columns_first,
}  # fmt: skip
COMPILED = ["factorisation machine", "reductions", "both sides"]
SHAPES = {"w": (D,), "b": (), "V": (K, D), "c": (K,), "A": (D, D), "M": (D, 2)}


def numbers(rng):
    X = scipy.sparse.random_array((N, D), density=0.2, format="csr", rng=rng)
    X.data[:] = rng.normal(size=X.nnz)
    X.data[::5] = 0  # explicit zeros
    empty = np.flatnonzero(np.arange(N) % 7 == 3)
    X = scipy.sparse.csr_array(scipy.sparse.diags_array(1.0 * ~np.isin(range(N), empty)) @ X)
    weights = {k: rng.normal(size=s) * 0.3 for k, s in SHAPES.items()}
    return X, rng.normal(size=N), weights


def compiled(name, weights, sparse, optimizer=None, **options):
    f = MODELS[name]
    used = f.__code__.co_varnames[2 : f.__code__.co_argcount]
    x, y = sg.data("x", shape=D, sparse=sparse), sg.data("y")
    parameters = {k: sg.parameter(k, SHAPES[k], init=weights[k]) for k in used}
    loss = f(x, y, **parameters)
    return sg.compile(loss, optimizer or sg.SGD(0.02), outputs={"loss of one": loss}, **options)


@pytest.mark.filterwarnings("ignore::symgrad.DenseUpdateWarning")  # a norm of all rows
@pytest.mark.parametrize(("name", "target", "batch"), mostly_full(
    [(name, *way) for name in MODELS for way in (("reference", 7), ("cpu", 7), ("cpu", 1))],
    [*((name, "reference", 7) for name in MODELS), *((name, "cpu", 7) for name in COMPILED),
     ("factorisation machine", "cpu", 1)],
))  # fmt: skip
def test_training_is_that_of_dense_data(name, target, batch, rng):
    X, y, weights = numbers(rng)
    ours = compiled(name, weights, True, target=target, dtype="float64")
    theirs = compiled(name, weights, False, target="reference", dtype="float64")
    sparse, dense = {"x": X, "y": y}, {"x": X.toarray(), "y": y}
    found, expected = ours.gradients(sparse), theirs.gradients(dense)
    for k in expected:
        np.testing.assert_allclose(found[k], expected[k], rtol=1e-12, atol=1e-12)
    options = {"epochs": 2, "batch_size": batch, "progress": False}
    history = ours.fit(sparse, validation=sparse, **options)
    other = theirs.fit(dense, validation=dense, **options)
    for k in expected:
        np.testing.assert_allclose(ours.parameters[k], theirs.parameters[k], rtol=1e-11, atol=1e-12)
    for a, b in zip(history.epochs, other.epochs, strict=True):
        assert a.validation == pytest.approx(b.validation, rel=1e-11)
    np.testing.assert_allclose(
        ours.predict(sparse, "loss of one"), theirs.predict(dense, "loss of one"), rtol=1e-10
    )


@pytest.mark.filterwarnings("ignore::symgrad.DenseUpdateWarning")  # a norm of all rows
@pytest.mark.parametrize("name", mostly_full(MODELS, ["factorisation machine", "both sides"]))
def test_float32(name, rng):
    X, y, weights = numbers(rng)
    options = {"epochs": 2, "batch_size": 4, "progress": False}
    ours = compiled(name, weights, True, dtype="float32")
    ours.fit({"x": X, "y": y}, **options)
    theirs = compiled(name, weights, False, target="reference", dtype="float64")
    theirs.fit({"x": X.toarray(), "y": y}, **options)
    for k, value in theirs.parameters.items():
        np.testing.assert_allclose(ours.parameters[k], value, rtol=2e-3, atol=1e-4)


RULES = {
    "momentum": lambda **lazy: sg.SGD(0.1, momentum=0.9, **lazy),
    "decay": lambda **lazy: sg.SGD(0.1, weight_decay=0.1, **lazy),
    "adagrad": lambda **lazy: sg.Adagrad(0.1),
}


@pytest.mark.parametrize(("rule", "batch"), mostly_full(
    itertools.product(RULES, [1, 3]), [("momentum", 3), ("decay", 1), ("adagrad", 3)]
))  # fmt: skip
def test_rules_of_the_touched_columns(rule, batch, rng):
    """Columns are rows of the table w: what is exact in the touched ones alone, or catches up, is
    the update of all."""
    X, y, weights = numbers(rng)
    lazy = {} if rule == "adagrad" else {"lazy": "catch_up"}
    ours = compiled("logistic", weights, True, RULES[rule](**lazy), dtype="float64")
    options = {"dtype": "float64", "target": "reference"}
    theirs = compiled("logistic", weights, False, RULES[rule](), **options)
    fit = {"epochs": 3, "batch_size": batch, "progress": False}
    ours.fit({"x": X, "y": y}, **fit)
    theirs.fit({"x": X.toarray(), "y": y}, **fit)
    np.testing.assert_allclose(ours.parameters["w"], theirs.parameters["w"], rtol=1e-10)


def test_a_dense_rule_says_so(rng):
    _, _, weights = numbers(rng)
    with pytest.warns(sg.DenseUpdateWarning, match="lazy=True"):
        compiled("logistic", weights, True, RULES["momentum"]())


def torch_machine(X, y, weights, batch, epochs, lr):
    """The factorisation machine over dense tensors."""
    X = torch.tensor(X.toarray())
    y = torch.tensor(y)
    w, b, V = (torch.tensor(weights[k], requires_grad=True) for k in "wbV")
    optimizer = torch.optim.SGD([w, b, V], lr=lr)
    for epoch in range(epochs):
        for rows in torch.as_tensor(shuffled(0, epoch, N)).split(batch):
            x = X[rows]
            pairs = ((x @ V.T) ** 2).sum(1) - (x**2 @ (V.T) ** 2).sum(1)
            optimizer.zero_grad()
            ((b + x @ w + pairs / 2 - y[rows]) ** 2).mean().backward()
            optimizer.step()
    return {"w": w.detach().numpy(), "b": b.detach().numpy(), "V": V.detach().numpy()}


@pytest.mark.parametrize("batch", [1, 8])
def test_a_factorisation_machine_is_torchs(batch, rng):
    X, y, weights = numbers(rng)
    ours = compiled("factorisation machine", weights, True, dtype="float64")
    ours.fit({"x": X, "y": y}, epochs=20, batch_size=batch, progress=False)
    for k, value in torch_machine(X, y, weights, batch, 20, 0.02).items():
        assert np.linalg.norm(ours.parameters[k] - value) < 1e-10 * np.linalg.norm(value)


def test_what_is_printed_is_mathematics(rng):
    _, _, weights = numbers(rng)
    text = str(compiled("logistic", weights, True))
    dense = str(compiled("logistic", weights, False))
    assert text == dense and "w @ x" in text and "columns" not in text
    x, w = sg.data("x", shape=5, sparse=True), sg.parameter("w", shape=5)
    assert str(sg.gradient((w @ x) ** 2, w)) == "2*x*(w @ x)"


def test_a_saved_model_goes_on(tmp_path, rng):
    X, y, weights = numbers(rng)
    model = compiled("factorisation machine", weights, True)
    model.fit({"x": X, "y": y}, epochs=1, progress=False)
    model.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    for m in (model, loaded):
        m.fit({"x": X, "y": y}, epochs=1, progress=False)
    np.testing.assert_array_equal(loaded.parameters["V"], model.parameters["V"])


def test_functions_take_sparse_data(rng):
    X, _, weights = numbers(rng)
    x, w = sg.data("x", shape=D, sparse=True), sg.parameter("w", shape=D, init=0)
    f = sg.function(sp.sin(w @ x), [x, w])
    np.testing.assert_allclose(f(X, weights["w"]), np.sin(X @ weights["w"]), rtol=1e-12)


def test_longer_rows_than_before(rng):
    """Kernels have room for the longest row seen; a longer one makes another kernel."""
    _, _, weights = numbers(rng)
    dense = rng.normal(size=(3, D)) * (np.arange(D) < np.array([[1], [2], [D]]))
    model = compiled("factorisation machine", weights, True, dtype="float64")
    options = {"dtype": "float64", "target": "reference"}
    other = compiled("factorisation machine", weights, False, **options)
    for rows in (dense[:1], dense[:2], dense, dense[:1]):
        y = np.ones(len(rows))
        found = model.step({"x": scipy.sparse.csr_array(rows), "y": y})
        assert found == pytest.approx(other.step({"x": rows, "y": y}), rel=1e-12)


X5, Z5 = sg.data("x", shape=5, sparse=True), sg.data("z", shape=5, sparse=True)
REFUSED = {
    "not zero where it is zero": [lambda: sg.sum(sp.exp(X5)), lambda: sg.sum((X5 - 1) ** 2),
                                  lambda: sg.sum(sp.cos(X5))],
    "two different sparse data": [lambda: X5 @ Z5, lambda: sg.sum(X5 * Z5)],
    "gather is not computed": [lambda: sg.sum(X5[np.array([0, 1])])],
    "slice is not computed": [lambda: X5[2]],
    "is 0 wherever": [lambda: sg.prod(X5)],
    "the output 'o' is sparse": [lambda: 2 * X5],
    "sparse along two axes": [lambda: sg.sum(sg.outer(X5, X5) ** 2)],
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_does_not_stay_sparse_says_so(why):
    for make in REFUSED[why]:
        w = sg.parameter("w")
        loss = w * sg.sum(X5)
        with pytest.raises(ValueError, match=why) as error:
            sg.compile(loss, None, outputs={"o": w * make()})
        assert "x" in str(error.value) and "w @ x" in str(error.value)


@pytest.mark.parametrize("wrong", [{"shape": ()}, {"shape": (2, 3)}, {"shape": 3, "dtype": int}])
def test_sparse_data_are_vectors_of_floats(wrong):
    with pytest.raises(ValueError, match="is a vector of floats"):
        sg.data("x", sparse=True, **wrong)


def test_columns_that_are_read_lie_together(tmp_path, rng):
    """W of W @ x is held column by column, and nobody sees it."""
    X, y, weights = numbers(rng)
    data = {"x": X, "y": y}
    ours = compiled("factorisation machine", weights, True, dtype="float64")
    assert ours.parameters["V"].flags.f_contiguous and ours.parameters["V"].shape == (K, D)
    other = compiled("factorisation machine", weights, True, target="reference", dtype="float64")
    ours.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    for m in (other, ours, loaded):
        m.parameters["V"] = weights["V"][::-1]
        m.fit(data, epochs=2, batch_size=3, progress=False)
        np.testing.assert_allclose(m.parameters["V"], other.parameters["V"], rtol=1e-11)
    assert f" * {K} + " in re.sub(r"[a-z]\w*", "", ours.source), "a column is a stretch of memory"
    momentum = sg.SGD(0.02, momentum=0.9)
    with pytest.warns(sg.DenseUpdateWarning, match="so that every step updates the whole table"):
        found = compiled("network", weights, True, momentum, dtype="float64")
    expected = compiled("network", weights, False, momentum, dtype="float64")
    found.fit(data, epochs=2, batch_size=3, progress=False)
    expected.fit({"x": X.toarray(), "y": y}, epochs=2, batch_size=3, progress=False)
    np.testing.assert_allclose(found.parameters["V"], expected.parameters["V"], rtol=1e-10)


@pytest.mark.filterwarnings("ignore::symgrad.DenseUpdateWarning")  # a product with all of it
def test_rows_that_are_read_too_stay_rows(rng):
    """A matrix that a product reads, or whose rows are read, is held as it is written."""
    X, y, weights = numbers(rng)
    x, z = sg.data("x", shape=D, sparse=True), sg.data("z", shape=D)
    V = sg.parameter("V", shape=(K, D), init=weights["V"])
    loss = sg.sum((V @ x - V @ z) ** 2) + y[0] * sg.sum(V[1])
    model = sg.compile(loss, sg.SGD(0.01), dtype="float64")
    assert model.parameters["V"].flags.c_contiguous
    reference = sg.compile(loss, sg.SGD(0.01), dtype="float64", target="reference")
    for m in (model, reference):
        m.fit({"x": X, "z": rng.normal(size=(N, D)) * 0 + 1}, epochs=1, progress=False)
    np.testing.assert_allclose(model.parameters["V"], reference.parameters["V"], rtol=1e-11)


def test_models_that_share_a_turned_table(rng):
    X, y, weights = numbers(rng)
    first = compiled("network", weights, True, dtype="float64")
    x, z = sg.data("x", shape=D, sparse=True), sg.data("y")
    V = next(s for s in first.arrays if s.name == "V")
    second = sg.compile(sg.sum((V @ x) ** 2) - z, sg.SGD(0.01), share=first, dtype="float64")
    second.fit({"x": X, "y": y}, epochs=1, progress=False)
    assert second.parameters["V"] is first.parameters["V"]
    assert not np.array_equal(first.parameters["V"], weights["V"])


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_single_column_is_read_like_others(target, rng):
    """An axis of one number, which elsewhere stands for any other size."""
    X, y = (
        scipy.sparse.csr_array(rng.normal(size=(8, 1)) * (np.arange(8) % 3 > 0)[:, None]),
        sg.data("y"),
    )
    start, found = rng.normal(size=(2, 1)), []
    for sparse in (True, False):
        x, W = sg.data("x", shape=1, sparse=sparse), sg.parameter("W", shape=(2, 1), init=start)
        v = sg.parameter("v", shape=1, init=0.5)
        loss = sg.sum((W @ x - y) ** 2) + (v @ x) ** 2 + sg.sum(v * x)
        model = sg.compile(loss, sg.SGD(0.1), dtype="float64", target=target)
        data = {"x": X if sparse else X.toarray(), "y": np.arange(8.0)}
        model.fit(data, epochs=2, batch_size=3, shuffle=False, progress=False)
        found.append(np.append(model.parameters["W"], model.parameters["v"]))
    np.testing.assert_allclose(*found, rtol=1e-12)
