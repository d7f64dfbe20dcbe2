"""Capture: one equation an operation, shared parts once; what it does not know, in prose."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture, role_of
from tests.calculus.values import value

x, y = sg.data("x y")
w = sg.parameter("w")
v = sg.data("v", shape=3)
u = sg.data("u", dtype=int)
q = sp.Symbol("q")


def operations(e, **more):
    return [q.operation for q in capture({"e": e}, **more).check().equations]


def test_an_equation_for_each_operation():
    assert operations((w * x + 1) ** 2) == ["mul", "add", "pow"]
    assert operations(sp.sin(x)) == ["sin"]
    assert operations(sp.pi * x) == ["mul"]
    assert operations(x) == []


def test_equal_parts_become_one_equation():
    h = sg.let("h", sp.sin(w * x))
    assert operations(h**2 + sp.sin(w * x)) == ["mul", "sin", "pow", "add"]
    assert operations(sg.sum(2 * v) * sg.mean(2 * v)) == ["mul", "mean", "sum", "mul"]


def test_labels_and_levels():
    h = sg.let("h", sp.sin(w * x))
    block = capture({"loss": sg.expectation(h**2), "h": h, "x": x, "w2": w**2})
    names = {e.name.label: e.name for e in block.equations}
    assert names["h"].per_sample and block.outputs["h"] is names["h"]
    assert not block.outputs["loss"].per_sample and not block.outputs["w2"].per_sample
    assert block.outputs["x"] is block.inputs[x]
    assert block.inputs[x].per_sample and not block.inputs[w].per_sample


def test_kinds():
    block = capture({"a": u + 1, "b": u * 0.5, "c": sg.indicator(x > 0), "d": x > 0, "f": u / 2})
    kinds = {k: n.kind for k, n in block.outputs.items()}
    assert kinds == {"a": "int", "b": "float", "c": "float", "d": "bool", "f": "float"}


def test_numbers_and_constants_are_outputs_too():
    block = capture(
        {"one": sp.Integer(1), "root": sp.sqrt(2), "c": sg.constant([1.0, 2.0])}
    ).check()
    assert set(block.outputs) == {"one", "root", "c"}
    assert value(sp.sqrt(2) + sp.pi, {}) == pytest.approx(2**0.5 + np.pi)


def test_plain_symbols_are_data_unless_said():
    block = capture({"e": q * w})
    assert block.inputs[q].per_sample and role_of(q, {}) == "data"
    assert not capture({"e": q * w}, {q: "parameter"}).inputs[q].per_sample


def test_a_let_may_be_read_as_an_input():
    h = sg.let("h", w * x)
    block = capture({"e": h**2}, independent=[h])
    assert list(block.inputs) == [h]


def test_the_mean_of_what_is_the_same_for_all_is_itself():
    assert operations(sg.expectation(w**2)) == ["pow"]
    assert operations(sg.expectation(sg.expectation(x))) == ["expectation"]


@pytest.mark.parametrize(
    ("e", "error", "text"),
    [
        (sp.zeta(x), TypeError, "no operation for zeta in zeta"),
        (sp.Function("f")(x), TypeError, "no operation for f in f"),
        (sp.Derivative(sp.Function("f")(x), x), TypeError, "no operation for Derivative"),
        (sp.Integral(sp.sin(x * q), (q, 0, x)), TypeError, "no operation for Integral"),
        (sp.Tuple(x, y), TypeError, "no operation for Tuple"),
        (sp.Interval(0, 1), TypeError, "no operation for Interval"),
        (sp.I * x, ValueError, "the constant I is complex"),
        (sp.sqrt(-2) * x, ValueError, "the constant I is complex"),
        (x * (1 + 2j), ValueError, "is complex; symgrad's models are real"),
        (x + sp.zoo, ValueError, "a division by zero"),
        (x / 0, ValueError, "a division by zero"),
        (sp.log(-1) * x, ValueError, "complex"),
        (sp.MatrixSymbol("M", 2, 3) * x, TypeError, "cannot be mixed with symgrad tensors"),
        (v + sg.data("r", shape=2), ValueError, "do not broadcast together"),
        (sg.where(x > 0, v, sg.data("r", shape=2)), ValueError, "do not broadcast together"),
    ],
    ids=str,
)
def test_what_is_not_known_is_named(e, error, text):
    with pytest.raises(error, match=text):
        capture({"loss": e})


def test_the_remedy_is_named():
    with pytest.raises(TypeError, match=r"rewrite it with known ones .*Known: abs, "):
        capture({"loss": sp.zeta(x) + 1})


def test_conditions_of_a_piecewise_come_in_order():
    e = sp.Piecewise((1, x > 2), (2, x > 1), (3, x > 0))
    got = value(e, {x: np.array([3.0, 1.5, 0.5, -1.0])})
    np.testing.assert_array_equal(got, [1, 2, 3, np.nan])


def test_long_products_and_sums(rng):
    p = sg.parameter(" ".join(f"p{k}" for k in range(40)))
    arrays = {s: rng.uniform(0.8, 1.2) for s in p}
    e = sp.Mul(*p) + sp.Add(*p)
    numbers = list(arrays.values())
    assert value(e, arrays) == pytest.approx(np.prod(numbers) + sum(numbers))
    g = sg.gradient(e, p)
    assert value(g[p[7]], arrays) == pytest.approx(np.prod(numbers) / numbers[7] + 1)
    assert len(capture({"e": e}).equations) < 50
