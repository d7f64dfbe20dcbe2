"""Parameters and hypers by name: read, assigned in place, checked."""

import pickle

import numpy as np
import pytest

import symgrad as sg
from symgrad.lower.expressions import accesses
from symgrad.train.memory import Arrays
from tests.train.models import line, points


@pytest.fixture
def model():
    x, y = sg.data("x", shape=3), sg.data("y")
    W = sg.parameter("W", shape=(2, 3), init="linear")
    scale = sg.hyper("scale", [1.0, 2.0])
    loss = (sg.dot(scale, W @ x) - y) ** 2
    return sg.compile(loss, sg.SGD(0.1), target="reference")


def test_reading_gives_the_models_own_array(model):
    W = model.parameters["W"]
    before = W.copy()
    model.step({"x": np.ones((4, 3)), "y": np.ones(4)})
    assert W is model.parameters["W"] and not np.array_equal(W, before)
    W[0, 0] = 7
    assert model.parameters["W"][0, 0] == 7


def test_assigning_copies_into_it(model):
    W, given = model.parameters["W"], [[1, 2, 3], [4, 5, 6]]
    model.parameters["W"] = given
    assert W.tolist() == given and W.dtype == np.float32
    model.parameters["W"] = 2
    assert (W == 2).all()
    model.parameters["W"] += 1
    assert (W == 3).all() and model.parameters["W"] is W


def test_hypers_change_without_compiling(model):
    model.hyper["scale"] = [3, 4]
    assert model.hyper["scale"].tolist() == [3, 4] and model.hyper["scale"].dtype == np.float64
    assert set(model.hyper) == {"scale", "lr", "momentum", "dampening", "weight_decay"}


@pytest.mark.parametrize(
    ("mapping", "name", "value", "error", "words"),
    [
        ("parameters", "W", np.zeros((3, 2)), ValueError, "has shape (3, 2); expected (2, 3)"),
        ("parameters", "W", "zeros", TypeError, "real numbers"),
        ("parameters", "W", 1j, TypeError, "real numbers"),
        ("parameters", "w", 1, KeyError, "no parameter is called 'w'; did you mean 'W'?"),
        ("parameters", 3, 1, KeyError, "no parameter is called 3"),
        ("hyper", "scale", [1, 2, 3], ValueError, "has shape (3,); expected (2,)"),
        ("hyper", "lr", [1, 2], ValueError, "has shape (2,); expected ()"),
        ("hyper", "rate", 1, KeyError, "no hyper is called 'rate'"),
        ("hyper", "lr", None, TypeError, "real numbers"),
        ("hyper", "lr", np.nan, ValueError, "SGD: lr is nan, and should be a finite number"),
        ("hyper", "lr", -0.5, ValueError, "SGD: lr is -0.5, and should be a finite number"),
        ("parameters", "W", [[1] * 3, [1e300] * 3], ValueError, "1e+300, which float32 cannot"),
    ],
)
def test_what_cannot_be_assigned(model, mapping, name, value, error, words):
    before = {k: np.array(v) for k, v in getattr(model, mapping).items()}
    with pytest.raises(error) as raised:
        getattr(model, mapping)[name] = value
    assert words in str(raised.value)
    for k, v in getattr(model, mapping).items():
        assert np.array_equal(before[k], v)


@pytest.mark.parametrize(
    "given", [1e300, np.float64(-1e39), lambda rng, shape: np.full(shape, 1e39)]
)
def test_what_float32_cannot_hold_is_no_first_value(given):
    """It became infinite, and so did the loss."""
    w = sg.parameter("w", init=given)
    with pytest.raises(ValueError, match="init of parameter 'w' holds 1e.*, which float32 cannot"):
        sg.compile(w**2, sg.SGD(0.1), target="reference")
    assert sg.compile(w**2, dtype="float64", target="reference").parameters["w"] != 0
    with pytest.raises(ValueError, match=r"constant 'const_2' holds 1e.*, which float32 cannot"):
        sg.compile(sg.sum(sg.constant([1, 1e300])) * sg.parameter("v"), target="reference")


def test_nothing_is_deleted(model):
    with pytest.raises(TypeError, match="a model keeps its parameters"):
        del model.parameters["W"]


def test_pickled_arrays_need_no_model(model):
    for arrays in (model.parameters, model.hyper):
        other = pickle.loads(pickle.dumps(arrays))
        assert list(other) == list(arrays)
        assert all(np.array_equal(other[name], value) for name, value in arrays.items())
    other = pickle.loads(pickle.dumps(model.parameters))
    other["W"] = 7
    assert (other["W"] == 7).all() and (model.parameters["W"] != 7).any()


def test_the_mapping_prints():
    model = line()
    model.step(points())
    assert [row.split(":")[0] for row in repr(model.parameters).splitlines()] == ["w", "b"]
    assert repr(Arrays({}, "hyper")) == "no hypers"


def test_code_is_written_without_a_trace():
    """What stages remember of statements is forgotten with them."""
    x, w = sg.data("x"), sg.parameter("w")
    sg.compile((w * x) ** 2, sg.SGD(0.1)).step({"x": np.ones(3)})
    assert not accesses.cache_info().currsize
