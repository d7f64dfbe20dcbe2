"""How long it takes until a model runs: in proportion to its size, in processor time."""

import time
from functools import partial

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from tests.bench.compile_time import joints, layers, stages

SLOWER = 3  # than the machine on which the limits are meant: others use this one

pytestmark = pytest.mark.full


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    sg.set_threads(request.param)
    yield request.param
    sg.set_threads(None)


def captured_and_derived(loss):
    begin = time.process_time()
    block = capture({"loss": loss})
    parameters = [x for s, x in block.inputs.items() if s.role == "parameter"]
    derive(block, block.outputs["loss"], parameters)
    return time.process_time() - begin


def until_the_first_step(formula, rule):
    return sum(stages(formula, rule).values())


def test_capture_and_derive_of_200_layers():
    assert captured_and_derived(layers(200).loss) < SLOWER * 1.0


def test_capture_and_derive_of_5000_lets():
    """Of eight operations each."""
    x, w = sg.data("x"), [sg.parameter(f"w{k}") for k in range(10)]
    h = x
    for k in range(5000):
        a = w[k % 10]
        h = sg.let(f"h{k}", sp.sin(a * h) + sp.tanh(h - a) * sp.exp(-h) + a)
    assert captured_and_derived(h) < SLOWER * 2.0


def test_5000_scalar_equations(threads):
    until_the_first_step(partial(joints, 2), sg.SGD(1e-5))  # imports numba
    assert until_the_first_step(partial(joints, 93), sg.SGD(1e-5)) < SLOWER * 3.0


@pytest.mark.parametrize("rule", [sg.SGD(1e-4), sg.Adam(1e-4)], ids=["SGD", "Adam"])
def test_layers_are_compiled_in_linear_time(rule, threads):
    sizes = (10, 50, 200)  # the first imports numba
    seconds = {n: until_the_first_step(partial(layers, n), rule) for n in sizes}
    assert seconds[200] < 8 * seconds[50], seconds
    assert seconds[200] < SLOWER * 15, seconds
