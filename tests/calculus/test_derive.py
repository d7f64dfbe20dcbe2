"""Pull-backs: the derivative of every row, first and second order, against central differences."""

import numpy as np
import pytest

import symgrad as sg
from symgrad.calculus.block import Name
from symgrad.calculus.builder import Builder
from symgrad.calculus.derive import derive_into
from symgrad.calculus.reference import evaluate
from symgrad.language.row import TABLE
from tests.language.rows import (
    SAMPLES,
    apply_row,
    at_every_level,
    cases,
    every_case,
    levels,
    projected,
)

STEP = 1e-5
HELD = {"stop_gradient", "custom"}  # no derivative by definition, or none in the case
HIGHEST_ORDER = {"pentagamma": 0, "tetragamma": 1}  # the table knows no higher polygamma
FIRST = {"rtol": 2e-7, "atol": 3e-9}  # of central differences, next to where erfinv ends


def value_of(builder, operand, arrays):
    if not isinstance(operand, Name):
        return np.asarray(float(operand))
    return np.asarray(evaluate(builder.block({}), arrays, n=SAMPLES)[operand])


def directional(builder, root, names, gradients, arrays, rng):
    """(slope by central differences, slope by the gradients) along a random direction."""
    symbols = {name: symbol for symbol, name in builder.inputs.items()}
    direction = {symbols[x]: rng.standard_normal(np.shape(arrays[symbols[x]])) for x in names}
    block = builder.block({})

    def at(t):
        moved = {s: arrays[s] + t * d for s, d in direction.items()}
        return evaluate(block, {**arrays, **moved}, n=SAMPLES)

    slope = (at(STEP)[root] - at(-STEP)[root]) / (2 * STEP)
    values, total = at(0.0), 0.0
    for name, g in zip(names, gradients, strict=True):
        value = values[g] if isinstance(g, Name) else float(g)
        scale = SAMPLES if name.per_sample else 1  # adjoints of per-sample names hold B dL/dz
        total += np.sum(value * direction[symbols[name]]) / scale
    return slope, total


@pytest.mark.parametrize(("name", "k"), list(every_case()))
def test_first_and_second_derivatives_of_every_row(name, k, rng):
    row = TABLE[name]
    for applied in at_every_level(row, cases(row)[k], rng):
        slopes_are_gradients(name, applied, rng)


def slopes_are_gradients(name, applied, rng):
    builder, arrays = applied.builder, applied.arrays
    root = projected(applied, applied.result, arrays, rng)
    if HIGHEST_ORDER.get(name) == 0:
        with pytest.raises(ValueError, match="derivatives of digamma are known up to order"):
            derive_into(builder, root, applied.floats)
        return
    first = derive_into(builder, root, applied.floats)
    if name in HELD:
        assert all(value_of(builder, g, arrays).max(initial=0) == 0 for g in first)
        return
    slope, total = directional(builder, root, applied.floats, first, arrays, rng)
    np.testing.assert_allclose(total, slope, **FIRST, err_msg="first derivative")
    parts = [projected(applied, builder.value(g), arrays, rng) for g in first]
    if HIGHEST_ORDER.get(name) == 1:
        return
    again = builder.apply("add", *map(builder.value, parts), 0).operand
    if not isinstance(again, Name):
        return
    second = derive_into(builder, again, applied.floats)
    slope, total = directional(builder, again, applied.floats, second, arrays, rng)
    np.testing.assert_allclose(total, slope, **FIRST, err_msg="second derivative")
    builder.block({}).check()


@pytest.mark.parametrize("name", TABLE)
def test_gradients_have_the_shapes_of_what_they_belong_to(name, rng):
    row = TABLE[name]
    for k in range(len(cases(row))):
        if HIGHEST_ORDER.get(name) == 0:
            continue
        applied = apply_row(row, cases(row)[k], levels(row)[-1], rng)
        root = projected(applied, applied.result, applied.arrays, rng)
        gradients = derive_into(applied.builder, root, applied.floats)
        for x, g in zip(applied.floats, gradients, strict=True):
            assert getattr(g, "shape", ()) == x.shape


def looks(terms, monkeypatch):
    """How many operands are looked at to derive a sum."""
    count, value = [0], Builder.value

    def counted(self, x):
        count[0] += 1
        return value(self, x)

    parameters = [sg.parameter(f"p{i}") for i in range(terms)]
    with monkeypatch.context() as context:
        context.setattr(Builder, "value", counted)
        sg.compile(sum(p**2 for p in parameters), sg.SGD(lr=0.1), target="reference")
    return count[0]


def test_a_sum_is_derived_in_proportion_to_its_terms(monkeypatch):
    assert looks(200, monkeypatch) < 6 * looks(50, monkeypatch)
