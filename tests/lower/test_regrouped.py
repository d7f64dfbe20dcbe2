"""Sums over samples that are joined: of rotations, whose angles are parameters."""

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.lower.normalize import expanded
from symgrad.lower.regrouped import regrouped
from tests.lower.programs import agree, trained

x, y, z, u = sg.data("x y z u")
a, b = sg.parameter("a"), sg.parameter("b")


def turned(angle, p, q):
    c, s = sg.let("c", sp.cos(angle)), sg.let("s", sp.sin(angle))
    return sg.let("p", c * p - s * q), sg.let("q", s * p + c * q)


def means(program):
    """How many sums over samples a step has, before they are joined and after."""
    block = expanded(simplify(program.step, STABLE))
    return tuple(
        sum(e.operation == "expectation" for e in found.check().equations)
        for found in (block, regrouped(block))
    )


def step(loss, parameters=(a,), **more):
    return trained(loss, parameters, sg.SGD(0.1), **more)


def seen(p, q):
    return (p - u) ** 2 + (q * p - z) ** 2


@pytest.mark.parametrize("batch", [1, 3])
def test_an_angle_has_one_sum(batch, rng):
    program = step(seen(*turned(a, x, y)))
    assert means(program) == (5, 2)  # the loss, and the sums for the angle
    agree(program, batch, rng, tolerance=1e-12)


def test_angles_one_after_the_other(rng):
    p, q = turned(a, x, y)
    q, r = turned(b, q, z)
    program = step(seen(p, q) + seen(q, r), (a, b))
    assert means(program)[1] == 3
    agree(program, 3, rng, tolerance=1e-12)


@pytest.mark.parametrize("scale", [-1, 2, sp.Rational(1, 3)])
def test_multiples_of_angles(scale, rng):
    program = step(seen(*turned(scale * a, x, y)))
    assert means(program)[1] == 2
    agree(program, 3, rng, tolerance=1e-12)


def test_hyperbolic_angles(rng):
    c, s = sg.let("c", sp.cosh(a)), sg.let("s", sp.sinh(a))
    program = step(seen(sg.let("p", c * x + s * y), sg.let("q", s * x + c * y)))
    assert means(program)[1] == 2
    agree(program, 3, rng, tolerance=1e-12)


def not_made():
    """The derivative of a shear is no value that is there."""
    c, s = sg.let("c", sp.cos(a)), sg.let("s", sp.sin(2 * a))
    return seen(sg.let("p", c * x - s * y), sg.let("q", s * x + c * y))


def not_in_pairs():
    p, q = turned(a, x, y)
    return seen(p, q) + sg.let("c", sp.cos(a)) * x * z


def with_arrays():
    X, Y = sg.data("X", shape=(3,)), sg.data("Y", shape=(3,))
    c, s = sg.let("c", sp.cos(a)), sg.let("s", sp.sin(a))
    return sg.sum((c * X - s * Y - u) ** 2 + (s * X + c * Y - z) ** 4)


@pytest.mark.parametrize("loss", [not_made, not_in_pairs, with_arrays])
def test_what_cannot_be_joined_stays(loss, rng):
    program = step(loss())
    before, after = means(program)
    assert before == after
    agree(program, 3, rng, tolerance=1e-12)


def test_a_sum_that_is_used_twice_stays(rng):
    """The mean of x q is wanted for itself: then nothing would be saved."""
    p, q = turned(a, x, y)
    c, s = sg.let("c", sp.cos(a)), sg.let("s", sp.sin(a))
    mean = sg.expectation(x * q)
    loss = seen(p, q)
    program = step(loss, outputs={"mean": mean})
    assert means(program)[1] == 3
    agree(program, 3, rng, tolerance=1e-12)
    wanted = c * sg.expectation(x * q) - s * sg.expectation(y * q)
    single = step(loss, outputs={"mean": mean, "both": wanted})
    assert means(single)[1] == 4
    agree(single, 3, rng, tolerance=1e-12)


def test_long_chains_of_sums_are_looked_through_in_part():
    total, c = sg.hyper("c", 0.5), sg.hyper("k", 2.0)
    for k in range(1500):
        total = sg.let(f"t{k}", total + c * sg.expectation(x * sg.let(f"y{k}", y * (k + 1))))
    block = capture({"total": total})
    assert regrouped(block) == block
