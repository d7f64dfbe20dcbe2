"""SymPy's Sum, Product, Indexed and Matrix beside what they mean in NumPy."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.calculus.values import value

x, w = sg.data("x", shape=4), sg.parameter("w")
A = sg.parameter("A", shape=(2, 4), init=0)
a, b = sg.data("a b")
i, j = sp.symbols("i j", integer=True)
X, M = sp.IndexedBase(x), sp.IndexedBase(A)


@pytest.fixture
def arrays(rng):
    return {
        x: rng.standard_normal((3, 4)), w: rng.standard_normal(()), A: rng.standard_normal((2, 4)),
        a: rng.standard_normal(3), b: rng.standard_normal(3),
    }  # fmt: skip


def powers(v, n):
    return v ** np.arange(n + 1)[:, None]


WRITTEN = {
    "indexed": (X[2] * w, lambda v: v[x][:, 2] * v[w]),
    "sum": (sp.Sum(X[i] ** 2, (i, 0, 3)), lambda v: (v[x] ** 2).sum(1)),
    "part": (sp.Sum(X[i] * i, (i, 1, 2)), lambda v: v[x][:, 1] + 2 * v[x][:, 2]),
    "empty": (sp.Sum(X[i], (i, 2, 1)) + a, lambda v: v[a]),
    "product": (sp.Product(1 + X[i], (i, 0, 3)), lambda v: (1 + v[x]).prod(1)),
    "matrix": (sp.Sum(M[i, j] * X[j], (j, 0, 3), (i, 0, 1)), lambda v: (v[x] @ v[A].T).sum(1)),
    "triangle": (
        sp.Sum(X[i] * X[j], (i, 0, j), (j, 0, 3)),
        lambda v: np.einsum("bi,bj,ij->b", v[x], v[x], np.triu(np.ones((4, 4)))),
    ),
    "series": (sp.Sum(a**i / sp.factorial(i), (i, 0, 20)), lambda v: np.exp(v[a])),
    "series of tensors": (
        sg.sum(sp.Sum(x**i / 2**i, (i, 0, 3))),
        lambda v: sum(v[x] ** k / 2**k for k in range(4)).sum(1),
    ),
    "in a let": (sp.Sum(sg.let("h", a * i) ** 2, (i, 1, 2)), lambda v: 5 * v[a] ** 2),
    "python": (sum(X[k] for k in range(4)), lambda v: v[x].sum(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_sums_are_written_out(name, arrays):
    e, meant = WRITTEN[name]
    np.testing.assert_allclose(value(e, arrays), meant(arrays), rtol=1e-12)


def test_gradient_of_a_sum_of_indexed(arrays):
    g = sg.gradient(sp.Sum((X[i] - w) ** 2, (i, 0, 3)), w)
    np.testing.assert_allclose(value(g, arrays), (2 * (arrays[w] - arrays[x])).sum(1))
    g = sg.gradient(sp.Sum(X[i] ** 2, (i, 0, 3)), x)
    np.testing.assert_allclose(value(g, arrays), 2 * arrays[x])


def test_matrices_of_scalars(arrays):
    K = sp.Matrix([[a, 1], [2 * w, b]])
    v = sg.stack([a, b])
    want = arrays[a] ** 2 + arrays[b], 2 * arrays[w] * arrays[a] + arrays[b] ** 2
    np.testing.assert_allclose(value(K @ v, arrays), np.stack(want, 1), rtol=1e-14)
    np.testing.assert_allclose(value(sg.det(K), arrays), value(K.det(), arrays), rtol=1e-12)
    np.testing.assert_allclose(value(sg.sum(K.as_immutable()), arrays), value(sum(K), arrays))
    assert sg.shape(v @ sp.eye(2)) == (2,)
    rotated = sp.Matrix([[sp.cos(w), -sp.sin(w)], [sp.sin(w), sp.cos(w)]]) * sp.Matrix([a, b])
    g = sg.gradient(rotated.dot(rotated), w)
    np.testing.assert_allclose(value(g + 0 * a, arrays), 0, atol=1e-14)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: sg.gradient(sp.Sum(w**i, (i, 0, j)), w), ValueError, "whole numbers"),
        (lambda: sg.gradient(sp.Sum(w**i, (i, 0, sp.oo)), w), ValueError, "whole numbers"),
        (lambda: sg.gradient(sp.IndexedBase("q")[1] * w, w), ValueError, "has no shape"),
        (lambda: sg.gradient(M[1] * w, w), ValueError, "1 indices"),
        (lambda: sg.gradient(X[4] * w, w), IndexError, "out of range"),
        (lambda: sg.sum(sp.Matrix([x, x])), TypeError, "holds scalars"),
    ],
)
def test_what_cannot_be_written_out_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
