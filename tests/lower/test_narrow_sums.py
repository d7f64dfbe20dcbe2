"""Totals in float64 are summed in float32 over up to 1,024 samples, and lose nothing by it."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.lower.narrow_sums import FEWEST, MOST

SIZES = (FEWEST - 1, FEWEST, 100, MOST, MOST + 1, 2 * MOST + 77)


def curve():
    x, y = sg.data("x y")
    a, b = sg.parameter("a b", init=0.5)
    return (a * sp.exp(-b * x) - y) ** 2


def offset():
    """The mean over the mini-batch is needed before the loss is."""
    x, y = sg.data("x y")
    a, b = sg.parameter("a b", init=0.5)
    return (a * (x - sg.expectation(x)) + b - y) ** 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("loss", [curve, offset])
def test_totals_are_those_of_float64(loss, size, threads, rng):
    data = {name: rng.standard_normal(size).astype(np.float32) for name in "xy"}
    sg.set_threads(threads)
    try:
        narrow, wide = (sg.compile(loss(), dtype=dtype) for dtype in ("float32", "float64"))
        assert narrow.loss(data) == pytest.approx(wide.loss(data), rel=2e-6)
        gradients = wide.gradients(data)
        for name, value in narrow.gradients(data).items():
            assert value == pytest.approx(gradients[name], rel=2e-5, abs=2e-6)
    finally:
        sg.set_threads(None)


@pytest.mark.parametrize("size", SIZES)
def test_terms_are_widened_where_they_are_few(size, rng):
    model = sg.compile(curve(), optimizer=sg.SGD(lr=0.1))
    data = {name: rng.standard_normal(size) for name in "xy"}
    model.fit(data, epochs=1, batch_size=size, progress=False)
    assert ("+= np.float64(square(" in model.source) == (size < FEWEST)
    assert ("+= square(" in model.source) == (size >= FEWEST)
