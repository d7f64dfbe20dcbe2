"""Sums of many terms: added up in several chains, none of which waits for another."""

import itertools
import re

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.generate import blocks, ir_lanes
from symgrad.generate.ir_expressions import CHAINS
from symgrad.lower.nodes import MANY
from tests.selection import mostly_full


@pytest.fixture(autouse=True)
def in_lanes(monkeypatch):
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_lanes, "SHORTEST", 0)


SIGNS, TERMS = ["+", "-", "+-"], [MANY - 1, MANY, 4 * MANY + 3]


def model(signs):
    x, y, w = *sg.data("x y"), sg.parameter("w", init=0.5)
    terms = [sign * sp.sin(w * x + k * y) ** 2 for k, sign in enumerate(signs)]
    return sg.compile(sum(terms), optimizer=sg.SGD(lr=0.1), dtype="float64")


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("signs", "terms"), mostly_full(
    itertools.product(SIGNS, TERMS), zip(SIGNS, TERMS, strict=True)
))  # fmt: skip
def test_values_are_those_of_numpy(signs, terms, shuffle, rng):
    """In an order, samples are gathered; without one they are read as neighbours."""
    signs = [1 if c == "+" else -1 for c in (signs * terms)[:terms]]
    x, y = rng.standard_normal((2, 50))
    chain = model(signs)
    history = chain.fit({"x": x, "y": y}, batch_size=50, epochs=1, shuffle=shuffle, progress=False)
    wanted = sum(sign * np.sin(0.5 * x + k * y) ** 2 for k, sign in enumerate(signs))
    slope = sum(sign * np.sin(2 * (0.5 * x + k * y)) * x for k, sign in enumerate(signs))
    assert history.loss[0] == pytest.approx(wanted.mean(), rel=1e-12, abs=1e-13)
    assert chain.parameters["w"] == pytest.approx(0.5 - 0.1 * slope.mean(), rel=1e-12)


def test_no_term_waits_for_all_others():
    """The additions that LLVM may not put in another order, and the longest chain of them."""
    text, terms, many, longest = model([1] * 100).source, 100, 0, 0
    for function in text.split("define"):
        chains = {}
        for name, first in re.findall(r"(%\S+) = fadd nsz contract <.*> (\S+), ", function):
            chains[name] = 1 + chains.get(first, 0)
        many += len(chains)
        longest = max([longest, *chains.values()])
    assert many > 0.8 * terms
    assert longest <= terms / CHAINS + 2


def test_few_products_join_a_total_by_multiply_adds():
    """The total is what the last of them is added to: E[u**2 + v**2], E[x u], E[y v - x u + z]"""
    x, y, z, a, b = *sg.data("x y z"), *sg.parameter("a b", init=0.5)
    u, v = sg.let("u", sp.sin(a * x)), sg.let("v", sp.cos(b * y))
    rng = np.random.default_rng(0)
    data = dict(zip("xyz", rng.standard_normal((3, 50)), strict=True))
    mean = sg.expectation(y * v - x * u + z)
    found = sg.compile(mean + u**2 + v**2, optimizer=sg.SGD(lr=0.1), dtype="float64")
    U, V = np.sin(0.5 * data["x"]), np.cos(0.5 * data["y"])
    wanted = (data["y"] * V - data["x"] * U + data["z"] + U**2 + V**2).mean()
    assert found.step(data) == pytest.approx(wanted, rel=1e-12)
    steps = re.findall(r"(%\S+) = f(?:add|sub) nsz contract <.*> (\S+), (\S+)", found.source)
    products = set(re.findall(r"(%\S+) = fmul ", found.source))
    totals = {name for name, _, _ in steps}
    joined = [term for _, total, term in steps if total in totals and term in products]
    assert len(joined) >= 2  # the second square, the second product


def test_a_total_of_products_is_exact_to_the_last_bits(rng):
    x, y, w = *sg.data("x y"), sg.parameter("w", init=2.0)
    loss = (w * x - y) ** 2 - (w * y - x) ** 2 + x
    line = sg.compile(loss, optimizer=sg.SGD(lr=0.5), dtype="float64")
    X, Y = rng.standard_normal((2, 77))
    wanted = ((2 * X - Y) ** 2 - (2 * Y - X) ** 2 + X).mean()
    slope = (2 * (2 * X - Y) * X - 2 * (2 * Y - X) * Y).mean()
    assert line.step({"x": X, "y": Y}) == pytest.approx(wanted, rel=1e-13, abs=1e-14)
    assert line.parameters["w"] == pytest.approx(2 - 0.5 * slope, rel=1e-13)
