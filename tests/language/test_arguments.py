"""Whatever a user gives to a public function: it works, or symgrad says in prose why not."""

import datetime
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.language import indexing
from symgrad.language.arguments import array_of, real, several, switch, whole, wholes

x, i = sg.data("x"), sg.data("i", dtype=int)
v, u, s = sg.data("v", shape=4), sg.data("u", shape=4), sg.data("s", shape=(4, 4))
rows = sg.data("rows", shape=(4, 2), dtype=int)
b, W = sg.parameter("b", shape=4), sg.parameter("W", shape=(4, 4), init="linear")

GIVEN = {
    "nothing": None, "a truth value": True, "a negative number": -1, "zero": 0, "a fraction": 2.5,
    "infinity": float("inf"), "a huge number": 10**400, "beyond an int64": 2**63, "text": "abc",
    "no text": "", "half a character": "\udc80", "bytes": b"ab", "a list": [1, 2, 3],
    "an empty list": [], "a ragged list": [[1, 2], [3]], "a list of None": [None], "a dict": {1: 2},
    "a set": {1, 2}, "an object": object(), "a complex number": 1j, "a decimal": Decimal("1.5"),
    "a NumPy number": np.float32(2), "a NumPy integer": np.int8(2), "a flag": np.bool_(True),
    "rank 0": np.array(2.0), "an array": np.ones(4), "an empty array": np.zeros(0),
    "objects": np.array([1, None], object), "a date": datetime.datetime(2020, 1, 1),
    "dates": np.array(["2020-01-01"], "M8[D]"), "texts": np.array(["a"]),
    "big-endian numbers": np.ones(4, ">f8"), "every other number": np.ones(8)[::2],
    "a tensor": torch.ones(4), "a tensor with a gradient": torch.ones(4, requires_grad=True),
    "a number with a gradient": torch.tensor(1.0, requires_grad=True),
    "a series": pd.Series([1.0, 2.0, 3.0, 4.0]), "a frame": pd.DataFrame({"x": [1.0]}),
    "SymPy's infinity": sp.oo, "i": sp.I, "SymPy's tuple": sp.Tuple(1, 2),
    "a plain symbol": sp.Symbol("q"), "a matrix symbol": sp.MatrixSymbol("M", 3, 3),
    "SymPy's matrix": sp.Matrix([[1, 2], [3, 4]]), "a function": sp.Lambda(sp.Symbol("q"), 1),
    "data": x, "a vector": v, "a matrix": W, "integers": rows, "the mini-batch": sg.batch(v),
    "a negative size": (-1, 2), "a size of 2.5": (2.5,), "a large size": (10**12, 10**12),
}  # fmt: skip
MEANT = (ValueError, TypeError, KeyError, IndexError)
SYMPYS = ("BooleanAtom", "Boolean argument", "is not comparable", "comparison", "Mix of Matrix")


PASSED_ON = {  # what is done, or called as it stands
    *(("epochs", kind) for kind in ("a huge number", "beyond an int64")),
    *((place, "a function") for place in (0, 1)),
}


@dataclass(frozen=True)
class Called:
    """A call that works."""

    function: Callable[..., Any]
    given: tuple = ()
    named: dict[str, Any] = field(default_factory=dict)


def called(function, *given, **named):
    return Called(function, given, named)


def _optimiser(make, **named):
    return called(lambda **numbers: make(**numbers).arguments(), lr=0.1, **named)


VECTOR = """celu elu gelu hardshrink hardsigmoid hardswish hardtanh mish relu6 selu silu softshrink
    softsign tanhshrink cbrt expm1 log1p log2 log10 logit rsqrt sinc square indicator leaky_relu
    log_sigmoid relu sigmoid softplus stop_gradient flatten squeeze round trunc digamma erfc
    trigamma logistic inline shape batch expectation""".split()  # noqa: SIM905
