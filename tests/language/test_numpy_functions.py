"""NumPy's arrays and functions on symbolic tensors."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.language.numpy_functions import UFUNCS
from tests.calculus.values import value

x = sg.data("x", shape=3)
W = sg.parameter("W", shape=(2, 3), init=0)
A = np.arange(6.0).reshape(2, 3)
SYMBOLIC = {
    "symbol": x,
    "sum": x + 0.5,
    "product": 2 * x,
    "function": sp.tanh(x),
    "let": sg.let("h", x**2),
}


@pytest.mark.parametrize("kind", SYMBOLIC)
def test_arrays_become_constants_on_both_sides(kind, rng):
    e = SYMBOLIC[kind]
    arrays = {x: rng.standard_normal((4, 3))}
    z = value(e, arrays)
    for made, want in [
        (A * e, A * z[:, None]), (e * A, A * z[:, None]), (A + e, A + z[:, None]),
        (e - A, z[:, None] - A), (A - e, A - z[:, None]), (e / (A + 1), z[:, None] / (A + 1)),
        (A @ e, z @ A.T), (e @ A.T, z @ A.T), (np.float64(2) * e, 2 * z),
        (e * np.float32(2), 2 * z), (np.int64(2) + e, 2 + z), (e ** np.int64(2), z**2),
        (np.float64(2) ** e, 2**z), (np.array(3.0) * e, 3 * z), ((A > 2) * e, (A > 2) * z[:, None]),
    ]:  # fmt: skip
        assert isinstance(made, sp.Expr)
        np.testing.assert_allclose(value(made, arrays), want, rtol=1e-14)


def test_an_array_on_the_right_of_an_assignment(rng):
    e = x + 1
    e += np.ones(3)
    np.testing.assert_allclose(value(e, {x: np.zeros((1, 3))}), [[2.0, 2.0, 2.0]])


UNARY = [n for n in UFUNCS if getattr(np, n).nin == 1 and n not in ("logical_not", "conjugate")]
BINARY = [n for n in UFUNCS if getattr(np, n).nin == 2 and not n.startswith("logical")]


@pytest.mark.parametrize("kind", ["symbol", "sum"])
@pytest.mark.parametrize("name", UNARY)
def test_unary_ufuncs(name, kind, rng):
    e = SYMBOLIC[kind]
    f = getattr(np, name)
    at = rng.uniform(1.1, 2.0, (2, 3)) if name == "arccosh" else rng.uniform(0.1, 0.45, (2, 3))
    z = value(e, {x: at})
    np.testing.assert_allclose(value(f(e), {x: at}), f(z), rtol=1e-13)


@pytest.mark.parametrize("name", BINARY)
def test_binary_ufuncs(name, rng):
    f = getattr(np, name)
    at, b = rng.uniform(0.1, 2, (2, 3)), rng.uniform(0.1, 2, 3)
    for made, want in [
        (f(x, b), f(at, b)),
        (f(b, x + 1), f(b, at + 1)),
        (f(x, x + 1), f(at, at + 1)),
    ]:
        e = made if isinstance(made, sp.Expr) else sg.indicator(made)
        np.testing.assert_allclose(value(e, {x: at}), want, rtol=1e-13)


def test_logical_ufuncs(rng):
    at = rng.standard_normal((5, 3))
    e = np.logical_or(np.logical_and(x > 0, x < 1), np.logical_not(x > -1))
    np.testing.assert_array_equal(
        value(sg.indicator(e), {x: at}), ((at > 0) & (at < 1)) | ~(at > -1)
    )


@pytest.mark.parametrize("kind", SYMBOLIC)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda z: np.sum(z), "sg.sum"), (lambda z: np.mean(z), "sg.mean"),
        (lambda z: np.dot(A, z), "sg.dot"), (lambda z: np.dot(z, A), "sg.dot"),
        (lambda z: np.max(z), "sg.max"), (lambda z: np.amax(z), "sg.max"),
        (lambda z: np.min(z), "sg.min"), (lambda z: np.prod(z), "sg.prod"),
        (lambda z: np.transpose(z), "sg.transpose"), (lambda z: np.reshape(z, 3), "sg.reshape"),
        (lambda z: np.concatenate([z, z]), "sg.concatenate"),
        (lambda z: np.outer(z, z), "sg.outer"),
        (lambda z: np.einsum("i,i->", z, z), "sg.einsum"), (lambda z: np.inner(z, z), "sg.dot"),
        (lambda z: np.where(z > 0, z, 0), "sg.where"), (lambda z: np.take(z, 0), "sg.take"),
        (lambda z: np.linalg.norm(z), "np.norm"), (lambda z: np.fft.fft(z), "operations"),
        (lambda z: np.broadcast_to(z, (2, 3)), "sg.broadcast_to"),
    ],
)  # fmt: skip
def test_array_functions_are_refused_and_name_ours(call, name, kind):
    with pytest.raises(TypeError, match=name):
        call(SYMBOLIC[kind])


def test_other_uses_of_ufuncs_are_refused():
    for call in (
        lambda: np.add.reduce(x), lambda: np.add.outer(x, A), lambda: np.sin(x, out=np.zeros(3)),
        lambda: np.gcd(x, 2), lambda: np.add(x, A, where=A > 0), lambda: np.nextafter(x + 1, 0.5),
        lambda: np.modf(x + 1),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="does not know symbolic tensors"):
            call()


@pytest.mark.parametrize("array", [np.array(["a", "b", "c"]), np.array([1j, 2, 3]),
                                   np.array([sp.Symbol("q")] * 3, dtype=object),
                                   np.array([None, 1, 2], dtype=object)])  # fmt: skip
@pytest.mark.parametrize("kind", ["symbol", "sum"])
def test_other_arrays_are_refused(array, kind):
    with pytest.raises(TypeError, match="wants real numbers"):
        SYMBOLIC[kind] * array


def test_a_list_of_sums_is_no_tensor():
    with pytest.raises(TypeError):
        sg.sum(np.array([x + 1, x + 2], dtype=object))
    with pytest.raises(TypeError):
        sg.sum([x, x])
