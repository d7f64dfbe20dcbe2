"""sg.compile: who is who in a model, and what it refuses."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.train.models import line, points

x, y = sg.data("x y")
WIDE = "\uff58"  # a full-width x
w, b, v = sg.parameter("w b v")
M = sg.parameter("M", shape=(2, 2))


def compiled(loss, optimizer=None, **options):
    return sg.compile(loss, optimizer or sg.SGD(0.1), target="reference", **options)


BAD = {
    "not a scalar": (
        lambda: compiled(w * sg.data("z", shape=3)), ValueError, "reduce it with sg.sum(loss)",
    ),
    "a condition": (lambda: compiled(sp.Lt(w * x, y)), TypeError, "the loss is a condition"),
    "no expression": (lambda: compiled("w*x"), TypeError, "is not an expression"),
    "nothing to train": (lambda: compiled(x**2), ValueError, "there is nothing to train"),
    "several losses": (
        lambda: compiled([w * x, w**2]), TypeError,
        "the loss is one expression, not a list: minimise a sum of several",
    ),
    "a plain model without parameters": (
        lambda: compiled((sp.Symbol("u") - 1) ** 2), ValueError, "name the trained ones",
    ),
    "an unused parameter": (
        lambda: compiled(w * x, parameters=[w, v]), ValueError,
        "the loss does not use the parameter 'v'. It uses 'w'",
    ),
    "a misspelt parameter": (
        lambda: compiled(sg.parameter("weights") * x, parameters=[sg.parameter("weight")]),
        ValueError, "did you mean 'weights'?",
    ),
    "another parameter of that name": (
        lambda: compiled(w * x, parameters=[sg.parameter("w")]), ValueError, "another one of that",
    ),
    "a symbol with other assumptions": (
        lambda: compiled(sp.Symbol("u") * w, parameters=[sp.Symbol("u", real=True)]), ValueError,
        "'u' (it uses another of that name, which differs in its assumptions or its kind)",
    ),
    "data as a parameter": (lambda: compiled(w * x, parameters=[x]), ValueError, "x is data"),
    "a hyper as a parameter": (
        lambda: compiled(w * sg.hyper("h", 1), parameters=[sg.hyper("h", 1)]), ValueError,
        "h is hyper and cannot be trained",
    ),
    "names as parameters": (
        lambda: compiled(w * x, parameters=["w"]), TypeError, "parameters are symbols",
    ),
    "two parameters of one name": (
        lambda: compiled(w * x + sg.parameter("w")), ValueError, "called 'w'",
    ),
    "two data of one name": (
        lambda: compiled(w * x + sg.sum(sg.data("x", shape=2))), ValueError, "called 'x'",
    ),
    "two hypers of one name": (
        lambda: compiled(w * sg.hyper("h", 1) + sg.hyper("h", 2)), ValueError, "called 'h'",
    ),
    "two of one name in loss and output": (
        lambda: compiled(w * x, outputs={"f": sg.parameter("w") * x}), ValueError,
        "two different parameters are called 'w'",
    ),
    "a matrix without init": (
        lambda: compiled(sg.sum(M**2)), ValueError, "parameter 'M' of shape (2, 2) needs an init",
    ),
    "an init of another shape": (
        lambda: compiled(sg.sum(M**2), parameters={M: np.zeros((3, 2))}), ValueError,
        "has shape (3, 2); expected (2, 2)",
    ),
    "an unknown function": (
        lambda: compiled(sp.zeta(w * x)), TypeError, "no operation for zeta",
    ),
    "a complex constant": (lambda: compiled(w * x * sp.I), ValueError, "complex"),
    "no optimiser": (lambda: compiled(w * x, "sgd"), TypeError, "optimizer wants sg.SGD"),
    "a dtype": (lambda: compiled(w * x, dtype="float16"), ValueError, "'float32' or 'float64'"),
    "no dtype": (lambda: compiled(w * x, dtype="x"), ValueError, "not 'x'"),
    "a target": (lambda: sg.compile(w * x, target="gpu"), ValueError, "target is 'reference'"),
    "a reduction": (lambda: compiled(w * x, reduction="max"), ValueError, "'mean' or 'sum'"),
    "a seed": (lambda: compiled(w * x, seed=-1), ValueError, "seed is -1"),
    "no seed": (lambda: compiled(w * x, seed="1"), TypeError, "seed is a whole number"),
    "outputs": (lambda: compiled(w * x, outputs=[w]), TypeError, "expressions by label"),
    "an output": (lambda: compiled(w * x, outputs={"f": "w"}), TypeError, "not an expression"),
    "updates": (lambda: compiled(w * x, updates={w: 1}), ValueError, "updates assign sg.state"),
    "samples": (lambda: compiled(w * x, samples=3), ValueError, "samples names a dimension"),
    "a shared dtype": (
        lambda: compiled(w * x, share=compiled(w * x, dtype="float64")), ValueError, "one dtype",
    ),
    "nothing to share": (
        lambda: compiled(w * x, share=compiled(b * x)), ValueError, "no parameter in common",
    ),
    "no model to share with": (lambda: compiled(w * x, share={}), TypeError, "share is a model"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_compile(case):
    make, error, words = BAD[case]
    with pytest.raises(error) as raised:
        make()
    assert words in str(raised.value)


def test_chosen_parameters_are_trained_and_the_rest_stay():
    model = compiled((w * x + b - y) ** 2, parameters=[b])
    model.parameters["w"] = 5
    model.step(points())
    assert model.parameters["w"] == 5 and model.parameters["b"] != 0
    assert list(model.gradient) == [b] and list(model.gradients(points())) == ["b"]


def test_a_model_of_sympys_own_symbols():
    p, q, s, t = sp.symbols("p q s t")
    model = compiled((p * s + q - t) ** 2, parameters=[p, q], dtype="float64")
    other = line(sg.SGD(0.1))
    xs, ys = points().values()
    assert model.step({"s": xs, "t": ys}) == other.step(points())
    assert model.parameters["p"] == other.parameters["w"]
    assert model.parameters["q"] == other.parameters["b"]


def test_inits_given_at_compile_time():
    p, s = sp.symbols("p s")
    model = compiled((p * s + w) ** 2, parameters={p: 2, w: lambda rng, shape: 3})
    assert model.parameters["p"] == 2 and model.parameters["w"] == 3


def test_seeds_decide_how_parameters_start():
    loss = sg.sum(sg.parameter("M", shape=(4, 3), init="linear") ** 2)
    first, second, third = (compiled(loss, seed=s).parameters["M"] for s in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, third)


def test_both_dtypes_start_alike():
    loss = sg.sum(sg.parameter("M", shape=(4, 3), init="normal") ** 2)
    single, double = (compiled(loss, dtype=d).parameters["M"] for d in ("float32", "float64"))
    assert single.dtype == np.float32 and np.array_equal(single, double.astype(np.float32))


def test_models_that_share_are_one_memory():
    first = compiled((w * x + b - y) ** 2)
    second = compiled((w * x - v) ** 2, share=first)
    second.step({"x": [1, 2]})
    first.parameters["w"] = 7
    assert second.parameters["w"] == 7
    assert np.shares_memory(first.parameters["w"], second.parameters["w"])
    assert not np.shares_memory(first.parameters["b"], second.parameters["v"])


HOSTILE = [
    "exp",
    "x\n",
    '"',
    "'''",
    "import",
    "lambda",
    '__import__("os").abort()',
    WIDE,
    "x y",
    "{}",
]


def test_hostile_names_are_only_labels():
    symbols = [sp.Symbol(name) for name in HOSTILE]
    data = sp.Symbol("\u200b")
    loss = sum((p * data - k) ** 2 for k, p in enumerate(symbols, 1))
    model = compiled(loss, sg.SGD(0.5), parameters=symbols)
    model.step({data: [1.0]})
    assert [model.parameters[name] for name in HOSTILE] == list(range(1, len(HOSTILE) + 1))
    assert len(str(model).splitlines()) >= len(HOSTILE)
    for text in (model.summary(), model.explain()):
        assert "x\n\n" not in text.replace("\n\n---", "")


def test_full_width_and_plain_letters_are_two_names():
    wide, plain = sp.Symbol(WIDE), sp.Symbol("x")
    model = compiled((w * plain - wide) ** 2)
    with pytest.raises(KeyError, match="missing"):
        model.step({"x": [1]})
    assert model.step({"x": [1], WIDE: [2]}) == 4


# --- MatrixSymbols --------------------------------------------------------------------------------

n = sp.Symbol("n")
X, Y, V = sp.MatrixSymbol("X", n, 3), sp.MatrixSymbol("Y", n, 2), sp.MatrixSymbol("V", 3, 2)
R = X * V - Y


def test_a_model_of_matrices(rng):
    start = rng.normal(size=(3, 2))
    model = compiled(
        sp.Trace(R.T * R) / n, samples=n, parameters={V: start}, outputs={"f": X * V},
        dtype="float64",
    )  # fmt: skip
    xs, ys = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    gradient = 2 * xs.T @ (xs @ start - ys) / 7
    np.testing.assert_allclose(model.gradients({"X": xs, "Y": ys})["V"], gradient, rtol=1e-12)
    np.testing.assert_allclose(model.predict({"X": xs}, "f"), xs @ start, rtol=1e-12)
    model.step({"X": xs, "Y": ys})
    np.testing.assert_allclose(model.parameters["V"], start - 0.1 * gradient, rtol=1e-12)
    assert model.gradient[V].shape == (3, 2)
    assert "X.T*(X*V - Y)" in str(model)


@pytest.mark.parametrize(
    ("loss", "options", "words"),
    [
        (R.T * R, {"samples": n, "parameters": [V]}, "a gradient is taken of a scalar"),
        (sp.Trace((X * X.T).applyfunc(sp.exp)), {"samples": n}, "every sample beside every other"),
        (sp.Trace(R.T * R), {"parameters": {V: np.ones((3, 2))}}, "the size n is unknown"),
        (sp.Trace(R.T * R), {"samples": n, "parameters": [V]}, "needs an init"),
        (sp.Trace(X.T * X), {"samples": n}, "nothing to train"),
    ],
)
def test_what_is_no_model_of_matrices(loss, options, words):
    with pytest.raises(ValueError, match=words):
        compiled(loss, **options)
