"""Reductions against NumPy's and torch's: axes, keepdims, ties, stability, refusals."""

import mpmath
import numpy as np
import pytest
import scipy.special
import torch

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.reference import evaluate
from tests.calculus.values import gradients, value
from tests.language.against_torch import expanded

SHAPES = [(4,), (2, 3), (3, 1, 2)]
NUMPY = {
    "sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min,
    "logsumexp": scipy.special.logsumexp,
}  # fmt: skip
KEEPING = {"softmax": scipy.special.softmax, "log_softmax": scipy.special.log_softmax}


def axes_of(shape):
    rank = len(shape)
    return [None, *range(-rank, rank), *[(a, b) for a in range(rank) for b in range(rank) if a < b]]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NUMPY)
def test_reductions_are_numpys(name, shape, keepdims, rng):
    z = sg.data("z", shape=shape)
    array = rng.standard_normal((2, *shape))
    for axis in axes_of(shape):
        e = getattr(sg, name)(z, axis=axis, keepdims=keepdims)
        want = np.stack([NUMPY[name](one, axis=axis, keepdims=keepdims) for one in array])
        assert sg.shape(e) == want.shape[1:]
        np.testing.assert_allclose(value(e, {z: array}), want, rtol=1e-13)
        single = value(e, {z: array.astype(np.float32)}, dtype=np.float32)
        np.testing.assert_allclose(single, want, rtol=3e-5, atol=1e-5)


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_is_scipys(name, shape, rng):
    z = sg.data("z", shape=shape)
    array = rng.standard_normal((2, *shape))
    for axis in axes_of(shape)[1:]:
        want = np.stack([KEEPING[name](one, axis=axis) for one in array])
        np.testing.assert_allclose(
            value(getattr(sg, name)(z, axis=axis), {z: array}), want, rtol=1e-13
        )


def test_softmax_takes_the_last_axis_by_default(rng):
    z = sg.data("z", shape=(2, 3))
    assert sg.softmax(z) == sg.softmax(z, axis=1) == sg.softmax(z, axis=-1)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_ties_share_as_in_torch(name, axis):
    z = sg.parameter("z", shape=(3, 3), init=0)
    array = np.array([[1.0, 2.0, 2.0], [2.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    (g,) = gradients(sg.sum(getattr(sg, name)(z, axis=axis, keepdims=True)), [z], {z: array})
    t = torch.tensor(array, requires_grad=True)
    reduce = getattr(torch, "a" + name)
    reduce(t, dim=(0, 1) if axis is None else axis).sum().backward()
    np.testing.assert_allclose(g, t.grad.numpy(), rtol=1e-15)


def test_products_with_zeros(rng):
    z = sg.parameter("z", shape=4, init=0)
    for zeros in range(5):
        array = rng.uniform(1, 2, 4)
        array[:zeros] = 0
        (g,) = gradients(sg.prod(z), [z], {z: array})
        want = [np.prod(np.delete(array, k)) for k in range(4)]
        np.testing.assert_allclose(g, want, rtol=1e-14)


FAR = [
    [1e4, 0.0, -1e4], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [700.0, 710.0, -745.0],
    [0.0, 0.0, 1e-20], [-np.inf, 0.0, 1.0], [80.0, 90.0, 100.0], [0.0, -40.0, -80.0],
]  # fmt: skip


@pytest.mark.parametrize("row", FAR, ids=str)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_far_logits_stay_finite_and_right(row, dtype, rtol):
    z = sg.data("z", shape=3)
    array = np.array([row], dtype=dtype)
    with mpmath.workdps(50):
        exps = [mpmath.exp(mpmath.mpf(float(v))) for v in array[0]]
        total = mpmath.log(sum(exps))
        want_soft = [float(e / sum(exps)) for e in exps]
        want_log = [float(mpmath.mpf(float(v)) - total) for v in array[0]]
        want = float(total)
    tiny = np.finfo(dtype).tiny
    np.testing.assert_allclose(value(sg.logsumexp(z), {z: array}, dtype)[0], want, rtol=rtol)
    soft = value(sg.softmax(z), {z: array}, dtype)[0]
    np.testing.assert_allclose(soft, want_soft, rtol=rtol, atol=tiny)
    log = value(sg.log_softmax(z), {z: array}, dtype)[0]
    np.testing.assert_allclose(log, want_log, rtol=rtol)
    for name, wanted in {"logsumexp": want, "softmax": want_soft, "log_softmax": want_log}.items():
        block = expanded(capture({"y": getattr(sg, name)(z)}))
        spelled = evaluate(block, {z: array}, dtype=dtype)[block.outputs["y"]][0]
        np.testing.assert_allclose(spelled, wanted, rtol=rtol, atol=tiny, err_msg=name)
    (g,) = gradients(sg.logsumexp(z), [z], {z: array}, dtype)
    np.testing.assert_allclose(g[0], want_soft, rtol=rtol, atol=tiny)


def test_logsumexp_of_nothing_possible():
    z = sg.data("z", shape=2)
    arrays = {z: np.full((1, 2), -np.inf)}
    assert value(sg.logsumexp(z), arrays)[0] == -np.inf
    z1 = {z: np.array([[np.inf, 0.0]])}
    assert value(sg.logsumexp(z), z1)[0] == np.inf
    assert np.isnan(value(sg.logsumexp(z), {z: np.array([[np.nan, 0.0]])})[0])


def test_relations_reduce_as_0_and_1(rng):
    z = sg.data("z", shape=(3, 2))
    array = rng.standard_normal((4, 3, 2))
    np.testing.assert_array_equal(value(sg.sum(z > 0, axis=0), {z: array}), (array > 0).sum(1))
    np.testing.assert_allclose(value(sg.mean(z > 0), {z: array}), (array > 0).mean((1, 2)))
    np.testing.assert_array_equal(value(sg.max(z > 0), {z: array}), (array > 0).max((1, 2)))


def test_sums_of_integers_are_integers():
    u = sg.data("u", shape=3, dtype=int)
    P = sg.parameter("P", shape=(10, 2), init=0)
    assert sg.sum(u).dtype == "int" and sg.mean(u).dtype == "float"
    assert sg.shape(P[sg.sum(u)]) == (2,)


def test_printing():
    z = sg.data("z", shape=(2, 3))
    assert str(sg.sum(z)) == "sum(z)" and str(sg.sum(z, axis=0)) == "sum(z, axis=0)"
    assert str(sg.max(z, axis=(0, 1), keepdims=True)) == "max(z, keepdims=True)"
    assert str(sg.mean(sg.sum(z**2, axis=1))) == "mean(sum(z**2, axis=1))"


@pytest.mark.parametrize("name", [*NUMPY, *KEEPING])
def test_refusals(name):
    f = getattr(sg, name)
    v = sg.data("v", shape=(2, 3))
    with pytest.raises(ValueError, match="has no axes to work on: 1 has shape .*z/z is 1"):
        f(v / v)
    with pytest.raises(ValueError, match="has no axes to work on: x has shape"):
        f(sg.data("x"))
    with pytest.raises(IndexError, match=r"axis 2 does not exist in one sample's 2 axes .*torch's"):
        f(v, axis=2)
    with pytest.raises(ValueError, match="names an axis twice"):
        f(v, axis=(0, -2))
    with pytest.raises(TypeError, match="an axis is an int"):
        f(v, axis=0.5)
    with pytest.raises(TypeError, match="an axis is an int"):
        f(v, axis=True)
    with pytest.raises(TypeError, match="positional"):
        f(v, 0)
    with pytest.raises(TypeError, match="'v' of type str"):
        f("v")
