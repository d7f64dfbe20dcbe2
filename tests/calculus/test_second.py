"""Jacobians, Hessians and products with them beside torch's."""

import numpy as np
import pytest
import sympy as sp
import torch
from torch.autograd import functional

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.express import Expressions
from symgrad.calculus.reference import evaluate
from symgrad.language.row import TABLE
from tests.language.rows import apply_row, cases

A = np.random.default_rng(1).standard_normal((4, 3))

FUNCTIONS = {
    "linear": (lambda x: sg.constant(A) @ x, lambda x: torch.tensor(A) @ x),
    "network": (
        lambda x: sp.tanh(sg.constant(A) @ sp.sin(x)) ** 2,
        lambda x: torch.tanh(torch.tensor(A) @ torch.sin(x)) ** 2,
    ),
    "softmax": (lambda x: sg.softmax(x**2), lambda x: torch.softmax(x**2, 0)),
    "scalar": (lambda x: sg.sum(sp.exp(x) * x), lambda x: (torch.exp(x) * x).sum()),
    "few": (lambda x: sg.cumsum(x**3)[:2], lambda x: torch.cumsum(x**3, 0)[:2]),
    "outer": (lambda x: sg.outer(x, x**2), lambda x: torch.outer(x, x**2)),
    "branches": (
        lambda x: sg.where(x > 0, sp.log(x), x**2) * sg.sum(x),
        lambda x: torch.where(x > 0, torch.log(x.clamp(min=1e-9)), x**2) * x.sum(),
    ),
    "constant": (lambda x: sg.sum(x) * 0 + sg.constant(A), lambda x: x.sum() * 0 + torch.tensor(A)),
}  # fmt: skip


def value(e, arrays):
    block = capture({"y": e}).check()
    return evaluate(block, arrays)[block.outputs["y"]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_is_torchs(name, rng):
    ours, theirs = FUNCTIONS[name]
    x, point = sg.parameter("x", shape=3), rng.standard_normal(3)
    J = sg.jacobian(ours(x), x)
    want = functional.jacobian(theirs, torch.tensor(point)).numpy()
    assert sg.shape(J) == want.shape
    np.testing.assert_allclose(value(J, {x: point}), want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n != "constant"])
def test_products_with_the_jacobian_are_torchs(name, rng):
    ours, theirs = FUNCTIONS[name]
    x, point = sg.parameter("x", shape=3), rng.standard_normal(3)
    J = functional.jacobian(theirs, torch.tensor(point)).numpy()
    t, weights = rng.standard_normal(3), rng.standard_normal(J.shape[:-1])
    forward = sg.jvp(ours(x), x, t)
    backward = sg.vjp(ours(x), x, weights)
    np.testing.assert_allclose(value(forward, {x: point}), J @ t, rtol=1e-11, atol=1e-12)
    want = np.tensordot(weights, J, J.ndim - 1)
    np.testing.assert_allclose(value(backward, {x: point}), want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["network", "softmax", "scalar", "branches"])
def test_hessian_is_torchs(name, rng):
    ours, theirs = FUNCTIONS[name]
    x, point = sg.parameter("x", shape=3), rng.standard_normal(3)
    loss = sg.sum(ours(x) ** 2) if sg.shape(ours(x)) else ours(x)

    def their_loss(x):
        return (theirs(x) ** 2).sum() if theirs(x).ndim else theirs(x)

    want = functional.hessian(their_loss, torch.tensor(point)).numpy()
    np.testing.assert_allclose(value(sg.hessian(loss, x), {x: point}), want, rtol=1e-10, atol=1e-11)
    t = rng.standard_normal(3)
    np.testing.assert_allclose(
        value(sg.hvp(loss, x, t), {x: point}), want @ t, rtol=1e-10, atol=1e-11
    )


def test_several_symbols(rng):
    W, b = sg.parameter("W", shape=(2, 3), init=0), sg.parameter("b", shape=2)
    x = sg.constant([1.0, 2.0, 3.0])
    z = sp.tanh(W @ x + b)
    arrays = {W: rng.standard_normal((2, 3)), b: rng.standard_normal(2)}
    J = sg.jacobian(z, [W, b])
    assert sg.shape(J[W]) == (2, 2, 3) and sg.shape(J[b]) == (2, 2)
    t = {W: np.ones((2, 3)), b: np.array([1.0, -1.0])}
    want = value(J[W], arrays).sum((1, 2)) + value(J[b], arrays) @ t[b]
    np.testing.assert_allclose(value(sg.jvp(z, [W, b], t), arrays), want)
    H = sg.hessian(sg.sum(z**2), [W, b])
    np.testing.assert_allclose(
        value(H[W][b], arrays), np.moveaxis(value(H[b][W], arrays), 0, 2), rtol=1e-12
    )
    product = sg.hvp(sg.sum(z**2), [W, b], t)
    want = value(H[b][W], arrays).sum((1, 2)) + value(H[b][b], arrays) @ t[b]
    np.testing.assert_allclose(value(product[b], arrays), want, rtol=1e-12)


def test_a_known_sparsity_saves_sweeps(rng):
    n = 12
    x, point = sg.parameter("x", shape=n), rng.standard_normal(n)
    z = x**3 * sg.roll(x, 1)
    pattern = np.eye(n, dtype=bool) | np.eye(n, k=-1, dtype=bool)
    pattern[0, -1] = True
    sparse, dense = sg.jacobian(z, x, sparsity=pattern), sg.jacobian(z, x)
    np.testing.assert_allclose(value(sparse, {x: point}), value(dense, {x: point}), rtol=1e-13)
    sizes = [len(capture({"J": J}).equations) for J in (sparse, dense)]
    assert sizes[0] < sizes[1] / 2


