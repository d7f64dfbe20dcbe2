"""What a step on a table costs, in memory and rows, and what is said where it costs the whole."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from tests.optimize.tables import __file__ as tables_file
from tests.optimize.tables import model, near, symbols, torch_trajectory
from tests.selection import mostly_full

ROOT = Path(__file__).parents[2]


def test_the_default_is_exact_and_says_what_it_costs(numbers):
    data, tables = numbers
    with pytest.warns(sg.DenseUpdateWarning, match=r"lazy=True") as found:
        dense = model(tables, sg.SGD(0.05, momentum=0.5))
    assert sorted(str(w.message).split("rows of ")[1][0] for w in found) == ["P", "Q", "b"]
    assert all(w.filename == tables_file for w in found)
    dense.fit(data, epochs=2, batch_size=7, shuffle=False)
    expected = torch_trajectory(
        data, tables, 7, 2, lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.5), sparse=False
    )
    near(dense.parameters, expected)


def test_a_penalty_on_the_whole_table_is_dense(numbers):
    _, tables = numbers
    u, _, _, y, P, *_ = symbols(tables)
    with pytest.warns(sg.DenseUpdateWarning, match="uses P as a whole"):
        sg.compile((sg.sum(P[u]) - y) ** 2 + sg.sum(P**2), sg.SGD(0.1))


def test_a_rule_that_is_not_elementwise_is_dense(numbers):
    _, tables = numbers
    u, _, _, y, P, *_ = symbols(tables)
    rule = sg.Rule(lambda p, g: p - g / sp.sqrt(1 + sg.sum(g**2)), lazy=True)
    with pytest.warns(sg.DenseUpdateWarning, match="not elementwise"):
        sg.compile((sg.sum(P[u]) - y) ** 2, rule)


REFUSED = {
    "a schedule": (
        lambda: sg.SGD(0.1 / (1 + sg.step), 0.9, lazy="catch_up"),
        "depends on the step",
    ),
    "a dampening": (lambda: sg.SGD(0.1, 0.9, 0.5, 0.1, lazy="catch_up"), "depends on the step"),
    "Adam": (lambda: sg.Adam(lazy="catch_up"), "is not linear"),
    "another word": (lambda: sg.SGD(0.1, lazy="always"), "lazy is False, True or 'catch_up'"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_caught_up(numbers, make, words):
    with pytest.raises(ValueError, match=words):
        model(numbers[1], make())


# ---- memory


def test_a_step_allocates_nothing_as_large_as_the_table():
    """The kernel's memory, and the model's: the table and Adagrad's state, no gradient."""
    sizes = []
    for rows in (1000, 100_000):
        u, y = sg.data("u", dtype=int), sg.data("y")
        P = sg.parameter("P", (rows, 8), init=0.5)
        m = sg.compile((sg.sum(P[u]) - y) ** 2, sg.Adagrad(0.1))
        m.fit({"u": np.arange(64), "y": np.zeros(64)}, epochs=1, batch_size=32)
        (executable,) = (e for key, e in m.executables.made.items() if key[0] == "step")
        sizes.append(sum(a.nbytes for a in executable._scratch))
        assert sum(a.nbytes for a in m.arrays.values()) < 2 * 4 * 8 * rows + 100
        assert (m.parameters["P"][64:] == 0.5).all() and (m.parameters["P"][:64] != 0.5).all()
    assert sizes[0] == sizes[1] < 20_000


LARGE = """
import resource, sys
import numpy as np
import symgrad as sg

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def model(rows):
    u, y = sg.data("u", dtype=int), sg.data("y")
    P = sg.parameter("P", (rows, 8), init=0)
    return sg.compile((sg.sum(P[u]) - y) ** 2, RULES[sys.argv[1]])

def train(rows):
    fitted = model(rows)
    before, every = peak(), int(sys.argv[2])
    places = rows - 1 - np.arange(64)  # together: a page of memory may have 2 MB
    data = {"u": places, "y": np.ones(64)}
    fitted.fit(data, epochs=20, batch_size=8, accumulate=every, progress=False)
    assert (fitted.parameters["P"][places] != 0).all()
    return peak() - before

RULES = {"SGD": sg.SGD(0.01), "Adagrad": sg.Adagrad(0.1), "lazy Adam": sg.Adam(0.1, lazy=True)}
train(10_000)
print(train(10_000_000))
"""


@pytest.mark.parametrize(("rule", "every"), mostly_full(
    itertools.product(["SGD", "Adagrad", "lazy Adam"], [1, 3]), [("Adagrad", 1)]
))  # fmt: skip
def test_the_process_of_a_large_table_does_not_grow(rule, every):
    """A table of 1e7 rows has 320 MB: a gradient or a copy of that size would show, and so would
    states of which steps touch more than their rows."""
    assert _grown(LARGE, rule, every) < 30e6


SPREAD = LARGE.replace("init=0)", "init=1)").replace(
    "rows - 1 - np.arange(64)", "(rows - 1) // 64 * np.arange(64)"
)


def test_sums_of_gradients_lie_together_wherever_their_rows_do():
    """The table is in memory; at its height each row of a sum would take a page of its own."""
    assert "init=1" in SPREAD and "rows - 1 -" not in SPREAD
    assert _grown(SPREAD, "SGD", 3) < 30e6


def _grown(program, rule, every):
    """The bytes by which a process grows."""
    command = [sys.executable, "-W", "error", "-c", program, rule, str(every)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_gradient_as_large_as_a_large_table_is_announced(monkeypatch):
    u = sg.data("u", dtype=int)
    P = sg.parameter("P", (50, 2), init=1)
    m = sg.compile(sg.sum(P[u] ** 2), dtype="float64", target="reference")
    expected = np.zeros((50, 2))
    expected[7] = 2
    assert np.array_equal(m.gradients({"u": [7]})["P"], expected)
    monkeypatch.setattr("symgrad.train.model.LARGE", 99)
    with pytest.warns(sg.DenseUpdateWarning, match=r"table's shape \(50, 2\)"):
        m.gradients({"u": [7]})
