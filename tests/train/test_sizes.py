"""Symbolic sizes: found in data, inits and values; conflicts and unknown ones in prose."""

import copy
import pickle

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.language.dims import Sizing

n, m = sg.dim("n m")


def network(**options):
    x, y = sg.data("x", shape=n), sg.data("y", shape=m)
    W = sg.parameter("W", shape=(m, n), init="linear")
    b = sg.parameter("b", shape=m)
    h = sg.let("h", sp.tanh(W @ x + b))
    return sg.compile(sg.mean((h - y) ** 2) + sg.sum(W**2) / (n * m),
                      sg.SGD(lr=0.1), outputs={"h": h}, **options)  # fmt: skip


def sized(target, dtype, a=5, b=3):
    x, y = sg.data("x", shape=a), sg.data("y", shape=b)
    W = sg.parameter("W", shape=(b, a), init="linear")
    c = sg.parameter("b", shape=b)
    h = sg.let("h", sp.tanh(W @ x + c))
    return sg.compile(sg.mean((h - y) ** 2) + sg.sum(W**2) / (a * b), sg.SGD(lr=0.1),
                      outputs={"h": h}, target=target, dtype=dtype)  # fmt: skip


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_model_takes_its_sizes_from_the_first_data(target, rng):
    model = network(target=target, dtype="float64")
    assert isinstance(model, sg.Model)
    data = {"x": rng.standard_normal((8, 5)), "y": rng.standard_normal((8, 3))}
    model.fit(data, epochs=2, batch_size=4)
    other = sized(target, "float64")
    other.fit(data, epochs=2, batch_size=4)
    for name, value in other.parameters.items():
        np.testing.assert_allclose(model.parameters[name], value, rtol=1e-13)
    assert model.predict({"x": data["x"]}, "h").shape == (8, 3)
    with pytest.raises(ValueError, match=r"shape \(8, 4\); expected \(N, 5\)"):
        model.step({**data, "x": np.ones((8, 4))})


def test_it_prints_its_sizes_before_it_knows_them():
    model = network()
    assert "gradient W: " in str(model) and "/(m*n)" in str(model).replace("(n*m)", "(m*n)")
    assert "minimise: E[" in str(model)
    with pytest.raises(AttributeError, match="no parameters yet: the size m, n becomes known"):
        _ = model.parameters


def test_an_init_that_is_an_array_is_enough():
    w = sg.parameter("w", shape=n, init=np.arange(4.0))
    model = sg.compile(sg.dot(w, sg.data("x", shape=n)) ** 2, sg.SGD(lr=0.1), target="reference")
    np.testing.assert_array_equal(model.parameters["w"], np.arange(4))
    given = sg.parameter("w", shape=n)
    loss = sg.dot(given, sg.data("x", shape=n)) ** 2
    model = sg.compile(loss, sg.SGD(lr=0.1), parameters={given: [1, 2]}, target="reference")
    np.testing.assert_array_equal(model.parameters["w"], [1, 2])


def test_sizes_that_contradict_each_other():
    x, y = sg.data("x", shape=n), sg.data("y", shape=(2, n))
    w = sg.parameter("w", shape=n)
    model = sg.compile(sg.sum(y @ (w * x)), sg.SGD(lr=0.1))
    with pytest.raises(ValueError, match="n is 4 by data 'x', and 3 by data 'y', whose axis 2"):
        model.step({"x": np.ones((2, 4)), "y": np.ones((2, 2, 3))})
    with pytest.raises(ValueError, match="'x' has shape .* should have 2 axes"):
        model.step({"x": np.ones(4), "y": np.ones((2, 2, 4))})


def test_sizes_that_stay_unknown():
    w, v = sg.parameter("w", shape=n), sg.parameter("v", shape=m)
    model = sg.compile(sg.sum(w) * sg.sum(v) * sg.data("x"), sg.SGD(lr=0.1))
    with pytest.raises(ValueError, match="the size m and n is not known"):
        model.step({"x": np.ones(4)})


