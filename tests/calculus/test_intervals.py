"""Bounds of values, and the guards that are left out because of them."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.intervals import FINITE, RULES, intervals, poles
from symgrad.calculus.reference import evaluate
from symgrad.language.row import TABLE
from tests.calculus.random_models import models
from tests.calculus.values import derived

x, y = sg.data("x y")
v, w = sg.data("v", shape=3), sg.parameter("w", shape=3)
BOUNDS = {
    x**2 + 1: (1, np.inf),
    -(x**4): (-np.inf, 0),
    sp.exp(-(x**2)): (0, 1),
    sp.tanh(x) - 2: (-3, -1),
    sp.tanh(x) ** 2 * 3: (0, 3),
    1 / (2 + sp.cos(x)): (1 / 3, 1),
    sp.sqrt(sg.mean(v**2) + 4): (2, np.inf),
    sg.dot(v, v): (0, np.inf),
    sg.dot(v, w): (-np.inf, np.inf),
    sg.sum(sg.softmax(v)): (0, np.inf),
    sg.max(sg.sigmoid(v)) + 1: (1, 2),
    sg.where(x > 0, x**2, 1): (0, np.inf),
    sg.pad(sp.exp(sp.sin(v)) + 1, 1)[0]: (0, 1 + np.e),
    sg.constant(np.array([2.0, 5.0])) * 3: (6, 15),
    sg.constant(np.array([2.0, np.nan])) * 3: (-np.inf, np.inf),
    sp.Max(x, 1) * sp.Min(y, -1): (-np.inf, -1),
    x**3: (-np.inf, np.inf),
    sp.cosh(x) + sp.Abs(y): (1, np.inf),
    x**-2: (0, np.inf),
}  # fmt: skip


@pytest.mark.parametrize("e", BOUNDS, ids=str)
def test_bounds_of_an_expression(e):
    block = capture({"e": e})
    found = intervals(block.inputs, block.equations)[block.outputs["e"]]
    np.testing.assert_allclose(found, BOUNDS[e], rtol=1e-14)


@given(models())
@settings(max_examples=60, deadline=None)
def test_no_value_of_a_random_model_is_out_of_bounds(model):
    block = capture({"loss": model.loss.ours})
    drawn = model.data | model.values
    arrays = {s: drawn[s.name] for s in block.inputs if s.name in drawn}
    values = evaluate(block, arrays)
    for name, (low, high) in intervals(block.inputs, block.equations).items():
        if name in values and name.kind == "float":
            some = np.asarray(values[name])
            some = some[np.isfinite(some)]
            assert (some >= low - 1e-12 * abs(low)).all()
            assert (some <= high + 1e-12 * abs(high)).all()


def test_rules_are_of_operations_that_there_are():
    assert TABLE.keys() >= RULES.keys() | FINITE.keys()
    assert all(TABLE[name].guarded for name in FINITE)


def test_an_empty_list_has_the_mean_0():
    bag = sg.data("bag", ragged=True)
    block = capture({"e": sg.mean(bag**2 + 1)})
    assert intervals(block.inputs, block.equations)[block.outputs["e"]] == (0, np.inf)


FAR = {  # no pole can be met
    "normalised by its size": v * sg.rsqrt(sg.mean(v**2) + 1e-5),
    "normalised by the mini-batch": (x - sg.expectation(x))
    / sp.sqrt(sg.expectation((x - sg.expectation(x)) ** 2) + 1e-5),
    "a bell": sp.exp(-(x**2)),
    "a logarithm": sp.log(1 + sp.exp(-(x**2))),
    "a quotient": 1 / (1 + x**2),
}
NEAR = {
    "normalised by its size alone": v * sg.rsqrt(sg.mean(v**2)),
    "an exponential": sp.exp(x),
    "a logarithm": sp.log(x),
    "a small number": (x**2 + 1e-40) ** sp.Rational(-3, 2),
    "by way of what may be 0 there": sp.log(1 / x**2 + 1),
}


@pytest.mark.parametrize("name", FAR)
def test_poles_that_cannot_be_met_are_none(name):
    block = capture({"e": FAR[name]})
    assert not poles(block.inputs, block.equations)


@pytest.mark.parametrize("name", NEAR)
def test_poles_that_can_be_met_are_found(name):
    block = capture({"e": NEAR[name]})
    assert poles(block.inputs, block.equations)


@pytest.mark.parametrize(("cases", "guarded"), [(FAR, False), (NEAR, True)])
def test_a_kink_behind_them_guards_what_can_be_infinite_alone(cases, guarded):
    for e in cases.values():
        wide = sg.broadcast_to(e, (3,))
        block, _ = derived(sg.expectation(sg.sum(sg.relu(sg.diag(w) @ wide))), [w])
        assert any(q.operation == "masked" for q in block.equations) == guarded, e
