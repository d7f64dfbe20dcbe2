"""Numbers that linear parts of a block have in common are left to what follows."""

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.lower.common import number_of, without_common_numbers
from symgrad.lower.normalize import expanded
from tests.lower.programs import agree, trained

x, y, u = sg.data("x y u")
a, b = sg.parameter("a"), sg.parameter("b")
P = sg.let("p", sp.cos(a) * x - sp.sin(a) * y)
Q = sg.let("q", sp.sin(a) * x + sp.cos(a) * y + b)


def step(loss, optimizer=None, **more):
    return trained(loss, (a, b), optimizer or sg.SGD(0.1), **more)


def doubled(program, batch):
    """How many products of the sample have a 2, before and after."""
    block = expanded(simplify(program.step, STABLE))
    return tuple(
        sum(e.operation == "mul" and e.name.per_sample and abs(number_of(e)) == 2
            for e in found.check().equations)
        for found in (block, without_common_numbers(block, batch))
    )  # fmt: skip


def of_squares():
    return (P - u) ** 2 + (Q * y - u) ** 2 + (P * Q - y) ** 2


OPTIMIZERS = {"sgd": sg.SGD(0.1), "momentum": sg.SGD(0.1, momentum=0.5), "adam": sg.Adam(0.1)}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_adjoints_of_squares(batch, optimizer, rng):
    program = step(of_squares(), optimizer)
    before, after = doubled(program, batch)
    assert before >= 3
    assert after == 0 or (batch == 1 and optimizer is OPTIMIZERS["adam"])
    agree(program, batch, rng, tolerance=1e-12)


def test_what_others_need_with_the_number(rng):
    """One residual's adjoint is given as it is, the other one's is not."""
    program = step(of_squares(), outputs={"twice": 2 * (P - u)})
    before, after = doubled(program, 100)
    assert before >= 3
    assert after == 1
    agree(program, 3, rng, tolerance=1e-12)


def test_sums_with_something_else_keep_it(rng):
    """Without it in one of the terms it would be multiplied later."""
    program = step(sg.let("r", P - u) ** 2 + sp.exp(P) + sp.exp(Q * P))
    before, after = doubled(program, 100)
    assert before == after
    agree(program, 3, rng, tolerance=1e-12)


def test_products_of_two_parts_keep_it(rng):
    program = step(sp.sin(2 * P * x * u) * sp.sin(2 * Q * y * x) + 2 * P * (2 * Q))
    agree(program, 3, rng, tolerance=1e-12)


def test_numbers_of_extreme_size_stay(rng):
    program = step(((P - u) ** 2 + (Q - u) ** 2) * 1e-30)
    block = expanded(simplify(program.step, STABLE))
    for e in without_common_numbers(block, 3).equations:
        assert abs(number_of(e)) != sp.Float(1e-30) or e in block.equations
    agree(program, 3, rng, tolerance=1e-12)


def test_arrays_stay(rng):
    X = sg.data("X", shape=(4,))
    program = step(sg.sum((a * X - u) ** 2) + b**2)
    block = expanded(simplify(program.step, STABLE))
    assert without_common_numbers(block, 3) is block
    agree(program, 3, rng, tolerance=1e-12)


def test_indices_of_rows(rng):
    """Which row is written does not change with what is multiplied."""
    T, i = sg.parameter("T", shape=(5,)), sg.data("i", dtype=int)
    program = trained((T[i] * x - u) ** 2 + (T[i] - y) ** 2, (T,), sg.SGD(0.1))
    agree(program, 7, rng, tolerance=1e-12)
