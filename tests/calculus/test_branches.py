"""The branch not taken never spoils a gradient: values and gradients at the bad points."""

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.calculus.reference import evaluate
from symgrad.calculus.simplify import simplify
from tests.calculus.values import gradients, through_expressions, value
from tests.language.against_torch import expanded

x, y = sg.data("x y")
log, exp, sqrt = sp.log, sp.exp, sp.sqrt
where = sg.where

# expression -> {(x, y): (value, d/dx, d/dy)}
CASES = {
    "log": (where(x > 0, log(x), 0),
         {(0, 0): (0, 0, 0), (-1, 0): (0, 0, 0), (2, 0): (np.log(2), 0.5, 0)}),
    "sqrt": (where(x > 0, sqrt(x), x),
         {(0, 0): (0, 1, 0), (-1, 0): (-1, 1, 0), (4, 0): (2, 0.25, 0)}),
    "division": (where(sp.Ne(x, 0), y / x, 0), {(0, 3): (0, 0, 0), (2, 3): (1.5, -0.75, 0.5)}),
    "power": (where(x > 0, x**y, 0), {(0, 0): (0, 0, 0), (0, -1): (0, 0, 0), (-1, 0.5): (0, 0, 0)}),
    "x**y at 0": (x**y, {(0, 2): (0, 0, 0), (0, 1): (0, 1, 0)}),
    "entropy": (where(x > 0, -x * log(x), 0), {(0, 0): (0, 0, 0), (1, 0): (0, -1, 0)}),
    "inside": (log(where(x > 0, x, 1)),
         {(0, 0): (0, 0, 0), (-3, 0): (0, 0, 0), (2, 0): (np.log(2), 0.5, 0)}),
    "nested": (where(x > 0, where(y > 0, log(x * y), 0), sqrt(-x)),
         {(1, 0): (0, 0, 0), (1, -2): (0, 0, 0), (-4, 0): (2, -0.25, 0),
          (2, 2): (np.log(4), 0.5, 0.5)}),
    "chain": (where(x > 0, sp.sin(log(x)) ** 2 + exp(1 / x), y),
         {(0, 5): (5, 0, 1), (-1, 5): (5, 0, 1)}),
    "overflow": (where(x < 10, exp(x), x), {(1000, 0): (1000, 1, 0), (0, 0): (1, 1, 0)}),
    "overflow of a square": (where(x < 10, exp(x) ** 2, 0), {(1000, 0): (0, 0, 0)}),
    "two logs": (where(x > 0, log(x), log(-x)),
         {(-2, 0): (np.log(2), -0.5, 0), (2, 0): (np.log(2), 0.5, 0)}),
    "product": (where(x > 0, log(x), 0) * where(y > 0, 1 / y, 0),
         {(0, 0): (0, 0, 0), (1, 0): (0, 0, 0)}),
    "asin": (where(sp.Abs(x) < 1, sp.asin(x), 0),
         {(1, 0): (0, 0, 0), (2, 0): (0, 0, 0), (0, 0): (0, 1, 0)}),
    "acosh": (where(x > 1, sp.acosh(x), 0), {(1, 0): (0, 0, 0), (0, 0): (0, 0, 0)}),
    "atanh": (where(sp.Abs(x) < 1, sp.atanh(x), 0), {(1, 0): (0, 0, 0), (3, 0): (0, 0, 0)}),
    "reciprocal square root": (where(x > 0, 1 / sqrt(x), 0),
         {(0, 0): (0, 0, 0), (4, 0): (0.5, -1 / 16, 0)}),
    "three ways": (sp.Piecewise((log(x), x > 1), (sqrt(x), x > 0), (0, True)),
         {(0, 0): (0, 0, 0), (-1, 0): (0, 0, 0), (1, 0): (1, 0.5, 0), (2, 0): (np.log(2), 0.5, 0)}),
    "and": (where(sp.And(x > 0, y > 0), log(x) / sqrt(y), 1),
         {(0, 1): (1, 0, 0), (1, 0): (1, 0, 0)}),
    "max": (sp.Max(log(where(x > 0, x, 1)), -1), {(0, 0): (0, 0, 0), (-1, 0): (0, 0, 0)}),
    "max of a log": (sp.Max(log(x), -100), {(0, 0): (-100, 0, 0), (2, 0): (np.log(2), 0.5, 0)}),
    "min of an exp": (sp.Min(exp(x), 100), {(1000, 0): (100, 0, 0), (0, 0): (1, 1, 0)}),
    "relu of a log": (sg.relu(log(x)), {(0, 0): (0, 0, 0), (2, 0): (np.log(2), 0.5, 0)}),
    "sigmoid of 1/x": (where(sp.Ne(x, 0), sg.sigmoid(1 / x), 0.5), {(0, 0): (0.5, 0, 0)}),
    "tan": (where(sp.Abs(x) < 1, sp.tan(x), 0), {(0, 0): (0, 1, 0), (2, 0): (0, 0, 0)}),
    "cosh": (where(x < 5, sp.cosh(x), 1), {(1e4, 0): (1, 0, 0), (0, 0): (1, 0, 0)}),
    "cancelling": (where(x > 0, log(x), 0) - where(x > 0, log(x), 0), {(0, 0): (0, 0, 0)}),
    "let": (where(x > 0, sg.let("l", log(x)) * y, 0), {(0, 2): (0, 0, 0), (1, 2): (0, 2, 0)}),
    "atan2": (where(sp.Ne(x, 0), sp.atan2(x, y), 0), {(0, 0): (0, 0, 0)}),
    "abs under a root": (where(sp.Ne(x, 0), sqrt(sp.Abs(x)), 0),
         {(0, 0): (0, 0, 0), (-4, 0): (2, -0.25, 0)}),
    "condition from a bad value": (where(log(x) > 0, log(x), 0),
         {(0.5, 0): (0, 0, 0), (0, 0): (0, 0, 0)}),
    "sum of branches": (where(x > 0, log(x), 0) + where(x > 0, 0, log(1 - x)),
         {(0, 0): (0, -1, 0)}),
    "sinc": (sp.sinc(x), {(0, 0): (1, 0, 0)}),
    "acos": (where(sp.Abs(x) < 1, sp.acos(x), 0),
         {(1, 0): (0, 0, 0), (-1, 0): (0, 0, 0), (0, 0): (np.pi / 2, -1, 0)}),
    "log1p": (where(x > -1, sg.log1p(x), 0), {(-1, 0): (0, 0, 0), (-2, 0): (0, 0, 0)}),
    "cbrt": (where(sp.Ne(x, 0), sg.cbrt(x), 0), {(0, 0): (0, 0, 0), (-8, 0): (-2, 1 / 12, 0)}),
    "rsqrt": (where(x > 0, sg.rsqrt(x), y), {(0, 3): (3, 0, 1), (4, 3): (0.5, -1 / 16, 0)}),
    "hypot": (where(sp.Ne(x, 0), sg.hypot(x, y), 0), {(0, 0): (0, 0, 0), (3, 4): (5, 0.6, 0.8)}),
    "xlogy": (where(y > 0, sg.xlogy(x, y), 0), {(0, 0): (0, 0, 0), (1, -1): (0, 0, 0)}),
    "logit": (where(sp.And(x > 0, x < 1), sg.logit(x), 0),
         {(0, 0): (0, 0, 0), (1, 0): (0, 0, 0), (0.5, 0): (0, 4, 0)}),
    "gamma": (where(x > 0, sp.gamma(x), 0), {(0, 0): (0, 0, 0), (-1, 0): (0, 0, 0)}),
    "loggamma": (where(x > 0, sp.loggamma(x), 0), {(0, 0): (0, 0, 0), (-1, 0): (0, 0, 0)}),
    "digamma": (where(x > 0, sg.digamma(x), 0), {(0, 0): (0, 0, 0), (-2, 0): (0, 0, 0)}),
    "log2 and log10": (where(x > 0, sg.log2(x) - sg.log10(x), 0), {(0, 0): (0, 0, 0)}),
    "logaddexp": (where(x < 9, sg.logaddexp(x, exp(x)), 0), {(1e4, 0): (0, 0, 0)}),
    "log of a difference": (where(x > y, log(x - y), 0), {(1, 1): (0, 0, 0), (0, 1): (0, 0, 0)}),
    "root of a sum of squares": (where(x**2 + y**2 > 0, sqrt(x**2 + y**2), 0),
         {(0, 0): (0, 0, 0), (3, 4): (5, 0.6, 0.8)}),
    "log of log": (where(x > 1, log(log(x)), 0), {(0, 0): (0, 0, 0), (1, 0): (0, 0, 0)}),
    "cotangent": (where(sp.Ne(x, 0), sp.cot(x), 0), {(0, 0): (0, 0, 0)}),
    "x log x": (where(x > 0, x * log(x), 0), {(0, 0): (0, 0, 0), (1, 0): (0, 1, 0)}),
    "remainder": (where(sp.Ne(y, 0), sp.Mod(x, y), 0), {(1, 0): (0, 0, 0), (5, 3): (2, 1, -1)}),
    "exp(-1/x)": (where(x > 0, exp(-1 / x), 0), {(0, 0): (0, 0, 0), (-1, 0): (0, 0, 0)}),
    "exp(-1/x**2)": (where(sp.Ne(x, 0), exp(-1 / x**2), 0), {(0, 0): (0, 0, 0)}),
    "(1 - cos x)/x**2": (where(sp.Ne(x, 0), (1 - sp.cos(x)) / x**2, 0.5),
         {(0, 0): (0.5, 0, 0)}),
    "negative power": (where(x > 0, x**-1.5, 0), {(0, 0): (0, 0, 0), (1, 0): (1, -1.5, 0)}),
    "power of a parameter": (where(x > 0, x**y, x), {(0, 0.5): (0, 1, 0), (-1, 0.5): (-1, 1, 0)}),
    "power in the second of three":
        (sp.Piecewise((y, x <= -5), (x**1.5, x > 0), (y, True)),
         {(-1, 2): (2, 0, 1), (-6, 2): (2, 0, 1), (0, 2): (2, 0, 1), (4, 2): (8, 3, 0)}),
    "remainder beside a factor": (where(sp.Ne(y, 0), x * sp.Mod(x, y), 0),
         {(1, 0): (0, 0, 0), (5, 3): (10, 7, -5)}),
    "remainder in a branch of a branch":
        (where(sp.Ne(y, 0), where(y > -9, sp.Mod(x, y), x), 0),
         {(1, 0): (0, 0, 0), (5, 3): (2, 1, -1)}),
    "max with a root": (sp.Max(0, where(x > 0, sqrt(x), 0)), {(0, 0): (0, 0, 0)}),
    "clamp": (sg.clamp(where(x > 0, 1 / x, 0), 0, 2), {(0, 0): (0, 0, 0), (1, 0): (1, -1, 0)}),
    "log of a clamp": (log(sg.clamp(x, 0.5, None)), {(0, 0): (np.log(0.5), 0, 0)}),
    "else": (where(x <= 0, 0, log(x)), {(0, 0): (0, 0, 0), (2, 0): (np.log(2), 0.5, 0)}),
    "or": (where(sp.Or(x > 1, x < -1), sqrt(x**2 - 1), 0), {(1, 0): (0, 0, 0), (0, 0): (0, 0, 0)}),
    "two in one": (where(x > 0, log(x) + where(y > 0, sqrt(y), 0), 0),
         {(0, 0): (0, 0, 0), (0, 4): (0, 0, 0), (1, 0): (0, 1, 0), (1, 4): (2, 1, 0.25)}),
    "a let of a choice": (sg.let("s", where(x > 0, sqrt(x), 0)) ** 2,
         {(0, 0): (0, 0, 0), (4, 0): (4, 1, 0)}),
    "erfinv": (where(sp.Abs(x) < 1, sp.erfinv(x), 0), {(1, 0): (0, 0, 0), (-2, 0): (0, 0, 0)}),
    "relu of 1/x": (where(x > 0, sg.relu(1 / x), 0), {(0, 0): (0, 0, 0), (2, 0): (0.5, -0.25, 0)}),
    "softplus of a log": (where(x > 0, sg.softplus(log(x)), 0), {(0, 0): (0, 0, 0)}),
    "root of a relu": (sqrt(sg.relu(x)), {(-1, 0): (0, 0, 0), (4, 0): (2, 0.25, 0)}),
    "root of a max": (sqrt(sp.Max(x, 0)), {(-1, 0): (0, 0, 0), (4, 0): (2, 0.25, 0)}),
    "root of a max of three": (sqrt(sp.Max(x, 0, y)),
         {(-1, -2): (0, 0, 0), (4, 1): (2, 0.25, 0), (1, 4): (2, 0, 0.25)}),
    "root of a min": (sqrt(-sp.Min(x, 0)), {(1, 0): (0, 0, 0), (-4, 0): (2, -0.25, 0)}),
    "root of relu6": (sg.cbrt(6 - sg.relu6(x)), {(7, 0): (0, 0, 0), (5, 0): (1, -1 / 3, 0)}),
    "reciprocal of a relu": (exp(-1 / sg.relu(x)), {(-1, 0): (0, 0, 0)}),
}  # fmt: skip


