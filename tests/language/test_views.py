"""Rearrangements against NumPy's, and their refusals."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.calculus.values import gradients, value

Z = sg.data("z", shape=(2, 3, 4))


@pytest.fixture
def array(rng):
    return rng.standard_normal((5, 2, 3, 4))


@pytest.mark.parametrize(
    ("ours", "numpy"),
    [
        (lambda z: sg.transpose(z), lambda a: a.T), (lambda z: z.T, lambda a: a.T),
        (lambda z: z.transpose(), lambda a: a.T), (lambda z: sp.transpose(z), lambda a: a.T),
        (lambda z: sp.adjoint(z), lambda a: a.T), (lambda z: sp.conjugate(z), lambda a: a),
        (lambda z: sp.transpose(z + 1), lambda a: a.T + 1),
        (lambda z: sg.transpose(z, (1, 0, 2)), lambda a: a.transpose(1, 0, 2)),
        (lambda z: sg.transpose(z, (-1, 0, 1)), lambda a: a.transpose(2, 0, 1)),
        (lambda z: sg.reshape(z, -1), lambda a: a.reshape(-1)),
        (lambda z: sg.reshape(z, 24), lambda a: a.reshape(24)),
        (lambda z: sg.reshape(z, (4, -1)), lambda a: a.reshape(4, -1)),
        (lambda z: sg.reshape(sp.sin(z), (6, 4)), lambda a: np.sin(a).reshape(6, 4)),
        (lambda z: sg.broadcast_to(z, (2, 2, 3, 4)), lambda a: np.broadcast_to(a, (2, 2, 3, 4))),
        (lambda z: sg.broadcast_to(z[:, :1], (2, 3, 4)),
         lambda a: np.broadcast_to(a[:, :1], a.shape)),
        (lambda z: sg.concatenate([z, 2 * z]), lambda a: np.concatenate([a, 2 * a])),
        (lambda z: sg.concatenate([z, z[:, :1], z], axis=1),
         lambda a: np.concatenate([a, a[:, :1], a], axis=1)),
        (lambda z: sg.concatenate([z], axis=-1), lambda a: a),
        (lambda z: sg.concatenate([z, np.ones((2, 3, 1))], axis=2),
         lambda a: np.concatenate([a, np.ones((2, 3, 1))], axis=2)),
    ],
)  # fmt: skip
def test_views_are_numpys(ours, numpy, array):
    e = ours(Z)
    want = np.stack([numpy(one) for one in array])
    assert sg.shape(e) == want.shape[1:]
    np.testing.assert_array_equal(value(e, {Z: array}), want)
    weights = np.cos(np.arange(want[0].size)).reshape(want[0].shape)
    (g,) = gradients(sg.sum(e * weights), [Z], {Z: array})
    h, slope = 1e-6, np.sin(np.arange(array.size)).reshape(array.shape)
    change = [numpy(a + h * s) - numpy(a - h * s) for a, s in zip(array, slope, strict=True)]
    np.testing.assert_allclose(
        (g * slope).sum((1, 2, 3)), (np.stack(change) * weights).reshape(5, -1).sum(1) / (2 * h),
        rtol=1e-7,
    )  # fmt: skip


def test_views_print():
    W = sg.parameter("W", shape=(2, 3), init=0)
    assert str(W.T) == "W.T" and str(sg.transpose(W + 1)) == "(W + 1).T"
    assert str(Z[0, ::2, -1]) == "z[0, ::2, 3]" and str(Z[:, 1:]) == "z[:, 1:]"
    assert str(Z[::-1]) == "z[::-1]" and str(Z[..., 0]) == "z[:, :, 0]"
    assert str(sg.reshape(Z, -1)) == "reshape(z, (24,))"
    assert W.T.T == W or sg.shape(W.T.T) == (2, 3)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: sg.transpose(Z, (0, 1)), ValueError, "not a permutation of 3 axes"),
        (lambda: sg.transpose(Z, (0, 0, 1)), ValueError, "not a permutation of 3 axes"),
        (lambda: sg.reshape(Z, 5), ValueError, r"shape \(2, 3, 4\) does not fill"),
        (lambda: sg.reshape(Z, (-1, 5)), ValueError, "does not fill"),
        (lambda: sg.reshape(Z, (-1, -1)), ValueError, "does not fill"),
        (lambda: sg.broadcast_to(Z, (2, 3)), ValueError, "does not broadcast to"),
        (lambda: sg.broadcast_to(Z, (2, 6, 4)), ValueError, "does not broadcast to"),
        (lambda: sg.concatenate([]), ValueError, "at least one value"),
        (lambda: sg.concatenate([Z, Z[0]]), ValueError, "values of one rank"),
        (lambda: sg.concatenate([sg.data("x")]), ValueError, "values of one rank from 1"),
        (lambda: sg.concatenate([Z, Z[:, :1]]), ValueError, "do not concatenate along axis 0"),
        (lambda: sg.concatenate([Z], axis=3), IndexError, "axis 3 does not exist in 3 axes"),
        (lambda: Z + sg.data("v", shape=5) + 0 * Z, None, ""),
    ],
)
def test_refusals(make, error, text):
    if error is None:
        with pytest.raises(ValueError, match="do not broadcast together"):
            sg.shape(make())
        return
    with pytest.raises(error, match=text):
        make()


def test_joined_axes_of_symbolic_sizes_have_gradients(rng):
    n, m = sg.dim("n m")
    a, b = sg.data("a", shape=n), sg.data("b", shape=m)
    loss = sg.sum(sg.concatenate([a, b, a]) ** 3) + sg.sum(sg.pad(a, 1) ** 2)
    g = sg.gradient(loss, [a, b])
    h = sg.gradient(sg.sum(g[a] ** 2), a)
    f = sg.function([g[a], g[b], h], [a, b], target="reference")
    A, B = rng.standard_normal((5, 2)), rng.standard_normal((5, 3))
    for got, want in zip(
        f(A, B), (6 * A**2 + 2 * A, 3 * B**2, 2 * (6 * A**2 + 2 * A) * (12 * A + 2)), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (sg.diag, "sg.diag wants .* of known sizes"),
        (lambda a: sg.roll(a, 1, axis=0), "sg.roll wants an axis of a known size"),
        (lambda a: sg.split(a, 2), "sg.split wants an axis of a known size"),
        (lambda a: sg.one_hot(0, a.shape[0]), "sg.one_hot wants a number of classes, not n"),
        (lambda a: a[[0, -1]], "index -1: axis 0 of a has the symbolic size n"),
        (
            lambda a: sg.gradient(sg.gradient(sg.prod(a), a)[0], a),
            "second derivative .* wants known sizes",
        ),
    ],
)
def test_what_wants_known_sizes_says_so(make, text):
    with pytest.raises((ValueError, TypeError, IndexError), match=text):
        make(sg.data("a", shape=sg.dim("n")))
