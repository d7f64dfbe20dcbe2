"""Special functions beside torch's and mpmath's: values, first and second derivatives."""

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.reference import evaluate
from tests.language.against_torch import compare, expanded

FUNCTIONS = {
    "erf": (sp.erf, torch.erf, (-3, 3)),
    "erfc": (sg.erfc, torch.erfc, (-3, 6)),
    "SymPy's erfc": (sp.erfc, torch.erfc, (-3, 6)),
    "erfinv": (sp.erfinv, torch.erfinv, (-0.99, 0.99)),
    "loggamma": (sp.loggamma, torch.lgamma, (0.2, 9)),
    "loggamma below 0": (sp.loggamma, torch.lgamma, (-1.9, -1.1)),
    "gamma": (sp.gamma, lambda x: torch.exp(torch.lgamma(x)), (0.2, 5)),
    "factorial": (sp.factorial, lambda x: torch.exp(torch.lgamma(x + 1)), (0.2, 5)),
    "digamma": (sg.digamma, torch.digamma, (0.2, 9)),
    "digamma below 0": (sg.digamma, torch.digamma, (-2.8, -2.2)),
    "SymPy's digamma": (sp.digamma, torch.digamma, (0.2, 9)),
    "trigamma": (sg.trigamma, lambda x: torch.polygamma(1, x), (0.2, 9)),
    "beta": (
        lambda x: sp.beta(x, x + 1),
        lambda x: torch.exp(torch.lgamma(x) + torch.lgamma(x + 1) - torch.lgamma(2 * x + 1)),
        (0.3, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_torchs(name, rng):
    ours, theirs, (low, high) = FUNCTIONS[name]
    compare(ours, theirs, [rng.uniform(low, high, 7)], rtol=1e-9, atol=1e-10)


EXPANDED = {
    sp.erfinv: (mpmath.erfinv, [-1 + 1e-15, -0.999, -0.3, 1e-12, 0.4, 0.51, 0.9999999]),
    sg.digamma: (mpmath.digamma, [-7.3, -0.5, 1e-6, 0.7, 3.0, 11.0, 1e5]),
    sg.trigamma: (lambda x: mpmath.polygamma(1, x), [-7.3, -0.5, 1e-3, 0.7, 3.0, 11.0, 1e5]),
    sp.beta: (mpmath.beta, [(-0.5, 0.25), (0.3, 7.0), (-1.5, -0.2)]),
}


@pytest.mark.parametrize("function", EXPANDED, ids=str)
def test_expansion_is_exact(function):
    exact, points = EXPANDED[function]
    for point in points:
        point = point if isinstance(point, tuple) else (point,)
        symbols = [sg.hyper(f"x{k}", v) for k, v in enumerate(point)]
        block = expanded(capture({"y": function(*symbols)}))
        value = evaluate(block, {s: s.value for s in symbols})[block.outputs["y"]]
        with mpmath.workdps(40):
            want = float(exact(*map(mpmath.mpf, point)))
        np.testing.assert_allclose(value, want, rtol=2e-13, err_msg=str(point))


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_poles_and_edges_are_torchs(target):
    """trigamma's poles are infinite; torch's are what rounding leaves of them."""
    x, poles = sg.data("x"), np.array([0.0, -1.0, -2.0, -7.0, np.nan, np.inf])
    edges = np.array([-np.inf, -3.0, -0.5, 0.5, 1.0, np.inf])
    outputs = [sg.digamma(x), *(sg.gradient(e, x) for e in (
        sp.loggamma(x), sg.digamma(x), sp.acosh(x)))]  # fmt: skip
    f = sg.function(outputs, [x], target=target)
    digamma, slope, trigamma, _ = f(poles)
    t = torch.tensor(poles)
    np.testing.assert_array_equal(digamma, torch.digamma(t))
    np.testing.assert_array_equal(slope, torch.digamma(t))
    rest = np.array([True, False, False, False, True, True])
    np.testing.assert_array_equal(trigamma[rest], torch.polygamma(1, t)[rest])
    assert (trigamma[~rest] == np.inf).all() and (torch.polygamma(1, t)[~rest] > 1e30).all()
    t = torch.tensor(edges, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.acosh(t).sum(), t)
    np.testing.assert_allclose(f(edges)[3], slope, rtol=1e-14)


def test_polygamma_beyond_the_known_orders_is_refused():
    with pytest.raises(ValueError, match="n = 0, 1, 2 and 3"):
        sg.polygamma(4, sg.data("x"))
