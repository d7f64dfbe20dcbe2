"""`sg.gradient`: as `sympy.diff` for scalars, readable, usable again, and honest about levels."""

import pickle

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.calculus.values import gradients, through_expressions, value

x, y = sg.data("x y")
w, b, c = sg.parameter("w b c")
E = sp.exp

SCALARS = [
    (w * x + b - y) ** 2, w**2, w**3 * b, w / b, 1 / (w + b), sp.sqrt(w + b), (w + 1) ** b, w**w,
    sp.sin(w * x), sp.cos(w) * sp.sin(b), sp.tan(w / 2), sp.asin(w / 4), sp.acos(w / 4),
    sp.atan(w * b), sp.atan2(w, b), sp.sinh(w), sp.cosh(w * b), sp.tanh(w * x + b), sp.asinh(w),
    sp.acosh(w + 1), sp.atanh(w / 4), E(w), E(-(w**2)), E(w * x) / (1 + E(w * x)), sp.log(w),
    sp.log(1 + E(w)), sp.log(w + b) ** 2, w * sp.log(w), 2**w, w ** sp.Rational(5, 2), w ** sp.pi,
    sp.Abs(w - b), sp.Abs(w * x) ** 3, sp.Max(w, b), sp.Min(w, b) * w, sp.Max(w, b, c),
    sp.sign(w) * w, sp.Piecewise((w**2, w > b), (b * w, True)),
    sp.Piecewise((w, x > 1), (sp.sin(w), x > 0), (b, True)),
    sp.cot(w), sp.sec(w), sp.csc(w), sp.coth(w), sp.sech(w), sp.csch(w), sp.acot(w), sp.sinc(w),
    (w * b * c) ** 2, w * b * c * x * y, (w + b) * (w - b) / (w**2 + b**2), sp.sqrt(w**2 + b**2),
    E(sp.sin(sp.log(w + 1))), sp.tanh(w * sp.tanh(b * sp.tanh(c * x))), (w - 3) ** 4 + (b + 1) ** 5,
    -(y * sp.log(w) + (1 - y) * sp.log(4 - w)), E(E(w / 4)), sp.log(sp.log(w + 2)), w ** (b + c),
    sp.cbrt(w), x**w, (w * x) ** (b / 2), sp.sqrt(sp.sqrt(w)), w / (1 + sp.Abs(w)),
    sp.Heaviside(w) * w,
]  # fmt: skip
SYMBOLS = [w, b, c, x, y]


@pytest.mark.parametrize("e", SCALARS, ids=str)
def test_equals_sympys_derivative(e, rng):
    at = {s: rng.uniform(1.1, 2.5) for s in SYMBOLS}
    found = sg.gradient(e, SYMBOLS)
    plain = {s: sp.Symbol(s.name, positive=True) for s in SYMBOLS}
    for s in SYMBOLS:
        want = sp.diff(e.xreplace(plain), plain[s])
        number = float(want.subs({plain[t]: v for t, v in at.items()}).evalf(30))
        got = value(found[s], {t: np.array([v]) if t.role == "data" else v for t, v in at.items()})
        np.testing.assert_allclose(got, number, rtol=1e-11, atol=1e-13, err_msg=f"d/d{s}")


@pytest.mark.parametrize("e", [e for e in SCALARS if e.is_algebraic_expr()], ids=str)
def test_simplifies_to_sympys_derivative(e):
    for s in (w, b):
        assert sp.simplify(sg.gradient(e, s) - sp.diff(e, s)) == 0


@pytest.mark.parametrize("e", SCALARS, ids=str)
def test_gradient_of_the_gradient_equals_sympys_second_derivative(e, rng):
    at = {s: rng.uniform(1.1, 2.5) for s in SYMBOLS}
    plain = {s: sp.Symbol(s.name, positive=True) for s in SYMBOLS}
    arrays = {t: np.array([v]) if t.role == "data" else v for t, v in at.items()}
    first = sg.gradient(e, w)
    for s in (w, b):
        want = sp.diff(e.xreplace(plain), plain[w], plain[s])
        number = float(want.subs({plain[t]: v for t, v in at.items()}).evalf(30))
        got = value(sg.gradient(first, s), arrays)
        np.testing.assert_allclose(got, number, rtol=1e-10, atol=1e-12, err_msg=f"d/dw d/d{s}")


