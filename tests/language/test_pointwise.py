"""Pointwise functions: SymPy's own against mpmath to many digits, conventions at kinks, torch."""

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.language.row import TABLE
from tests.calculus.values import gradients, value
from tests.language.rows import arity

POINTS = 8
SMOOTH = [
    row.name
    for row in TABLE.values()
    if row.kind == "pointwise" and row.head is not None and not row.kinked and row.result != "bool"
    and row.head.__module__.startswith("sympy") and not row.variadic
]  # fmt: skip


def precise(row, order):
    """The function and its derivatives by mpmath, from SymPy's own definition."""
    x = sp.symbols(f"x:{arity(row)}", real=True)
    f = sp.lambdify(x, row.head(*x), "mpmath")
    return lambda point: (
        mpmath.diff(f, tuple(map(mpmath.mpf, point)), order)
        if sum(order)
        else f(*map(mpmath.mpf, point))
    )


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_derivatives_of_sympys_functions_against_mpmath(name, rng):
    row = TABLE[name]
    n = arity(row)
    x = [sg.data(f"x{k}") for k in range(n)]
    arrays = {s: row.domain.sample(rng, k, (POINTS,)) for k, s in enumerate(x)}
    e = row.head(*x)
    first = sg.gradient(e, x)
    found = {(0,) * n: value(e, arrays)}
    for k, s in enumerate(x):
        one = tuple(int(k == j) for j in range(n))
        found[one] = np.broadcast_to(value(first[s], arrays), (POINTS,))
        second = sg.gradient(first[s], x)
        for m, t in enumerate(x):
            two = tuple(a + int(m == j) for j, a in enumerate(one))
            found[two] = np.broadcast_to(value(second[t], arrays), (POINTS,))
    with mpmath.workdps(40):
        for order, got in found.items():
            exact = precise(row, order)
            want = [float(exact([arrays[s][i] for s in x])) for i in range(POINTS)]
            np.testing.assert_allclose(got, want, rtol=4e-13, atol=1e-15, err_msg=str(order))


T = torch
AGAINST_TORCH = {
    "abs": (sp.Abs, T.abs), "sign": (sp.sign, T.sign), "floor": (sp.floor, T.floor),
    "ceiling": (sp.ceiling, T.ceil), "relu": (sg.relu, T.relu), "sigmoid": (sg.sigmoid, T.sigmoid),
    "softplus": (sg.softplus, T.nn.functional.softplus),
    "log_sigmoid": (sg.log_sigmoid, T.nn.functional.logsigmoid),
    "leaky_relu": (sg.leaky_relu, T.nn.functional.leaky_relu),
    "leaky_relu 0.2": (lambda x: sg.leaky_relu(x, 0.2),
                       lambda x: T.nn.functional.leaky_relu(x, 0.2)),
    "exp": (sp.exp, T.exp), "log": (sp.log, T.log), "sqrt": (sp.sqrt, T.sqrt),
    "square": (lambda x: x**2, T.square), "cube": (lambda x: x**3, lambda x: x**3),
    "reciprocal": (lambda x: 1 / x, T.reciprocal), "tanh": (sp.tanh, T.tanh),
    "atan": (sp.atan, T.atan), "asinh": (sp.asinh, T.asinh), "sinh": (sp.sinh, T.sinh),
    "max with 0": (lambda x: sp.Max(x, 0), lambda x: T.maximum(x, T.zeros_like(x))),
    "min with 0": (lambda x: sp.Min(x, 0), lambda x: T.minimum(x, T.zeros_like(x))),
    "where": (lambda x: sg.where(x > 0, x**2, -x), lambda x: T.where(x > 0, x**2, -x)),
    "power": (lambda x: sp.Float(1.5) ** x, lambda x: 1.5**x),
    "stop": (lambda x: x * sg.stop_gradient(x), lambda x: x * x.detach()),
}  # fmt: skip
EDGES = np.array([0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 1e-300, 30.0, -30.0, 700.0, -700.0, 1e8])