def test_a_name_that_is_mistyped_is_said_first():
    x, w = sg.data("x", shape=n), sg.parameter("w", shape=n)
    loss = sg.dot(w, x) ** 2 * sp.Symbol("t")
    model = sg.compile(loss, sg.SGD(lr=0.1), target="reference")
    with pytest.raises(KeyError, match="no data of this model is called 'X'; did you mean 'x'"):
        model.step({"X": np.ones((2, 4)), "t": np.ones(2)})
    with pytest.raises(ValueError, match="the size n is not known"):
        model.step({"t": np.ones(2)})
    assert model.step({x: np.ones((2, 4)), "t": np.ones(2)}) == 0  # symbols are names, too
    assert model.parameters["w"].shape == (4,)


def test_what_a_model_without_sizes_does_not_have():
    x, w = sg.data("x", shape=n), sg.parameter("w", shape=n)
    model = sg.compile(sg.dot(w, x) ** 2, sg.SGD(lr=0.1))
    for use in (model.summary, lambda: model.save("nowhere"), lambda: copy.deepcopy(model)):
        with pytest.raises(AttributeError, match="this model has no arrays yet: the size n"):
            use()


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_function_for_any_size(target, rng):
    x, W = sg.data("x", shape=n), sg.parameter("W", shape=(n + 1, n), init=0)
    total = sg.sum(sg.softmax(W @ x) * sg.cumsum(W[:, 0])) * n
    f = sg.function([total, sg.gradient(total, W)], [x, W], target=target)
    for size in (1, 4):
        v, V = sg.data("x", shape=size), sg.parameter("W", shape=(size + 1, size), init=0)
        fixed = sg.sum(sg.softmax(V @ v) * sg.cumsum(V[:, 0])) * size
        g = sg.function([fixed, sg.gradient(fixed, V)], [v, V], target="reference")
        for lead in ((), (3,)):
            arrays = rng.standard_normal((*lead, size)), rng.standard_normal((size + 1, size))
            for got, want in zip(f(*arrays), g(*arrays), strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    with pytest.raises(ValueError, match="n is 4 by 'x', and 3 by 'W'"):
        f(np.ones(4), np.ones((4, 3)))


FORMS = {
    "mean": lambda x, W: sg.mean((W @ x) ** 2),
    "norm": lambda x, W: sg.norm(x) + sg.logsumexp(W @ x),
    "reshape": lambda x, W: sg.sum(sg.reshape(W, (n * m,)) ** 2),
    "flatten": lambda x, W: sg.sum(sg.flatten(W) ** 3),
    "outer": lambda x, W: sg.sum(sg.outer(W @ x, x) * W),
    "broadcast": lambda x, W: sg.sum(sg.broadcast_to(x, (m, n)) * W**2),
    "variance": lambda x, W: sg.sum(sg.var(W, axis=1)),
    "products": lambda x, W: sg.prod(x * W[0]),
    "extremes": lambda x, W: sg.max(W @ x) + sg.min(x * W[1]),
    "places": lambda x, W: W[sg.argmax(x)][0] * 2,
    "stack": lambda x, W: sg.sum(sg.stack([x, W[0]]) ** 2),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_made_of_symbolic_sizes(name, rng):
    x, W = sg.data("x", shape=n), sg.parameter("W", shape=(m, n), init=0)
    X, e = sg.data("x", shape=2), FORMS[name](x, W)
    fixed = Sizing({n: 2, m: 3})(e)
    V = next(s for s in fixed.free_symbols if s.name == "W")
    arrays = rng.standard_normal((4, 2)), rng.standard_normal((3, 2))
    got = sg.function([e, sg.gradient(e, W)], [x, W], target="reference")(*arrays)
    want = sg.function([fixed, sg.gradient(fixed, V)], [X, V], target="reference")(*arrays)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_dims_are_sympys_symbols():
    assert sg.dim("n") == n and sg.dim("n") + 1 == n + 1
    assert pickle.loads(pickle.dumps(n)) == n
    assert sg.shape(sg.data("A", shape=(n, 2 * n))) == (n, 2 * n)
    assert sg.shape(sg.data("A", shape=(n, 3)) @ sg.data("B", shape=(3, m))) == (n, m)
    with pytest.raises(ValueError, match="do not broadcast"):
        sg.shape(sg.data("x", shape=n) + sg.data("y", shape=m))
    with pytest.raises(ValueError, match="a shape is a tuple of sizes"):
        sg.data("x", shape=sp.Symbol("k"))
    with pytest.raises(IndexError, match="symbolic size n"):
        sg.data("x", shape=n)[1:]
