"""What sums over samples are multiplied by once, in place of every sample's term."""

import re

import numpy as np
import pytest
import sympy as sp

import symgrad as sg


@pytest.fixture
def curve():
    """(a exp(k x) - y)**2, and data for it."""
    x, y = sg.data("x y")
    a, k = sg.parameter("a k", init=1)
    rng = np.random.default_rng(5)
    return (a * sp.exp(k * x) - y) ** 2, {c: rng.standard_normal(100) for c in "xy"}


def test_scalars_leave_the_sums_of_a_gradient(curve):
    """E[2 r a exp(k x) x] is 2 a E[r exp(k x) x]."""
    model = sg.compile(curve[0], optimizer=sg.SGD(lr=0.01), dtype="float64")
    model.fit(curve[1], epochs=1, batch_size=100, progress=False)
    loop = re.search(r"for b in range\(n\):\n(.*?)\n {8}\w", model.source, re.DOTALL).group(1)
    sums = [line for line in loop.splitlines() if "+=" in line]
    assert len(sums) >= 3
    assert not [line for line in sums if re.search(r"_a\b|_k\b|\bc\d", line)], loop


def test_the_gradient_is_what_it_was(curve):
    loss, data = curve
    gradients = [
        sg.compile(loss, dtype="float64", target=target).gradients(data)
        for target in ("cpu", "reference")
    ]
    for symbol, value in gradients[0].items():
        np.testing.assert_allclose(value, gradients[1][symbol], rtol=1e-13)
