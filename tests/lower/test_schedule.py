"""What loops share, and what comes before what."""

import numpy as np
from scipy.special import expit, log_expit

import symgrad as sg
from symgrad.lower import driver
from symgrad.lower.schedule import linked


def test_functions_stand_beside_no_loop(rng):
    start = {"C": rng.normal(size=(9, 12)), "w": rng.normal(size=12)}
    n = sg.data("n", shape=(5,), dtype=int)
    C, w = (sg.parameter(k, shape=a.shape, init=a) for k, a in start.items())
    model = sg.compile(-sg.sum(sg.log_sigmoid(C[n] @ w)), optimizer=sg.SGD(lr=0.1), dtype="float64")
    rows = np.array([1, 4, 4, 8, 0])  # one of them twice
    loss = model.step({"n": rows[None]})
    z = start["C"][rows] @ start["w"]
    np.testing.assert_allclose(loss, -log_expit(z).sum(), rtol=1e-12)
    moved, slope = start["C"].copy(), 0.1 * expit(-z)
    np.add.at(moved, rows, slope[:, None] * start["w"])
    np.testing.assert_allclose(model.parameters["C"], moved, rtol=1e-12)
    after = start["w"] + slope @ start["C"][rows]
    np.testing.assert_allclose(model.parameters["w"], after, rtol=1e-12)
    _, body = model.source.split("range(5):", 1)
    loops = [part for part in body.split("range(5):") if "-softplus(v" in part]
    assert "for j" not in loops[0].split("-softplus(v")[0], model.source


def waits(elements, monkeypatch):
    """How many accesses come before others in the step of a loss that names each element."""
    counts = []

    def counted(tasks):
        linked(tasks)
        counts.append(sum(len(pairs) for t in tasks for pairs in t.before.values()))

    monkeypatch.setattr(driver, "linked", counted)
    w, s = sg.parameter("w", shape=elements), sg.data("s")
    model = sg.compile(sum((w[i] * s - i) ** 2 for i in range(elements)), sg.SGD(lr=0.1))
    assert model.source
    return counts[-1]


def test_elements_do_not_wait_for_other_elements(monkeypatch):
    few, many = (waits(n, monkeypatch) for n in (10, 40))
    assert many < 6 * few
