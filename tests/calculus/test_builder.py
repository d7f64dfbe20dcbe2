"""The builder: equal equations once, the identities that always hold, arithmetic of values."""

import operator

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.block import Block, Equation, Name
from symgrad.calculus.builder import Builder
from symgrad.language.row import op


@pytest.fixture
def b():
    return Builder()


@pytest.fixture
def values(b):
    return [b.value(b.input(s, s.shape, True)) for s in sg.data("x y z", shape=2)]


def text(b):
    return [(e.operation, e.operands) for e in b.equations]


def test_equal_operations_become_one_equation(b, values):
    x, y, _ = values
    assert (x * y).operand is (x * y).operand and len(b.equations) == 1
    assert (
        op.sum(x, axes=(0,), keepdims=False).operand
        is not op.sum(x, axes=(0,), keepdims=True).operand
    )


def test_identities(b, values):
    x, y, _ = values
    for value, want in [
        (x + 0, x), (0 + x, x), (x * 1, x), (1 * x, x), (x**1, x), (x / 1, x), (x - 0, x),
        (operator.neg(-x), x),
    ]:  # fmt: skip
        assert value.operand is want.operand
    assert b.apply("mul", 2, 3).operand == 6 and b.apply("add", 2, 3).operand == 5
    assert (x * 0).operand == 0 and (x**0).operand == 1
    assert b.apply("pow", 4, sp.Rational(1, 2)).operand == 2
    assert (2 * (3 * x)).operand is (6 * x).operand
    assert (x + x).operand is (2 * x).operand
    assert (x + y + 0).operand is (x + y).operand


def test_branches_join(b, values):
    x, y, z = values
    c = op.gt(x, 0)
    joined = op.select(c, y, 0) + op.select(c, 0, z)
    assert joined.operand is op.select(c, y, z).operand


def test_arithmetic_is_products_and_powers(b, values):
    x, y, _ = values
    assert [e.operation for e in b.equations] == []
    1 / x - y
    assert [e.operation for e in b.equations] == ["pow", "mul", "add"]


def check(*equations, **more):
    return Block({}, tuple(equations), more.get("outputs", {}), more.get("writes", {})).check()


def test_blocks_are_checked():
    a, c = Name("a", ()), Name("c", (3,))
    one = Equation(a, "exp", (sp.Integer(1),))
    check(one, outputs={"a": a})
    for equations, more, error in [
        ((Equation(a, "nonsense", ()),), {}, "no operation 'nonsense'"),
        ((Equation(c, "exp", (a,)),), {}, "before its definition"),
        ((one, one), {}, "is defined twice"),
        ((Equation(c, "exp", (sp.Integer(1),)),), {}, "is not"),
        ((one,), {"outputs": {"c": c}}, "used and not defined"),
    ]:
        with pytest.raises(AssertionError, match=error):
            check(*equations, **more)
