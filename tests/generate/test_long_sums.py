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
