"""Powers of halves, and those that are made of another one that is there."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.generate.cpu import generate
from symgrad.lower.driver import lower
from tests.lower.programs import agree, trained

x, y = sg.data("x y")
a = sg.parameter("a")
R = sg.let("r", (x - a) ** 2 + y**2 + sp.Rational(1, 10))
HALVES = [sp.Rational(k, 2) for k in (-7, -5, -3, -1, 1, 3, 5, 7)]


def step(k):
    return trained(sg.let("w", R**k) * x, [a], sg.SGD(0.01))


@pytest.mark.parametrize("k", HALVES)
@pytest.mark.parametrize("batch", [1, 5])
def test_powers_of_halves_and_their_derivatives(k, batch, way, rng):
    agree(step(k), batch, rng, tolerance=1e-12)


@pytest.mark.parametrize("k", HALVES)
def test_neither_takes_logarithms(k, way):
    assert "raised" not in generate(lower(step(k), "float64", 100)).text


@pytest.mark.parametrize("k", [-3, -1, 1])
def test_a_root_is_taken_once(k, way):
    text = generate(lower(step(sp.Rational(k, 2)), "float64", 100)).text
    loops = text.count("for b in range(n)") or 1  # with and without an order
    assert text.count("@llvm.sqrt") + text.count("math.sqrt(") == loops


@pytest.mark.parametrize("first", [True, False])
def test_ends(first, rng):
    """Where they are 0, infinite or no number."""
    X = np.array([0.0, np.inf, 1e300, 1e-300, -1.0, np.nan, 4.0])
    powers = [sg.let(f"p{k}", sp.Pow(x, k)) for k in HALVES]
    order = powers if first else powers[::-1]
    found = sg.function(order, [x], dtype="float64")(X)
    with np.errstate(all="ignore"):
        exact = [X ** float(k) for k in (HALVES if first else HALVES[::-1])]
    for got, want in zip(found, exact, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)