@pytest.mark.parametrize("name", AGAINST_TORCH)
def test_edges_and_kinks_are_torchs(name):
    ours, theirs = AGAINST_TORCH[name]
    x = sg.data("x")
    t = torch.tensor(EDGES, requires_grad=True)
    y = theirs(t)
    y.backward(torch.ones_like(y))
    np.testing.assert_allclose(value(ours(x), {x: EDGES}), y.detach().numpy(), rtol=1e-13)
    (g,) = gradients(ours(x), [x], {x: EDGES})
    np.testing.assert_allclose(np.broadcast_to(g, EDGES.shape), t.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("extreme", [sp.Max, sp.Min])
def test_ties_share_the_gradient(count, extreme):
    x = sg.data(" ".join(f"x{k}" for k in range(count)))
    arrays = {s: np.array([2.0]) for s in x}
    for g in gradients(extreme(*x), x, arrays):
        assert g == pytest.approx(1 / count, rel=1e-15)


def test_conditions_are_numpys(rng):
    x, y = sg.data("x y")
    arrays = {x: rng.integers(-2, 3, 40) * 1.0, y: rng.integers(-2, 3, 40) * 1.0}
    X, Y = arrays[x], arrays[y]
    for ours, theirs in {
        x < y: X < Y, x <= y: X <= Y, x > y: X > Y, x >= y: X >= Y, sp.Eq(x, y): X == Y,
        sp.Ne(x, y): X != Y, sp.And(x > 0, y > 0): (X > 0) & (Y > 0),
        sp.Or(x > 0, y > 0): (X > 0) | (Y > 0), sp.Not(sp.And(x > 0, y > 0)): ~((X > 0) & (Y > 0)),
        sp.Xor(x > 0, y > 0): (X > 0) ^ (Y > 0),
        sp.ITE(x > 0, y > 0, y < 1): np.where(X > 0, Y > 0, Y < 1),
        sp.Implies(x > 0, y > 0): (X <= 0) | (Y > 0),
    }.items():  # fmt: skip
        np.testing.assert_array_equal(value(sg.indicator(ours), arrays), theirs * 1.0)


@pytest.mark.parametrize(
    ("e", "numpy"),
    [
        (sp.cot, lambda x: 1 / np.tan(x)), (sp.sec, lambda x: 1 / np.cos(x)),
        (sp.csc, lambda x: 1 / np.sin(x)), (sp.coth, lambda x: 1 / np.tanh(x)),
        (sp.sech, lambda x: 1 / np.cosh(x)), (sp.csch, lambda x: 1 / np.sinh(x)),
        (sp.acot, lambda x: np.arctan(1 / x)), (sp.asec, lambda x: np.arccos(1 / x)),
        (sp.acsc, lambda x: np.arcsin(1 / x)), (sp.acoth, lambda x: np.arctanh(1 / x)),
        (sp.asech, lambda x: np.arccosh(x)), (sp.acsch, lambda x: np.arcsinh(1 / x)),
        (sp.sinc, lambda x: np.sin(x) / x), (sp.frac, lambda x: x - np.floor(x)),
        (sp.re, lambda x: x), (sp.conjugate, lambda x: x), (sp.cbrt, np.cbrt),
        (lambda x: sp.log(x, 2), np.log2), (lambda x: sp.root(x, 4), lambda x: x**0.25),
        (lambda x: x % 2, lambda x: x % 2), (lambda x: x // 2, lambda x: x // 2),
        (lambda x: sp.exp(1) ** x, np.exp),
        (lambda x: sp.Heaviside(x - 1.5), lambda x: (x > 1.5) * 1.0),
        (lambda x: 2**x, lambda x: 2**x), (lambda x: sp.pi * x + sp.E, lambda x: np.pi * x + np.e),
        (lambda x: x * sp.GoldenRatio, lambda x: x * (1 + 5**0.5) / 2),
    ],
)  # fmt: skip
def test_sympys_other_functions(e, numpy, rng):
    x = sg.data("x")
    at = rng.uniform(1.1, 3.0, 9)
    arrays = {x: 1 / at if e is sp.asech else at}
    np.testing.assert_allclose(value(e(x), arrays), numpy(at), rtol=2e-14, atol=1e-15)


def test_sinc_at_zero():
    x = sg.data("x")
    arrays = {x: np.array([0.0, 1e-3])}
    assert value(sp.sinc(x), arrays)[0] == 1
    np.testing.assert_allclose(gradients(sp.sinc(x), [x], arrays)[0], [0, -1e-3 / 3], atol=1e-9)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x: sg.softplus(x, 2), "sg.softplus takes 1 argument, and 2 was given"),
        (lambda x: sg.softplus(x, beta=2), "sg.softplus .* the option 'beta' was given"),
        (lambda x: sg.sigmoid(x, x), "sg.sigmoid takes 1 argument"),
        (lambda x: sg.hypot(x, x, x), "sg.hypot takes 2 arguments, and 3 was given"),
        (lambda x: sg.leaky_relu(), "sg.leaky_relu takes 1 or 2 arguments"),
    ],
)
def test_arguments_that_a_function_does_not_have_are_refused(make, text):
    """NumPy's functions took a second array as what to write into: the value was wrong."""
    with pytest.raises(TypeError, match=text):
        make(sg.data("x", shape=3))
