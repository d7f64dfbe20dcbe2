"""Lets: `sg.inline`, `sg.substitute`, and what SymPy's own substitution may do."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.calculus.values import value

x, y = sg.data("x y")
w = sg.parameter("w")
v, u = sg.data("v", shape=3), sg.data("u", shape=3)
W = sg.parameter("W", shape=(2, 3), init=0)
h = sg.let("h", w * x)


def test_inline_removes_lets_everywhere():
    a = sg.let("a", sg.let("b", x + 1) ** 2)
    assert sg.inline(a + 1) == (x + 1) ** 2 + 1
    e = sg.sum(sg.let("z", W @ sg.let("t", 2 * v)) ** 2)
    assert sg.inline(e) == sg.sum((W @ (2 * v)) ** 2)
    assert not {s for s in sg.inline(e).free_symbols if s.name in ("z", "t")}
    assert sg.inline(3) == 3 and sg.inline(x) == x


def test_substitute_reaches_into_lets_and_operations(rng):
    e = sg.logsumexp(sg.let("z", W @ sp.sin(v)) * h) + h**2
    moved = sg.substitute(e, {v: u, w: y})
    arrays = {
        W: rng.standard_normal((2, 3)), v: rng.standard_normal((4, 3)), x: rng.standard_normal(4),
        w: 1.3,
    }  # fmt: skip
    other = {W: arrays[W], u: arrays[v], x: arrays[x], y: np.full(4, 1.3)}
    np.testing.assert_allclose(value(moved, other), value(e, arrays), rtol=1e-14)
    assert str(moved) == str(e)  # lets keep their names
    assert v not in moved.free_symbols and w not in moved.free_symbols


def test_substitute_spreads_scalars():
    e = sg.substitute(sg.sum(W @ v), {v: 2})
    W0 = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(value(e, {W: W0}), 2 * W0.sum())
    assert sg.shape(sg.substitute(v + 0 * x, {v: 1})) == (3,)


def test_substitute_of_a_let_itself():
    assert sg.substitute(h**2 + 1, {h: 3}) == 10
    assert sg.inline(sg.substitute(sg.let("k", h**2), {h: y})) == y**2


def test_substitute_is_simultaneous():
    assert sg.substitute(x - 2 * y, {x: y, y: x}) == y - 2 * x


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"v has shape \(3,\), W has shape \(2, 3\)"):
        sg.substitute(sg.sum(v), {v: W})


@pytest.mark.parametrize("strings", [{"x": 1}, {x: "1"}])
def test_strings_are_refused(strings):
    with pytest.raises(TypeError, match="is not an expression"):
        sg.substitute(x, strings)


@pytest.mark.parametrize(
    "e", [h**2, h**2 + w, sg.sum(W @ sg.let("z", 2 * v)) * h, sp.sin(h) * x, sg.sum(h * W)]
)
def test_plain_subs_of_a_hidden_symbol_is_an_error(e):
    with pytest.raises(ValueError, match=r"w stands inside the let .* use sg.substitute"):
        e.subs(w, 2)
    with pytest.raises(ValueError, match="use sg.substitute"):
        e.xreplace({w: y})
    with pytest.raises(ValueError, match="use sg.substitute"):
        e.evalf(subs={w: 2.0})


@pytest.mark.parametrize(
    "e",
    [
        sg.sum(v), W @ v, sg.softmax(v), v[0], v[::-1], W.T, sg.reshape(W, -1), sg.outer(v, v),
        sg.concatenate([v, u]), W[sg.data("k", dtype=int)], sg.max(W, axis=0), sg.batch(v) @ u,
        sg.sum(2 * v), sg.softmax(W @ sp.sin(v)), sg.softmax(v * 2) @ u,
        sg.expectation(v), sg.broadcast_to(v, (2, 3)), sg.sum(v, axis=0, keepdims=True),
    ],
    ids=str,
)  # fmt: skip
def test_plain_subs_keeps_the_shapes_of_operands(e):
    z = v if v in e.free_symbols else W
    for moved in (e.subs(z, 2), e.xreplace({z: sp.Integer(2)})):
        assert sg.shape(moved) == sg.shape(e) and z not in moved.free_symbols
    with pytest.raises(ValueError, match=r"has shape .*, other has shape \(7,\)"):
        e.subs(z, sg.data("other", shape=7))
    assert e.subs(z, z) == e and e.xreplace({}) == e


def test_sympys_questions_about_operations_have_answers():
    assert sg.sum(v).is_constant() in (False, None)
    assert not sg.sum(v).equals(sg.sum(u)) and (sg.sum(v) + 1).equals(1 + sg.sum(v))
    assert sp.simplify(sg.sum(v) > 0) == (sg.sum(v) > 0)


def test_plain_subs_of_what_can_be_seen():
    assert (h**2 + y).subs(y, 2) == h**2 + 2 and (h**2 + 1).subs(h, 3) == 10
    assert sg.sum(v).subs(v, u) == sg.sum(u) and (W @ v).subs(v, u) == W @ u
    assert (x * y).subs({x: 2, y: 3}) == 6
