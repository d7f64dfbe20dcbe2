"""Initial values: torch's distributions, by name, array, number and function."""

import math
import tracemalloc

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.train.init import INITS, as_values, initial, kaiming_normal, kaiming_uniform, linear

SHAPE = (96, 160)

TORCH = {
    "uniform": lambda w: torch.nn.init.uniform_(w),
    "normal": lambda w: torch.nn.init.normal_(w),
    "trunc_normal": lambda w: torch.nn.init.trunc_normal_(w),
    "zeros": lambda w: torch.nn.init.zeros_(w),
    "ones": lambda w: torch.nn.init.ones_(w),
    "eye": lambda w: torch.nn.init.eye_(w),
    "orthogonal": lambda w: torch.nn.init.orthogonal_(w),
    "linear": lambda w: w.data.copy_(torch.nn.Linear(SHAPE[1], SHAPE[0]).weight.data),
    "xavier_uniform": lambda w: torch.nn.init.xavier_uniform_(w),
    "xavier_normal": lambda w: torch.nn.init.xavier_normal_(w),
    "kaiming_uniform": lambda w: torch.nn.init.kaiming_uniform_(w),
    "kaiming_normal": lambda w: torch.nn.init.kaiming_normal_(w),
}


def test_every_name_is_compared_with_torch():
    assert set(TORCH) == set(INITS)


@pytest.mark.parametrize("name", INITS)
def test_a_name_draws_what_torch_draws(name, seed):
    torch.manual_seed(seed)
    theirs = torch.empty(SHAPE, dtype=torch.float64)
    TORCH[name](theirs)
    ours = initial("W", SHAPE, name, seed)
    assert ours.shape == SHAPE
    theirs = theirs.numpy()
    scale = max(theirs.std(), 1e-3)
    assert abs(ours.mean() - theirs.mean()) < 0.04 * scale
    assert abs(ours.std() - theirs.std()) < 0.04 * scale
    for share in (0.02, 0.25, 0.98):
        assert abs(np.quantile(ours, share) - np.quantile(theirs, share)) < 0.12 * scale, share


def test_values_depend_on_seed_and_name_alone():
    first = initial("W", (3, 4), "normal", 1)
    assert np.array_equal(first, initial("W", (3, 4), "normal", 1))
    assert not np.array_equal(first, initial("V", (3, 4), "normal", 1))
    assert not np.array_equal(first, initial("W", (3, 4), "normal", 2))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (4, 2, 3)])
def test_orthogonal_rows_or_columns(shape, seed):
    w = initial("W", shape, "orthogonal", seed).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_the_fans_of_a_kernel_and_of_a_transposed_weight(seed):
    bound = math.sqrt(6 / (4 * 9))
    kernel = initial("K", (50, 4, 3, 3), "kaiming_uniform", seed)
    assert 0.97 * bound < np.abs(kernel).max() <= bound
    transposed = initial("W", (36, 50), kaiming_uniform(fan_in=36), seed)
    assert 0.97 * bound < np.abs(transposed).max() <= bound
    outward = initial("W", (36, 5000), kaiming_normal(mode="fan_out"), seed)
    assert abs(outward.std() / math.sqrt(2 / 36) - 1) < 0.02


def test_a_bias_drawn_as_a_linear_layer_does(seed):
    assert np.abs(initial("b", (500,), linear(fan_in=100), seed)).max() <= 0.1


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (2, [[2.0, 2.0]]),
        ([[1, 2]], [[1.0, 2.0]]),
        (np.float32([[1, 2]]), [[1.0, 2.0]]),
        (lambda rng, shape: np.full(shape, 3), [[3.0, 3.0]]),
    ],
)
def test_numbers_arrays_and_functions(init, expected):
    values = initial("W", (1, 2), init, 0)
    assert values.tolist() == expected
    assert values.flags.writeable


def test_defaults_are_zero_for_scalars_and_vectors():
    assert initial("w", (), None, 0) == 0
    assert initial("b", (3,), None, 0).tolist() == [0, 0, 0]


def test_a_given_array_is_copied():
    given = np.ones((1, 2))
    initial("W", (1, 2), given, 0)[:] = 5
    assert given.tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("shape", "init", "error", "words"),
    [
        ((2, 3), None, ValueError, "parameter 'W' of shape (2, 3) needs an init"),
        ((2, 3), "kaimin_uniform", ValueError, "did you mean 'kaiming_uniform'?"),
        ((2, 3), np.zeros((3, 2)), ValueError, "has shape (3, 2); expected (2, 3)"),
        ((2, 3), 1j, TypeError, "real numbers"),
        ((2, 3), [[1, 2], [3]], TypeError, "regular array"),
        ((2,), np.ma.array([1, 2], mask=[0, 1]), ValueError, "masked values"),
        ((2, 3), lambda rng, shape: None, TypeError, "real numbers"),
        ((3,), "linear", ValueError, "sg.init.linear(fan_in=784)"),
        ((3,), "eye", ValueError, "wants a matrix"),
        ((3,), "orthogonal", ValueError, "rank 2 or more"),
    ],
)
def test_what_cannot_start_a_parameter(shape, init, error, words):
    with pytest.raises(error) as raised:
        initial("W", shape, init, 0)
    assert words in str(raised.value)


@pytest.mark.parametrize("side", [2**30, 2**40])
def test_more_numbers_than_there_is_memory_for(side):
    W = sg.parameter("W", shape=(side, side), init=0.0)
    with pytest.raises(MemoryError, match=r"the init of parameter 'W', of shape \(.*\), takes"):
        sg.compile(sg.sum(W), sg.SGD(0.1), target="reference")


def test_a_mode_that_does_not_exist():
    with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out'"):
        kaiming_uniform(mode="fan")


def test_one_number_fills_a_shape():
    assert as_values(7, (2,), "x").tolist() == [7, 7]


def test_how_an_array_lies_in_memory_does_not_matter(rng):
    """A table from `U.T` has its rows one after the other, as a model reads them."""
    u, table, found = sg.data("u", dtype=int), rng.normal(size=(3, 8)), []
    for init in (table.T, np.ascontiguousarray(table.T), lambda *_: table.T):
        P = sg.parameter("P", shape=(8, 3), init=init)
        model = sg.compile(sg.sum(sp.tanh(P[u])), sg.Adagrad(0.1), dtype="float64")
        model.fit({"u": [3, 1, 3, 7]}, epochs=2, batch_size=2, shuffle=False, progress=False)
        assert model.parameters["P"].flags.c_contiguous
        found.append(np.array(model.parameters["P"]))
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(INITS) - {"eye", "orthogonal"}))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pieces_are_the_numbers_of_the_whole(name, dtype, seed, monkeypatch):
    rng = np.random.default_rng([seed, *b"W"])
    whole = INITS[name]()(rng, (30, 7)).astype(dtype)
    monkeypatch.setattr("symgrad.train.init.PIECE", 11)
    drawn = initial("W", (30, 7), name, seed, dtype)
    assert drawn.dtype == dtype and np.array_equal(drawn, whole)


def test_a_large_array_is_drawn_without_copies():
    tracemalloc.start()
    try:
        array = initial("W", (2000, 1000), "kaiming_normal", 0, np.float32)
        assert tracemalloc.get_traced_memory()[1] < 1.2 * array.nbytes
    finally:
        tracemalloc.stop()
