"""Rounding and remainders beside torch's; their derivatives are 0 or those of the linear part."""

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from tests.language.against_torch import compare

HALVES = np.array([-2.5, -1.5, -1.2, -0.5, -0.0, 0.3, 0.49999999999999994, 0.5, 1.5, 2.5, 3.7])
UNARY = {
    "round": (sg.round, torch.round),
    "round to 2 digits": (lambda x: sg.round(x, 2), lambda x: torch.round(x, decimals=2)),
    "round to tens": (lambda x: sg.round(17 * x, -1), lambda x: torch.round(17 * x, decimals=-1)),
    "trunc": (sg.trunc, torch.trunc),
    "floor": (sp.floor, torch.floor),
    "ceiling": (sp.ceiling, torch.ceil),
    "sign": (sp.sign, torch.sign),
}  # fmt: skip
BINARY = {
    "remainder": (sg.remainder, torch.remainder),
    "fmod": (sg.fmod, torch.fmod),
    "floor_divide": (sg.floor_divide, lambda a, b: torch.floor(a / b)),
}


@pytest.mark.parametrize("name", UNARY)
def test_rounding_is_torchs(name):
    compare(*UNARY[name], [HALVES])


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_remainder_is_torchs(name, signs, rng):
    a, b = (s * rng.uniform(0.3, 5, 8) for s in signs)
    compare(*BINARY[name], [a, b], order=1)


def test_the_remainder_of_0_has_a_derivative():
    """It was written with sign and abs, whose derivatives are 0 there."""
    compare(*BINARY["fmod"], [np.array([0.0, 0.0]), np.array([2.25, -2.25])], order=1)


def test_heaviside_is_torchs():
    x, value = np.array([-1.0, 0.0, 2.0]), np.array(0.3)
    compare(
        lambda x: sg.heaviside(x, 0.3), lambda x: torch.heaviside(x, torch.tensor(value)), [x],
        order=0,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floor_divide_by_numbers_without_an_inverse(dtype, rng):
    smallest = np.finfo(dtype).smallest_subnormal
    b = (rng.choice([-1, 1], 200) * rng.integers(1, 1000, 200) * smallest).astype(dtype)
    a = (rng.integers(-(10**5), 10**5, 200) * smallest).astype(dtype)
    a[:3] = 0, np.finfo(dtype).tiny, np.finfo(dtype).max
    symbols = sg.data("a b")
    found = sg.function([sg.floor_divide(*symbols)], [*symbols], dtype=dtype)(a, b)[0]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, np.floor_divide(a, b))


EDGES = (-(2**63), -(2**63) + 1, -(2**53) - 1, -7, -1, 0, 1, 2, 7, 2**24 + 1, 2**53 + 1, 2**63 - 1)


@pytest.mark.parametrize("target", ["cpu", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["fmod", "floor_divide", "remainder"])
def test_integers_are_divided_as_such(name, dtype, target):
    """Of 64 bits, in a model of floats that do not hold them; by 0 there is 0, as in NumPy."""
    a, b = (sg.data(n, dtype=int) for n in "ab")
    p, q = (x.ravel() for x in np.meshgrid(np.int64(EDGES), np.int64(EDGES)))
    f, expected = getattr(sg, name), getattr(np, name)
    outputs = [f(a, b), f(a, 7), f(a, -3), f(sp.Integer(5), b)]
    found = sg.function(outputs, [a, b], dtype=dtype, target=target)(p, q)
    with np.errstate(all="ignore"):
        wanted = expected(p, q), expected(p, 7), expected(p, -3), expected(5, q)
    for got, want in zip(found, wanted, strict=True):
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_python_divides_exactly(target):
    """floor(a (1/b)), as SymPy writes it, is 0 for 49 // 49, and a float of whole numbers."""
    n, k, x = sg.data("n", dtype=int), sg.data("k", dtype=int), sg.data("x")
    table = sg.parameter("table", shape=9)
    quotients = [n // k, n // 49, 1000 // k, sp.Integer(1000) // k, divmod(n, k)[0], (n + k) // k]
    f = sg.function([*quotients, x // 49, divmod(x, 0.1)[0]], [n, k, x], "float64", target)
    K = np.arange(1, 200)
    N = 49 * (K - 100)
    found = f(N, K, N.astype(float))
    expected = [N // K, N // 49, 1000 // K, 1000 // K, N // K, (N + K) // K, N / 49, N // 0.1]
    for given, right in zip(found, expected, strict=True):
        assert np.array_equal(given, right)
    assert [a.dtype.kind for a in found] == [*"iiiiii", *"ff"]
    assert sg.shape(table[n // k]) == ()