def test_of_one_samples_data(rng):
    x = sg.data("x")
    u = sp.sin(x) * x
    points = rng.standard_normal(5)
    want = 2 * np.cos(points) - points * np.sin(points)
    np.testing.assert_allclose(value(sg.hessian(u, x), {x: points}), want, rtol=1e-12)
    np.testing.assert_allclose(
        value(sg.jvp(sg.gradient(u, x), x, 1), {x: points}), want, rtol=1e-12
    )


def test_a_direction_of_another_shape_is_refused():
    x = sg.parameter("x", shape=3)
    with pytest.raises(ValueError, match=r"shape \(2,\), not \(3,\)"):
        sg.jvp(x**2, x, np.ones(2))
    with pytest.raises(ValueError, match="known sizes"):
        sg.jacobian(sg.batch(sg.data("z")) * 1.0, x)


def test_second_derivatives_that_vanish_are_short():
    w, b, x = sg.parameter("w", shape=3), sg.parameter("b"), sg.data("x", shape=3)
    e = w @ x + 2 * b
    assert str(sg.hessian(e, w)) == "broadcast_to(0, shape=(3, 3))"
    assert sg.hessian(e, b) == 0 and sg.hessian(e, [w, b])[b][b] == 0
    assert str(sg.jacobian(w * 1.0, x)) == "broadcast_to(0, shape=(3, 3))"
    f = sg.function(sg.hessian(e, w), [w], target="reference")
    np.testing.assert_array_equal(f(np.ones(3)), np.zeros((3, 3)))


def test_what_sympy_folds_keeps_its_shape(rng):
    """Halves of a product of three hold a vector of ones, which is written as x = x."""
    x, point = sg.parameter("x", shape=(2, 3)), rng.standard_normal((2, 3))
    got = value(sg.hessian(sg.sum(sg.prod(x, axis=1) ** 2), x), {x: point})
    want = functional.hessian(lambda x: (x.prod(1) ** 2).sum(), torch.tensor(point))
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-12, atol=1e-13)


DIFFERENTIABLE = [
    name for name, row in TABLE.items()
    if any(row.pullback) and row.kind != "level" and name not in ("custom", "pentagamma")
]  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_every_row_has_all_derivatives_in_every_case(name, rng):
    """jvp beside central differences, jacobian and vjp beside jvp, hvp beside differences of
    gradients."""
    every = cases(TABLE[name])
    for case in every[2:5:2] if TABLE[name].kind == "pointwise" else every:  # broadcast, and empty
        e, at, symbols, t = directed(name, case, rng)
        along = at(sg.jvp(e, symbols, t))
        np.testing.assert_allclose(along, slope(at, e), rtol=1e-5, atol=1e-6)
        J = sg.jacobian(e, symbols)
        full = sum(np.tensordot(at(J[s]), t[s], t[s].ndim) for s in symbols)
        np.testing.assert_allclose(full, along, rtol=1e-9, atol=1e-11)
        u = rng.standard_normal(sg.shape(e))
        pulled = sg.vjp(e, symbols, u)
        back = sum(np.vdot(at(pulled[s]), t[s]) for s in symbols)
        np.testing.assert_allclose(back, np.vdot(u, along), rtol=1e-9, atol=1e-11)
        if name == "tetragamma":  # its second derivative has no row
            continue
        loss = sg.sum(u * e) if sg.shape(e) else u * e
        H, g = sg.hvp(loss, symbols, t), sg.gradient(loss, symbols)
        for s in symbols:
            np.testing.assert_allclose(at(H[s]), slope(at, g[s]), rtol=1e-4, atol=1e-5)


def directed(name, case, rng):
    """A row as an expression of parameters and constants, its value near a point, a direction."""
    row = TABLE[name]
    applied = apply_row(row, case, "none", rng)
    (e,) = Expressions(applied.builder.block({})).of([applied.result.operand])
    e = e.subs({s: sg.constant(applied.arrays[s]) for s in applied.operands if s.dtype == "int"})
    symbols = [s for s in applied.operands if s.dtype == "float" and s in e.free_symbols]
    point = {s: applied.arrays[s] for s in symbols}
    t = {s: rng.standard_normal(s.shape) for s in symbols}
    if row.domain.positive:  # symmetric matrices
        t[symbols[0]] = t[symbols[0]] + t[symbols[0]].swapaxes(-1, -2)

    def at(e, step=0.0):
        return value(e, {s: point[s] + step * t[s] for s in symbols})

    return e, at, symbols, t


def slope(at, e, step=1e-5):
    return (at(e, step) - at(e, -step)) / (2 * step)


def test_directions_and_patterns_that_do_not_fit_are_refused():
    x, y = sg.parameter("x", shape=3), sg.parameter("y", shape=2)
    with pytest.raises(ValueError, match="a tangent for each of x, y; 1 found"):
        sg.jvp(sg.sum(x) * y, [x, y], {x: np.ones(3)})
    with pytest.raises(ValueError, match=r"sparsity has shape \(2, 2\), and the Jacobian \(3, 3\)"):
        sg.jacobian(x**2, x, sparsity=np.ones((2, 2)))


@pytest.mark.parametrize("derivative", [sg.jacobian, sg.hessian, lambda e, v: sg.jvp(e, v, 1)])
def test_derivatives_are_taken_for_symbols(derivative):
    y = sg.data("y")
    with pytest.raises(TypeError, match="for symbols; y.*2 is none"):
        derivative(y**4, y**2)