def arrays_of(points):
    return {x: np.array([p[0] for p in points], float), y: np.array([p[1] for p in points], float)}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_at_the_bad_points(name):
    e, points = CASES[name]
    arrays = arrays_of(points)
    want = np.array(list(points.values()), float)
    for route in (gradients, through_expressions):
        found = [np.broadcast_to(g, len(points)) for g in route(e, [x, y], arrays)]
        np.testing.assert_allclose(np.stack(found, 1), want[:, 1:], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(value(e, arrays), want[:, 0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_what_the_kernels_get_is_as_safe(name):
    e, points = CASES[name]
    arrays = arrays_of(points)
    block = capture({"value": e})
    names = [block.inputs[s] for s in (x, y) if s in block.inputs]
    full, operands = derive(simplify(block), block.outputs["value"], names)
    want = {s: [p[k + 1] for p in points.values()] for k, s in enumerate((x, y))}
    outputs = {n.label: g for n, g in zip(names, operands, strict=True) if hasattr(g, "per_sample")}
    spelled = expanded(full.__class__(full.inputs, full.equations, outputs))
    values = evaluate(spelled, arrays)
    for label, output in spelled.outputs.items():
        symbol = {"x": x, "y": y}[label]
        got = np.broadcast_to(values[output], len(points))
        np.testing.assert_allclose(got, want[symbol], rtol=1e-13, atol=1e-15)


def test_there_are_more_than_fifty():
    assert len(CASES) >= 60


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_all_of_them_in_one_function_on_each_target(target):
    expressions = [d for e, _ in CASES.values() for d in (e, *sg.gradient(e, [x, y]).values())]
    points = sorted({p for _, cases in CASES.values() for p in cases})
    arrays = arrays_of(points)
    found = sg.function(expressions, [x, y], target=target)(arrays[x], arrays[y])
    for k, (name, (_, cases)) in enumerate(CASES.items()):
        for point, want in cases.items():
            got = [np.broadcast_to(f, len(points))[points.index(point)]
                   for f in found[3 * k : 3 * k + 3]]  # fmt: skip
            np.testing.assert_allclose(got, want, 1e-12, 1e-14, err_msg=f"{name} at {point}")


v, c = sg.data("v", shape=3), sg.data("c")
W, U = sg.parameter("W", shape=(2, 3), init=0), sg.parameter("U", shape=3)
TENSORS = {
    "product": sg.sum(W @ log(v)),
    "dot": U @ log(v * U),
    "sum": sg.sum(W * log(v)),
    "outer": sg.sum(sg.outer(log(v), U)),
    "logsumexp": sg.logsumexp(log(v) * U),
    "softmax": sg.sum(sg.softmax(U / v) ** 2),
    "norm": sg.norm(U / v),
    "prod": sg.prod(U / v),
    "max": sg.max(U * log(v)),
    "variance": sg.var(U / v),
    "cumsum": sg.sum(sg.cumsum(U * log(v)) ** 2),
    "inverse": sg.sum(sg.inv(sg.outer(v, v) + sg.diag(v)) @ U),
    "logdet": sg.logdet(sg.outer(v, v) * U[0] + sg.diag(v)),
    "rows": sg.sum((W @ (U / v))[::-1] ** 2),
    "network": sg.sum(sp.tanh(W @ log(v)) * W[:, 0]),
}


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_samples_that_do_not_take_the_branch_add_nothing(target):
    """The gradients are those of the other samples alone."""
    gradients = [sg.gradient(sg.expectation(where(c > 0, e, 0)), [W, U]) for e in TENSORS.values()]
    wanted = [g for both in gradients for g in both.values()]
    f, others = (sg.function(wanted, [v, c, W, U], target=t) for t in (target, "reference"))
    V = np.array([[1.0, 2, 3], [0, 1, 2], [0, 0, 0], [3, 0.5, 1], [-1, 2, 0]])
    taken = np.array([1.0, -1, -1, 1, 0])
    weights = np.array([[1.0, -0.5, 2], [0.3, 0.7, -1]]), np.array([1.0, 0.5, 2])
    found = f(V, taken, *weights)
    alone = others(V[taken > 0], taken[taken > 0], *weights)
    for k, (got, want) in enumerate(zip(found, alone, strict=True)):
        assert np.isfinite(want).all()
        np.testing.assert_allclose(
            got, want * 2 / 5, rtol=1e-11, atol=1e-13, err_msg=[*TENSORS][k // 2]
        )


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives_at_the_bad_points_are_no_nan(name):
    if name in ("x**y at 0",):
        return
    e, points = CASES[name]
    for first in sg.gradient(e, [x, y]).values():
        for second in through_expressions(first, [x, y], arrays_of(points)):
            assert not np.isnan(second).any()


def test_tensor_conditions(rng):
    v, w = sg.data("v", shape=4), sg.parameter("w", shape=4)
    e = sg.expectation(sg.sum(where(v > 0, log(v) * w, sqrt(-v))))
    arrays = {
        v: np.array([[0.0, 1.0, -4.0, 2.0], [-1.0, 0.5, 3.0, 0.0]]),
        w: rng.standard_normal(4),
    }
    (g,) = gradients(e, [w], arrays)
    V = arrays[v]
    want = np.where(V > 0, np.log(np.where(V > 0, V, 1)), 0).mean(0)
    np.testing.assert_allclose(g, want, rtol=1e-13)


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,jk->ki", "ij,ik->jk", "ij,jk->ijk"])
def test_contractions_of_infinite_elements_in_the_branch_not_taken(subscripts, rng):
    """What meets an infinite element is infinite itself: where the loss is finite no adjoint
    reaches it, and each element may be masked as a whole."""
    first, out = subscripts.split(",")[0], subscripts.split("->")[1]
    W, v, c = sg.parameter("W", shape=(3, 3)), sg.data("v", shape=(3, 3)), sg.data("c", shape=3)
    product = sg.einsum(subscripts, W, log(v))
    axis = out.index("k")
    chosen = sg.reshape(c, tuple(3 if a == axis else 1 for a in range(len(out))))
    e = sg.expectation(sg.sum(where(chosen > 0, product**2, 0)))
    V, C = rng.uniform(0.5, 2, (4, 3, 3)), rng.uniform(0.5, 2, (4, 3))
    V[0, 1, 2], C[0, 2], V[2, :, 0], C[2, 0] = 0, 0, 0, -1  # columns k
    arrays = {W: rng.standard_normal((3, 3)), v: V, c: C}
    t = torch.tensor(arrays[W], requires_grad=True)
    logs = torch.tensor(np.log(np.where(V > 0, V, 1)))
    terms = torch.einsum(f"{first},n{subscripts.split('->')[0].split(',')[1]}->n{out}", t, logs)
    keep = torch.tensor(C > 0).reshape(4, *(3 if a == axis else 1 for a in range(len(out))))
    (want,) = torch.autograd.grad(torch.where(keep, terms**2, 0).sum() / 4, t)
    for route in (gradients, through_expressions):
        np.testing.assert_allclose(route(e, [W], arrays)[0], want, rtol=1e-12)


def test_masked_rows_of_a_softmax_do_not_reach_the_gradient(rng):
    z, keep = sg.parameter("z", shape=4), sg.data("keep", shape=4)
    e = sg.expectation(sg.logsumexp(where(keep > 0, z, -sp.oo)))
    arrays = {z: rng.standard_normal(4), keep: np.array([[1.0, 0, 1, 0], [1, 1, 0, 0]])}
    (g,) = gradients(e, [z], arrays)
    soft = [np.exp(arrays[z]) * k / (np.exp(arrays[z]) * k).sum() for k in arrays[keep]]
    np.testing.assert_allclose(g, np.mean(soft, 0), rtol=1e-13)


def test_a_choice_inside_a_condition(rng):
    v = sg.data("v", shape=3)
    inner = where(v > 0, v, -2 * v)
    e = where(sp.And(inner @ inner > 1, inner > 0.5), inner**2, where(inner < 1, v, 0))
    at = rng.standard_normal((20, 3))
    a = np.where(at > 0, at, -2 * at)
    taken = ((a**2).sum(1, keepdims=True) > 1) & (a > 0.5)
    want = np.where(taken, a**2, np.where(a < 1, at, 0))
    np.testing.assert_allclose(value(e, {v: at}), want, rtol=1e-14)
    slope = np.where(at > 0, 1, -2)
    want = np.where(taken, 2 * a * slope, np.where(a < 1, 1, 0))
    for route in (gradients, through_expressions):
        np.testing.assert_allclose(route(sg.sum(e), [v], {v: at})[0], want, rtol=1e-13)


def test_parameters_shared_by_samples_on_both_sides():
    w = sg.parameter("w")
    e = sg.expectation(where(x > 0, w * log(x), w * x))
    (g,) = gradients(e, [w], {w: 2.0, x: np.array([0.0, 1.0, -3.0, np.e])})
    np.testing.assert_allclose(g, (0 + 0 - 3 + 1) / 4, rtol=1e-13)


def test_infinite_where_it_is_taken_stays_infinite():
    (g,) = gradients(where(x >= 0, sqrt(x), 0), [x], {x: np.array([0.0])})
    assert g == np.inf
    assert np.isnan(value(where(x > 0, log(-x), 0), {x: np.array([1.0])}))


def test_an_infinite_slope_reaches_the_largest_element_alone():
    v = sg.data("v", shape=3)
    found = gradients(sqrt(sg.max(v) - 2), [v], {v: np.array([[1.0, 2.0, 0.5]])})
    np.testing.assert_array_equal(found[0], [[0, np.inf, 0]])
