"""Functions of what inner loops sum up get a loop of their own."""

import numpy as np
from scipy.special import expit, log_expit

import symgrad as sg


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
    loops = [part for part in body.split("range(5):") if "log1p(exp(" in part]
    assert "for j" not in loops[0].split("log1p(exp(")[0], model.source
