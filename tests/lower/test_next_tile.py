"""Data of the next tile are asked for where that is worth it, and nothing is computed otherwise."""

import re

import pytest
import sympy as sp

import symgrad as sg
from symgrad.build import build
from symgrad.generate.cpu import generate
from symgrad.lower.driver import lower
from symgrad.lower.parallel import parallel
from tests.lower.programs import agree, trained

BATCH = 4000  # samples: four tiles


def fitted(residual):
    """A step for the squares of a residual of x, y, s."""
    x, y = sg.data("x y")
    s = sg.parameter("s", init=0.5)
    return trained(residual(x, y, s) ** 2, [s], sg.SGD(1e-2))


def curve(x, y, s):
    return sp.exp(-s * x) + sp.tanh(s * x) - y


def requests(program, threads=1):
    """Of each array, how many elements ahead of the tile lines are asked for."""
    text = generate(parallel(lower(program, "float32", BATCH), threads)).text
    found = {}
    for name, ahead in re.findall(r"prefetch\(d\d+_(\w+), at \+ tile \+ (\d+)\)", text):
        found.setdefault(name, []).append(int(ahead))
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_two_lines_of_each_array(threads):
    assert requests(fitted(curve), threads) == {"x": [1024, 1040], "y": [1024, 1040]}


def test_little_work_is_all_about_memory():
    assert not requests(fitted(lambda x, y, s: s * x - y))


def test_much_work_takes_longer_than_the_wait():
    assert not requests(fitted(lambda x, y, s: sum(curve(x + k, y, s**k) for k in range(1, 7))))


def test_many_arrays_are_left_to_the_processor():
    z = sg.data("z0 z1 z2 z3 z4")
    assert not requests(fitted(lambda x, y, s: curve(x, y, s) + sum(z)))


@pytest.mark.parametrize("ordered", [False, True])
def test_nothing_else_changes(ordered, rng):
    """Nor is what lies behind the last tile read."""
    agree(fitted(curve), BATCH, rng, samples=BATCH - 100, dtype="float32", make=build,
          ordered=ordered, tolerance=1e-4)  # fmt: skip