# ---- printed


def test_the_issues_two_lines():
    e = (w * x + b - y) ** 2
    assert str(sg.gradient(e, [w, b])) == "w: 2*x*(b + w*x - y)\nb: 2*(b + w*x - y)"
    assert str(sg.gradient(sg.expectation(e), [w, b])) == (
        "w: E[2*x*(b + w*x - y)]\nb: E[2*(b + w*x - y)]"
    )


def test_the_class_of_a_mean_is_expectation():
    g = sg.gradient(sg.expectation((w * x - y) ** 2), w)
    assert type(g) is sg.Expectation
    assert type(sg.expectation(x)).__name__ == "Expectation"
    assert str(sg.expectation(x)) == "E[x]"


def network(depth=2):
    h = sg.data("x", shape=784)
    label = sg.data("label", dtype=int)
    parameters, sizes = [], [784, 512, 256, 10]
    for k in range(depth):
        W = sg.parameter(f"W{k + 1}", shape=(sizes[k + 1], sizes[k]), init=0)
        bias = sg.parameter(f"b{k + 1}", shape=sizes[k + 1])
        parameters += [W, bias]
        h = sg.let(f"h{k + 1}", sg.sigmoid(W @ h + bias))
    W, bias = sg.parameter("W", shape=(10, sizes[depth]), init=0), sg.parameter("b", shape=10)
    z = sg.let("z", W @ h + bias)
    return sg.expectation(sg.cross_entropy(z, label)), [*parameters, W, bias]


def test_a_network_prints_as_named_equations_that_fit_a_page():
    loss, parameters = network()
    text = str(sg.gradient(loss, parameters))
    assert (
        text
        == """\
h1 = sigmoid(b1 + W1 @ x)
h2 = sigmoid(b2 + W2 @ h1)
z = b + W @ h2
z_bar = -onehot(label) + softmax(z)
h2_bar = z_bar @ W
h1_bar = (h2*h2_bar*(1 - h2)) @ W2
W1: E[outer(h1*h1_bar*(1 - h1), x)]
b1: E[h1*h1_bar*(1 - h1)]
W2: E[outer(h2*h2_bar*(1 - h2), h1)]
b2: E[h2*h2_bar*(1 - h2)]
W: E[outer(z_bar, h2)]
b: E[z_bar]"""
    )


def test_a_rolled_up_network_prints_lines_of_a_page():
    v = sg.data("v", shape=3)
    W = [sg.parameter(f"W{k}", shape=(3, 3), init=0) for k in range(6)]
    h = v
    for k, one in enumerate(W):
        h = sg.let(f"h{k}", sp.tanh(one @ h) + h)
    text = str(sg.gradient(sg.expectation(sg.sum(h**2)), W))
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) < 40


def test_a_gradient_is_a_mapping_and_pickles():
    g = sg.gradient(w**2 * x, [w, x])
    assert list(g) == [w, x] and len(g) == 2 and dict(g) == {w: g[w], x: g[x]}
    assert pickle.loads(pickle.dumps(g))[w] == g[w]
    with pytest.raises(KeyError, match="no gradient for b; there is one for w, x"):
        g[b]


# ---- used again


def test_a_gradient_can_be_used_and_substituted(rng):
    h = sg.let("h", sp.tanh(w * x))
    g = sg.gradient(h**2 * b, [w, b])
    total = sp.sqrt(g[w] ** 2 + g[b] ** 2)
    arrays = {w: 0.7, b: -1.3, x: np.array([0.4, 2.0])}
    want = np.hypot(value(g[w], arrays), value(g[b], arrays))
    np.testing.assert_allclose(value(total, arrays), want, rtol=1e-14)
    moved = sg.substitute(total, {w: 2 * c, x: y})
    np.testing.assert_allclose(value(moved, {c: 0.35, b: -1.3, y: arrays[x]}), want, rtol=1e-14)
    assert not {w, x} & set(sg.inline(moved).free_symbols)


