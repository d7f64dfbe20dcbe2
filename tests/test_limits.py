"""How long it takes until a model runs: in proportion to its size, in processor time."""

import itertools
import time

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from tests.bench.workloads import rigid_chain

SLOWER = 3  # than the machine on which the limits are meant: others use this one
WIDTH = 32
changes = itertools.count()  # of a constant, so that no kernel is found in the cache

pytestmark = pytest.mark.full


class Clock:
    """Seconds of this process's work."""

    def __enter__(self):
        self.begin = time.process_time()
        return self

    def __exit__(self, *_):
        self.seconds = time.process_time() - self.begin


def deep(layers):
    x, y = sg.data("x", shape=(WIDTH,)), sg.data("y", shape=(WIDTH,))
    h, parameters = x, []
    for k in range(layers):
        W = sg.parameter(f"W{k}", shape=(WIDTH, WIDTH), init="linear")
        b = sg.parameter(f"b{k}", shape=(WIDTH,))
        parameters += [W, b]
        h = sg.let(f"h{k}", sg.relu(W @ h + b))
    return sg.sum((h - y) ** 2) * (1.5 + next(changes) + time.time_ns() % 1e6 / 1e6), parameters


def captured_and_derived(loss, parameters):
    with Clock() as clock:
        block = capture({"loss": loss})
        derive(block, block.outputs["loss"], [block.inputs[p] for p in parameters])
    return clock.seconds


def first_step(model, data):
    with Clock() as clock:
        model.step(data)
    return clock.seconds


def test_capture_and_derive_of_200_layers():
    assert captured_and_derived(*deep(200)) < SLOWER * 1.0


def test_capture_and_derive_of_5000_lets():
    """Of eight operations each."""
    x, w = sg.data("x"), [sg.parameter(f"w{k}") for k in range(10)]
    h = x
    for k in range(5000):
        a = w[k % 10]
        h = sg.let(f"h{k}", sp.sin(a * h) + sp.tanh(h - a) * sp.exp(-h) + a)
    assert captured_and_derived(h, w) < SLOWER * 2.0


def test_5000_scalar_equations():
    """From the formula's compilation to the end of the first step; numba is there already."""
    first_step(rigid_chain.model(2, "float64"), rigid_chain.samples("float64"))
    with Clock() as clock:
        model = rigid_chain.model(93, "float64", 1.5 + time.time_ns() % 1e6 / 1e6)
        model.step(rigid_chain.samples("float64"))
    assert clock.seconds < SLOWER * 3.0


@pytest.mark.parametrize("optimizer", [sg.SGD(1e-4), sg.Adam(1e-4)], ids=["SGD", "Adam"])
def test_layers_are_compiled_in_linear_time(optimizer):
    rng, seconds = np.random.default_rng(0), {}
    data = {name: rng.standard_normal((16, WIDTH)).astype("float32") for name in "xy"}
    for layers in (10, 50, 200):  # the first has numba imported
        model = sg.compile(deep(layers)[0], optimizer=optimizer)
        seconds[layers] = first_step(model, data)
    assert seconds[200] < 8 * seconds[50], seconds
    assert seconds[200] < SLOWER * 15, seconds