ALONG = ("sum", "mean", "prod", "max", "min", "any", "all", "norm", "std", "var")
PLACES = ("argmax", "argmin", "softmax", "log_softmax", "logsumexp", "cumsum", "flip")
PAIRS = """hypot logaddexp xlogy heaviside floor_divide fmod dot outer kl_div l1 log_cosh mse prelu
    binary_cross_entropy_with_logits poisson_nll cosine_similarity hinge hinge_embedding
    soft_margin""".split()  # noqa: SIM905
CALLS = {
    **{name: called(getattr(sg, name), v) for name in VECTOR},
    **{name: called(getattr(sg, name), s, axis=1, keepdims=True) for name in ALONG},
    **{name: called(getattr(sg, name), v, axis=0) for name in PLACES},
    **{name: called(getattr(sg, name), v, u) for name in PAIRS},
    "einsum": called(sg.einsum, "i,j->ij", v, u),
    "matmul": called(sg.matmul, W, v),
    "tensordot": called(sg.tensordot, W, W, 1),
    "tensordot along axes": called(sg.tensordot, W, W, ((0,), (1,))),
    "cross": called(sg.cross, v[:3], u[:3], axis=0),
    "tril": called(sg.tril, s, 1),
    "triu": called(sg.triu, s, 1),
    "solve": called(sg.solve, s, v),
    "triangular_solve": called(sg.triangular_solve, s, v, lower=False),
    "take": called(sg.take, W, i, axis=1),
    "a part": called(lambda index: W[index], 0),
    "a part of a sum": called(lambda index: (v + u)[index], 0),
    "huber": called(sg.huber, v, u, 1.0),
    "smooth_l1": called(sg.smooth_l1, v, u, 1.0),
    "quantile": called(sg.quantile, v, u, 0.5),
    "gaussian_nll": called(sg.gaussian_nll, v, u, 1.0),
    "cross_entropy": called(sg.cross_entropy, v, i, label_smoothing=0.1),
    "nll": called(sg.nll, v, i),
    "margin_ranking": called(sg.margin_ranking, v, u, 1),
    "triplet_margin": called(sg.triplet_margin, v, u, v + u),
    "where": called(sg.where, v > 0, v, u),
    "clamp": called(sg.clamp, v, -1, 1),
    "lerp": called(sg.lerp, v, u, 0.5),
    "threshold": called(sg.threshold, v, 0.5, 0.1),
    "polygamma": called(sg.polygamma, 1, v),
    "pad": called(sg.pad, v, (1, 1)),
    "permute": called(sg.permute, W, (1, 0)),
    "roll": called(sg.roll, v, 1, axis=0),
    "split": called(sg.split, v, 2, axis=0),
    "stack": called(sg.stack, [v, u], axis=0),
    "concatenate": called(sg.concatenate, [v, u], axis=0),
    "tile": called(sg.tile, v, 2),
    "unsqueeze": called(sg.unsqueeze, v, axis=0),
    "gather": called(sg.gather, W, rows, axis=1),
    "one_hot": called(sg.one_hot, i, 5),
    "broadcast_to": called(sg.broadcast_to, v, (2, 4)),
    "reshape": called(sg.reshape, v, (2, 2)),
    "transpose": called(sg.transpose, W, (1, 0)),
    "substitute": called(sg.substitute, v * x, {x: 2}),
    "data": called(sg.data, "q", shape=(3,), dtype=int),
    "sparse data": called(sg.data, "q", shape=(3,), sparse=True),
    "ragged data": called(sg.data, "q", ragged=True),
    "parameter": called(sg.parameter, "q", shape=(3, 4), init=0.0),
    "hyper": called(sg.hyper, "q", 0.1),
    "constant": called(sg.constant, np.ones(3)),
    "let": called(sg.let, "q", v * 2),
    "dim": called(sg.dim, "Q"),
    "gradient": called(sg.gradient, sg.sum(v * b), [b]),
    "hessian": called(sg.hessian, sg.sum(v * b**2), b),
    "jacobian": called(sg.jacobian, v * b, b),
    "hvp": called(sg.hvp, sg.sum(v * b**2), b, u),
    "jvp": called(sg.jvp, v * b, b, np.ones(4)),
    "vjp": called(sg.vjp, v * b, b, u),
    "random.integers": called(sg.random.integers, "r", 5, (3,)),
    "random.categorical": called(sg.random.categorical, "r", [0.5, 0.5], (3,)),
    "random.normal": called(sg.random.normal, "r", (3,)),
    "SGD": _optimiser(sg.SGD, momentum=0.5, weight_decay=0.1, nesterov=True, maximize=False,
                      lazy=False),
    "Adam": _optimiser(sg.Adam, betas=(0.9, 0.9), eps=1e-8, amsgrad=True, maximize=False),
    "RMSprop": _optimiser(sg.RMSprop, alpha=0.9, momentum=0.5, centered=True),
    "Adagrad": _optimiser(sg.Adagrad, lr_decay=0.1, initial_accumulator_value=0.1),
    "Rule": called(sg.Rule, lambda p, g, lr: p - lr * g, {"lr": 0.1}, {"v": 0}),
    "function": called(sg.function, b * v, [v, b], target="reference"),
    "function of a list": called(
        lambda one: sg.function(b * v, [v, one], target="reference"), b),
    "a function's values": called(
        sg.function(b * v, [v, b], target="reference"), np.ones((3, 4)), np.ones(4)),
    "compile": called(sg.compile, sg.sum((b * v - u) ** 2), sg.SGD(0.1), outputs={"o": b * v},
                      parameters=[b], reduction="mean", samples=None, updates=None, share=None,
                      dtype="float32", target="reference", seed=0),
    "Every": called(sg.Every, 3, print),
}  # fmt: skip
INITS = ("uniform", "normal", "trunc_normal", "orthogonal", "linear", "xavier_uniform",
         "kaiming_normal")  # fmt: skip