def test_sympys_derivative_goes_through_lets(rng):
    h = sg.let("h", sp.sin(w * x))
    k = sg.let("k", h**2 + w)
    e = k**2 * h
    plain = sg.inline(e)
    for order in (1, 2, 3):
        got = sg.inline(sp.diff(e, w, order))
        want = sp.diff(plain, w, order)
        assert sp.simplify(got - want) == 0
    assert sp.simplify(sg.inline(sp.diff(e, w, x)) - sp.diff(plain, w, x)) == 0


def test_sympys_derivative_of_tensor_operations(rng):
    v = sg.data("v", shape=3)
    e = sg.logsumexp(v * w) + sg.sum(sp.tanh(v) * w) ** 2 + sg.relu(w * x) * sg.sigmoid(w)
    arrays = {w: 0.8, x: np.array([1.2, -0.5]), v: rng.standard_normal((2, 3))}
    for order in (1, 2):
        ours = e
        for _ in range(order):
            ours = sg.gradient(ours, w)
        np.testing.assert_allclose(
            value(sp.diff(e, w, order), arrays), value(ours, arrays), rtol=1e-13
        )


def test_a_let_is_held_independent():
    h = sg.let("h", w * x)
    assert sg.gradient(h**2 * x, h) == 2 * h * x
    assert sg.gradient(sg.let("k", h**2) * x, h) == 2 * h * x
    g = sg.gradient(h**2 * w, [h, w])
    assert g[h] == 2 * h * w and g[w] == h**2


def test_hypers_and_data_have_gradients():
    lam = sg.hyper("lam", 0.1)
    assert sg.gradient(lam * w**2, lam) == w**2
    assert sg.gradient(w * x**3, x) == 3 * w * x**2


def test_plain_symbols_have_gradients():
    p, q = sp.symbols("p q")
    assert sg.gradient(p**2 * sp.sin(q), p) == 2 * p * sp.sin(q)
    assert sp.simplify(sg.gradient(sp.exp(p * q), q) - p * sp.exp(p * q)) == 0


def test_what_does_not_occur_has_the_gradient_zero():
    W = sg.parameter("W", shape=(2, 3), init=0)
    g = sg.gradient(x**2, [w, W])
    assert g[w] == 0
    assert sg.shape(g[W]) == (2, 3)
    assert not value(g[W], {}).any()


# ---- refused


def test_only_scalars_have_a_gradient():
    v = sg.data("v", shape=3)
    with pytest.raises(ValueError, match=r"2\*v has shape \(3,\): sg.sum adds it up"):
        sg.gradient(2 * v, v)


@pytest.mark.parametrize("v", ["w", 3, w**2, None])
def test_gradients_are_taken_for_symbols(v):
    with pytest.raises(TypeError):
        sg.gradient(w**2, v)


@pytest.mark.parametrize(
    "e", [sg.expectation(x * w), x * sg.expectation(x**2), x * sg.sum(sg.batch(x)),
          sg.sum(sg.batch(x) ** 2)]
)  # fmt: skip
def test_one_samples_data_reach_no_other_sample(e):
    with pytest.raises(ValueError, match=r"sg.expectation|mini-batch"):
        sg.gradient(e, x)


def test_a_let_of_the_minibatch_may_be_held(rng):
    m = sg.let("m", sg.expectation(x))
    g = sg.gradient((x - m) ** 2, m)
    arrays = {x: rng.standard_normal(5)}
    np.testing.assert_allclose(value(g, arrays), -2 * (arrays[x] - arrays[x].mean()), rtol=1e-13)


def test_expressions_and_blocks_give_the_same_numbers(rng):
    v = sg.data("v", shape=4)
    W = sg.parameter("W", shape=(3, 4), init=0)
    h = sg.let("h", sp.tanh(W @ v))
    loss = sg.expectation(sg.logsumexp(h) ** 2 + sg.sum(sg.softmax(h) * h) + sg.max(h * h))
    arrays = {v: rng.standard_normal((6, 4)), W: rng.standard_normal((3, 4))}
    (a,), (p,) = gradients(loss, [W], arrays), through_expressions(loss, [W], arrays)
    np.testing.assert_allclose(a, p, rtol=1e-13)
