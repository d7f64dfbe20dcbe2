"""A network that learns a function from its differential equation alone."""

import numpy as np
import sympy as sp

import symgrad as sg


def test_a_network_solves_an_oscillator():
    """u'' + u = 0 with u(0) = 0 and u'(0) = 1, which u = x + x**2 n(x) meets: the sine."""
    x = sg.data("x")
    W1, b1 = sg.parameter("W1", shape=12, init=0), sg.parameter("b1", shape=12)
    w2 = sg.parameter("w2", shape=12)
    u = x + x**2 * sg.dot(w2, sp.tanh(W1 * x + b1))
    residual = sg.gradient(sg.gradient(u, x), x) + u
    rng = np.random.default_rng(0)
    points = np.linspace(0, 2, 33)
    model = sg.compile(
        residual**2, optimizer=sg.SGD(lr=0.01, momentum=0.9), outputs={"u": u}, dtype="float64"
    )
    model.parameters["W1"] = rng.standard_normal(12)
    model.parameters["b1"] = rng.standard_normal(12)
    before = model.loss({"x": points})
    model.fit({"x": points}, epochs=3000, batch_size=33, progress=False)
    assert model.loss({"x": points}) < before / 1000
    np.testing.assert_allclose(model.predict({"x": points}, "u"), np.sin(points), atol=0.02)