def drawn(name, **numbers):
    """What an init of that name draws, with these numbers."""
    init = getattr(sg.init, name)(**numbers)
    return sg.compile(sg.sum(sg.parameter("P", shape=(4, 4), init=init) @ v)).parameters["P"]


def drawing(name):
    """That call with the numbers that are there by themselves."""
    known = inspect.signature(getattr(sg.init, name)).parameters
    numbers = {k: p.default for k, p in known.items() if k != "mode"}
    return called(partial(drawn, name), **numbers)


@pytest.fixture
def trained():
    """A model, and calls of its methods that work."""
    numbers = {"v": np.ones((8, 4)), "u": np.ones((8, 4))}

    loss, outputs = sg.sum((b * v - u) ** 2), {"o": b * v}
    model = sg.compile(loss, sg.SGD(0.1), outputs=outputs, target="reference")

    def reading(name, **more):
        return called(
            lambda one: getattr(model, name)({**numbers, "v": one}, **more), np.ones((8, 4))
        )

    return {
        **{name: reading(name) for name in ("step", "partial_fit", "loss", "gradients", "predict")},
        "fit": reading("fit", epochs=1),
        "fit's options": called(
            lambda **options: model.fit(numbers, **options), epochs=1, batch_size=4, shuffle=True,
            accumulate=1, callbacks=(), progress=False, parallel=None, resume=False),
        "all data": called(lambda given: model.fit(given, epochs=1), numbers),
        "validation": called(lambda given: model.fit(numbers, 1, validation=given), numbers),
        "an output": called(lambda name: model.predict(numbers, name), "o"),
        "summary": called(lambda size: model.summary(size), 32),
        "a parameter": called(lambda name: model.parameters[name], "b"),
        "a parameter's values": called(
            lambda given: model.parameters.__setitem__("b", given), np.ones(4)),
        "a hyper": called(lambda name: model.hyper[name], "lr"),
        "a hyper's value": called(lambda given: model.hyper.__setitem__("lr", given), 0.5),
    }  # fmt: skip


