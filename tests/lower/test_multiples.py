"""Numbers of products that join a factor whose multiple is there."""

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.lower.multiples import with_multiples
from symgrad.lower.normalize import expanded
from tests.lower.programs import agree, trained

x, y, u = sg.data("x y u")
a, b = sg.parameter("a"), sg.parameter("b")
FAR = 5 + x**2  # from 0
Z = sg.let("z", a + FAR)


def step(loss, **more):
    return trained(loss, (a, b), sg.SGD(0.1), **more)


def numbers(program):
    """How many products have numbers, before and after."""
    block = expanded(simplify(program.step, STABLE))
    return tuple(
        sum(e.operation == "mul" and any(z in (k, -k) for z in e.operands for k in (3, 1.5))
            for e in found.check().equations)
        for found in (block, with_multiples(block))
    )  # fmt: skip


def of_a_quotient():
    """The derivative of 3/z for z is -3/z**2."""
    s = sg.let("s", 3 / Z)
    return (x * s - u) ** 2 + (y * s - b) ** 2


def of_a_product():
    t = sg.let("t", sp.sin(a * x))
    s = sg.let("s", 3 * t)
    return s**2 * b + (sg.let("d", 3 * t * y * s) - u) ** 2


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("loss", [of_a_quotient, of_a_product])
def test_what_is_there_is_used(loss, batch, rng):
    program = step(loss())
    before, after = numbers(program)
    assert after < before
    agree(program, batch, rng, tolerance=1e-12)


@pytest.mark.parametrize("wanted", [False, True])
def test_inverses_that_nobody_else_needs_are_not_made(wanted, rng):
    """3/z is one division then."""
    program = step(of_a_quotient(), outputs={"inverse": 1 / Z} if wanted else {})
    block = with_multiples(expanded(simplify(program.step, STABLE)))
    (inverse,) = [e for e in block.equations if e.operation == "pow" and e.operands[1] == -1]
    users = sum(inverse.name in e.operands for e in block.equations)
    assert users == (2 if wanted else 1)
    agree(program, 3, rng, tolerance=1e-12)


def test_a_product_for_itself_is_no_multiple_of_others(rng):
    """3 t is used in one product alone: nothing would be saved."""
    t = sg.let("t", sp.sin(a * x))
    program = step((t * 3 * y - u) ** 2 + b * t)
    before, after = numbers(program)
    assert before == after
    agree(program, 3, rng, tolerance=1e-12)


def test_extreme_numbers_stay_where_they_are(rng):
    s = sg.let("s", 3e30 / sg.let("z", a + FAR))
    program = step((x * s * 1e-30 - u) ** 2 + (y * s * 1e-30 - b) ** 2)
    block = expanded(simplify(program.step, STABLE))
    assert with_multiples(block) is block
    agree(program, 3, rng, tolerance=1e-12)


def test_arrays_stay(rng):
    X = sg.data("X", shape=(4,))
    s = sg.let("s", 3 / sg.let("z", a + 5 + X**2))
    program = step(sg.sum((X * s - u) ** 2 + (y * s - b) ** 2))
    block = expanded(simplify(program.step, STABLE))
    assert with_multiples(block) is block
    agree(program, 3, rng, tolerance=1e-12)


def test_long_chains_of_products_are_looked_through_in_part():
    z = x
    for k in range(1500):
        z = sg.let(f"z{k}", z * (y if k % 2 else u))
    block = capture({"z": z})
    assert with_multiples(block) == block
