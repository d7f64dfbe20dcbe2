"""Four samples at a time: the same numbers, for any number of samples, and only where it may be."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.generate import cpu
from symgrad.lower import index as ix
from symgrad.lower.kernel import Apply, Axis, Buffer, Kernel, Load, Loop, Number, Store, Update
from tests.generate.interpreted import Interpreted
from tests.lower.programs import agree, network, trained
from tests.lower.random_programs import agree_at_random

STEPS = "// 4 * 4"


def biased(x, y, c, W):
    h = sg.let("h", sp.tanh(W @ x + c))
    return sg.sum((h - y) ** 2)


@pytest.mark.parametrize("samples", [7, 16, 29])
@pytest.mark.parametrize("batch", [8, 13])
def test_sums_over_samples(batch, samples, rng):
    x, y = sg.data("x", shape=8), sg.data("y")
    c, W = sg.parameter("c", shape=12), sg.parameter("W", shape=(12, 8), init=0)
    program = trained(biased(x, y, c, W), [c, W], sg.SGD(0.1))
    assert STEPS in agree(program, batch, rng, samples=samples)


@pytest.mark.parametrize("size", [12, 30])
def test_random_programs_with_and_without(size, seed, monkeypatch):
    """Sums are taken in another order, and nothing else changes."""
    texts = agree_at_random(15, size, seed, (9,), samples=17)
    assert any(STEPS in text for text in texts)


def test_wide_rows_stay_as_they_are(rng):
    """Sums over rows of 80 float64 numbers do not wait for each other."""
    for width, together in ((16, True), (80, False)):
        program = network((20, width, 5), sg.relu, sg.SGD(0.1))
        text = agree(program, 8, rng, samples=20, limits={"label": 5})
        after = [part.split("for b in")[0] for part in text.split(STEPS)[1:]]
        assert any(f"range({width})" in part for part in after) is together


ROW, J = Axis(None, 8, 0), Axis(4, 4, 1)
X, Z = (Buffer("scratch", name, (8, 4), "float64") for name in "xz")
TOTAL = Buffer("output", "total", (4,), "float64")
AT, MINE = (ix.of(ROW), ix.of(J)), (ix.of(J),)


def load(buffer, index):
    return Load(buffer, index, buffer.dtype)


def text_of(*body):
    """The source of a loop over samples around a loop over four elements."""
    fill = [Loop(ROW, (Loop(J, (Store(b, AT, Number(1.0, "float64")),)),)) for b in (X, Z)]
    clear = Loop(J, (Store(TOTAL, MINE, Number(0.0, "float64")),))
    loop = Loop(ROW, (Loop(J, body),))
    data = Buffer("data", "d", (), "float64", sp.Symbol("d"))
    kernel = Kernel("float64", 8, (data, TOTAL, X, Z), (), (*fill, clear, loop), None)
    return cpu.generate(kernel.check())


def ran(source, n=7):
    out = {"total": np.zeros(4)}
    Interpreted(source).run({sp.Symbol("d"): np.zeros(n)}, None, 0, n, outputs=out)
    return out["total"]


ADDED = Update(TOTAL, MINE, "add", load(Z, AT))


def test_what_a_sample_hands_on_to_itself():
    doubled = Store(Z, AT, Apply("add", (load(X, AT), load(X, AT)), "float64"))
    source = text_of(doubled, ADDED)
    assert STEPS in source.text
    np.testing.assert_array_equal(ran(source), [14.0] * 4)


@pytest.mark.parametrize("body", [
    (Store(Z, AT, load(TOTAL, MINE)), ADDED),  # the sum so far
    (Store(Z, AT, load(X, AT)), Update(TOTAL, MINE, "add", load(Z, (ix.ZERO, ix.of(J))))),
    (Store(Z, (ix.ZERO, ix.of(J)), load(X, AT)), ADDED),  # one row that all of them change
    (Update(TOTAL, MINE, "max", load(Z, AT)),),
], ids=["read", "other row", "same row", "maximum"])  # fmt: skip
def test_what_samples_hand_on_to_each_other(body):
    assert STEPS not in text_of(*body).text