def refusals(call):
    """What is wrong with each argument by turns, and is not said by symgrad."""
    call.function(*call.given, **call.named)
    for place in (*range(len(call.given)), *call.named):
        for kind, other in GIVEN.items():
            given = [other if k == place else g for k, g in enumerate(call.given)]
            named = {k: other if k == place else g for k, g in call.named.items()}
            if (place, kind) in PASSED_ON:
                continue
            try:
                call.function(*given, **named)
            except Exception as error:
                if not is_prose(error):
                    yield f"{place} is {kind}: {type(error).__name__}: {error}"


def is_prose(error):
    """Whether symgrad raised it by itself, and as an error of the kinds that users catch.

    SymPy's own words on comparisons with what is no real number are good enough.
    """
    if any(text in str(error) for text in SYMPYS):
        return True
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = Path(last.filename).is_relative_to(Path(sg.__file__).parent)
    return isinstance(error, MEANT) and ours and (last.line or "").startswith("raise ")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_argument_is_refused_in_prose(name):
    assert [*refusals(CALLS[name])] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", INITS)
def test_what_is_no_number_of_a_distribution_is_refused_in_prose(name):
    assert [*refusals(drawing(name))] == []


@pytest.mark.filterwarnings("ignore")
def test_what_is_no_data_is_refused_in_prose(trained):
    wrong = {name: [*refusals(call)] for name, call in trained.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("path", ["", ".", "/", None, 3, b"m", [], np.array("m")])
def test_what_is_no_file_is_refused(path, trained):
    model = sg.compile(sg.sum(b * v), target="reference")
    for use in (model.save, sg.load):
        with pytest.raises((TypeError, ValueError), match="file"):
            use(path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    model = sg.compile(sg.sum(b * v), target="reference")
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere' to save a model in"):
        model.save(tmp_path / "nowhere" / "model")


@pytest.mark.parametrize("value", ["a", None, np.ones(3), True])
def test_a_state_begins_with_a_number(value):
    with pytest.raises(TypeError, match="heavy: the first value of 'v' is a real number"):
        sg.Rule(lambda p, g, v: (p - v, v + g), state={"v": value}, name="heavy")


def test_parts_of_sums_are_taken_as_those_of_names(rng):
    assert (v + u)[1:3].shape == (2,)
    a, *_ = sp.tanh(v)
    assert a == sp.tanh(v)[0] and len([*(2 * v)]) == 4
    f = sg.function((v + u)[1:3], [v, u], target="reference")
    p, q = rng.standard_normal((2, 5, 4))
    np.testing.assert_array_equal(f(p, q), (p + q)[:, 1:3])
    with pytest.raises(TypeError, match="'Add' object is not subscriptable"):
        (sp.Symbol("p") + sp.Symbol("q"))[0]


@pytest.mark.parametrize("z", [sg.batch(v), sg.data("d", shape=sg.dim("D")),
                               1 + sg.data("d", shape=sg.dim("D"))], ids=str)  # fmt: skip
def test_parts_of_which_nobody_knows_the_number_are_not_counted(z, monkeypatch):
    assert sg.shape(z[2]) == sg.shape(z)[1:]
    monkeypatch.setattr(indexing, "COUNTED", 10)
    with pytest.raises(TypeError, match="symbolic size ., so that one cannot go through its parts"):
        list(z)


def test_names_may_hold_half_a_character():
    assert sg.data("\udc80") == sg.data("\udc80")


def test_no_elements_are_drawn_by_any_init():
    for init in ("linear", "xavier_normal", "kaiming_uniform", "orthogonal"):
        p = sg.parameter("p", shape=(3, 0), init=init)
        assert sg.compile(sg.sum(p) + sg.sum(b), sg.SGD(1)).parameters["p"].shape == (3, 0)


def test_arguments():
    assert whole(sp.Integer(3), "n") == 3 and wholes((1, np.int64(2)), "n") == (1, 2)
    assert several((1, 2), "n") == [1, 2] and real("1" and 1, "n") == 1.0
    assert switch(None, "n") is False and switch(1, "n") is True
    with pytest.raises(TypeError, match="not a regular array"):
        array_of([[1], [2, 3]], "n")
