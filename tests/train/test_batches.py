"""Data by name: complete, known, of one length."""

from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest

import symgrad as sg
from symgrad.train.batches import Intake, at_least_one

x, y = sg.data("x", shape=2), sg.data("y")
label, other = sg.data("label", dtype=int), sg.data("other")
F64 = np.dtype(np.float64)
X, Y = np.zeros((3, 2)), np.arange(3.0)


@pytest.fixture
def intake():
    return Intake([x, y], [other], F64, {})


def test_arrays_by_symbol_and_their_number(intake):
    arrays, n = intake({"x": X, "y": Y})
    assert arrays == {x: X, y: Y} and arrays[x] is X and n == 3


def test_other_mappings_symbols_and_frames(intake):
    assert intake(OrderedDict(x=X, y=Y))[1] == 3
    assert intake({x: X, y: Y})[1] == 3
    scalars = Intake([y, label], [], F64, {label: 3})
    arrays, n = scalars(pd.DataFrame({"y": [1.5, 2], "label": [0, 2], "id": ["a", "b"]}))
    assert n == 2 and arrays[label].dtype == np.int64 and arrays[y].tolist() == [1.5, 2]


def test_names_of_other_parts_of_the_model_are_ignored(intake):
    assert set(intake({"x": X, "y": Y, "other": ["whatever"]})[0]) == {x, y}


def test_no_data_is_one_step():
    assert Intake([], [], F64, {})({}) == ({}, 1)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ({"x": X}, KeyError, "data 'y' missing; given 'x'"),
        ({}, KeyError, "data 'x', 'y' missing; given none"),
        ({"x": X, "Y": Y}, KeyError, "no data of this model is called 'Y'; did you mean"),
        ({"x": X, "y": Y, "z": Y}, KeyError, "is called 'z'"),
        ({"x": X, "y": Y, 7: Y}, KeyError, "is called 7"),
        ({"x": X, "y": Y[:2]}, ValueError, "different numbers of samples: 'x' 3, 'y' 2"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "the data are empty: 'x' holds 0 samples"),
        ({"x": X.T, "y": Y}, ValueError, "data 'x' has shape (2, 3); expected (N, 2)"),
        ([X, Y], TypeError, "data are a dict or a DataFrame of arrays by name, not list"),
        (None, TypeError, "not NoneType; expected other, x, y"),
        (pd.DataFrame({"y": [1]}), KeyError, "data 'x' missing; given 'y'"),
    ],
)
def test_what_is_not_the_models_data(intake, data, error, words):
    with pytest.raises(error) as raised:
        intake(data)
    assert words in str(raised.value)


def test_names_for_a_model_without_data():
    with pytest.raises(KeyError, match="no data of this model is called 'x' \\(there is none\\)"):
        Intake([], [], F64, {})({"x": X})


def test_indices_are_checked():
    with pytest.raises(IndexError, match="data 'label': sample 1 holds 3"):
        Intake([label], [], F64, {label: 3})({"label": [0, 3]})


@pytest.mark.parametrize("value", [0, -1, np.int64(0)])
def test_counts_below_one(value):
    with pytest.raises(ValueError, match=r"epochs is .*, and should be at least 1"):
        at_least_one(value, "epochs")


@pytest.mark.parametrize("value", [1.0, True, "3", None, np.bool_(True)])
def test_counts_that_are_no_whole_numbers(value):
    with pytest.raises(TypeError, match="batch_size is a whole number from 1"):
        at_least_one(value, "batch_size")


def test_counts():
    assert at_least_one(np.int8(3), "epochs") == 3
