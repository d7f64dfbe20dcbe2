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
    loop = loop_of(model, curve[1])
    sums = [line for line in loop.splitlines() if "+=" in line]
    assert len(sums) >= 3
    assert not [line for line in sums if re.search(r"_a\b|_k\b|\bc\d", line)], loop


def test_the_gradient_is_what_it_was(curve):
    same_gradients(*curve)


def same_gradients(loss, data) -> None:
    """As the reference target has them."""
    gradients = [
        sg.compile(loss, dtype="float64", target=target).gradients(data)
        for target in ("cpu", "reference")
    ]
    for symbol, value in gradients[0].items():
        np.testing.assert_allclose(value, gradients[1][symbol], rtol=1e-12)


def loop_of(model, data) -> str:
    """The loop over samples of the model's step."""
    model.fit(data, epochs=1, batch_size=100, progress=False)
    return re.search(r"for b in range\(n\):\n(.*?)\n {8}\w", model.source, re.DOTALL).group(1)


def test_a_quotient_and_its_derivative_divide_once(curve):
    x, y = sg.data("x y")
    a, k = sg.parameter("a k", init=1)
    loss = (a * x / sg.let("z", k * y + 9) - 1) ** 2
    model = sg.compile(loss, optimizer=sg.SGD(lr=0.01), dtype="float64")
    assert loop_of(model, curve[1]).count(" / ") == 1
    same_gradients(loss, curve[1])


def test_means_of_opposite_sign_are_one_sum(curve):
    """The sine of an angle occurs twice, once with a minus: its adjoint is one sum."""
    x, y = sg.data("x y")
    c, s = sg.parameter("c s", init=1)
    loss = (sg.let("p", c * x - s * y) ** 2 - 1) ** 2 + (sg.let("q", s * x + c * y) ** 2 - 2) ** 2
    model = sg.compile(loss, optimizer=sg.SGD(lr=0.01), dtype="float64")
    assert loop_of(model, curve[1]).count("+=") == 3  # the loss, c and s
    same_gradients(loss, curve[1])
