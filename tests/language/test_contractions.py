"""`@`, dot, outer and einsum against NumPy's, in every rank and every form of subscripts."""

import hypothesis.strategies as st
import numpy as np
import pytest
import sympy as sp
from hypothesis import given

import symgrad as sg
from tests.calculus.values import gradients, value
from tests.language.against_torch import weights

N = 2
SIZES = {"i": 2, "j": 3, "k": 1, "l": 2, "m": 0}


@st.composite
def einsums(draw):
    """(subscripts as a user may write them, shapes)."""
    count = draw(st.integers(1, 3))
    letters = "ijkl" if draw(st.booleans()) else "ijklm"
    terms, shapes = [], []
    dots = draw(st.lists(st.sampled_from([1, 2, 3]), max_size=2)) if draw(st.booleans()) else None
    for _ in range(count):
        term = draw(st.text(letters, max_size=3))
        shape = tuple(SIZES[c] for c in term)
        if dots is not None and draw(st.booleans()):
            own = [d if draw(st.booleans()) else 1 for d in dots[draw(st.integers(0, len(dots))) :]]
            at = draw(st.integers(0, len(term)))
            term, shape = term[:at] + "..." + term[at:], (*shape[:at], *own, *shape[at:])
        terms.append(term)
        shapes.append(shape)
    text = ",".join(terms)
    if draw(st.booleans()):
        used = sorted({c for t in terms for c in t if c.isalpha()})
        out = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
        ellipsis = "..." if "..." in text else ""
        text += "->" + ellipsis + "".join(out)
    return text, shapes


@given(case=einsums(), levels=st.lists(st.booleans(), min_size=3, max_size=3))
def test_every_einsum_is_numpys(case, levels):
    text, shapes = case
    rng = np.random.default_rng(0)
    symbols, arrays = [], {}
    for k, (shape, sampled) in enumerate(zip(shapes, levels, strict=False)):
        symbols.append((sg.data if sampled else sg.parameter)(f"a{k}", shape=shape))
        arrays[symbols[-1]] = rng.standard_normal(((N,) if sampled else ()) + shape)
    e = sg.einsum(text, *symbols)
    want = np.stack([
        np.einsum(text, *(arrays[s][b] if s.role == "data" else arrays[s] for s in symbols))
        for b in range(N)
    ])  # fmt: skip
    any_sampled = any(s.role == "data" for s in symbols)
    assert sg.shape(e) == want.shape[1:]
    np.testing.assert_allclose(value(e, arrays), want if any_sampled else want[0], atol=1e-13)
    assert str(e) and sp.latex(e)


def test_einsums_gradient_is_torchs(rng):
    import torch

    for text, shapes in {
        "ij,jk,kl->il": [(2, 3), (3, 4), (4, 2)], "ii->i": [(3, 3)], "ii": [(3, 3)],
        "...i,...i->...": [(2, 3), (2, 3)], "ij,ij->": [(2, 3), (2, 3)],
        "iij,j->i": [(2, 2, 3), (3,)], "...ij,jk": [(2, 2, 3), (3, 2)],
        "i,i,i->i": [(3,), (3,), (3,)], "ij->": [(2, 3)], "ij,kl->il": [(2, 3), (2, 2)],
    }.items():  # fmt: skip
        symbols = [sg.parameter(f"a{k}", shape=s, init=0) for k, s in enumerate(shapes)]
        arrays = {s: rng.standard_normal(s.shape) for s in symbols}
        e = sg.einsum(text, *symbols)
        W = weights(sg.shape(e), 1)
        found = gradients(sg.sum(e * W) if W.shape else e * float(W), symbols, arrays)
        t = [torch.tensor(arrays[s], requires_grad=True) for s in symbols]
        (torch.einsum(text, *t) * torch.tensor(W)).sum().backward()
        for got, theirs in zip(found, t, strict=True):
            np.testing.assert_allclose(
                got, theirs.grad.numpy(), rtol=1e-12, atol=1e-13, err_msg=text
            )


SHAPES = [(3,), (2, 3), (1, 3), (4, 2, 3), (1, 2, 3), (5, 1, 2, 3), (0, 3), (2, 0, 3)]
RIGHT = [(3,), (3, 2), (3, 1), (4, 3, 2), (1, 3, 2), (5, 4, 3, 2), (3, 0)]


@pytest.mark.parametrize("left", SHAPES)
@pytest.mark.parametrize("right", RIGHT)
def test_matmul_is_numpys_at_every_rank(left, right, rng):
    a, b = sg.data("a", shape=left), sg.parameter("b", shape=right, init=0)
    arrays = {a: rng.standard_normal((N, *left)), b: rng.standard_normal(right)}
    try:
        want = np.stack([np.matmul(one, arrays[b]) for one in arrays[a]])
    except ValueError:
        with pytest.raises(ValueError, match="broadcast"):
            a @ b
        return
    e = a @ b
    assert sg.shape(e) == want.shape[1:] and e == sg.matmul(a, b)
    np.testing.assert_allclose(value(e, arrays), want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("left", "right"), [((3,), (4,)), ((2, 3), (2, 3)), ((2, 3), (4,)), ((4, 2, 3), (4, 2, 2))]
)
def test_matmul_says_which_shapes_do_not_fit(left, right):
    a, b = sg.data("a", shape=left), sg.data("b", shape=right)
    with pytest.raises(ValueError, match="a @ b: shapes .* do not fit"):
        a @ b


@pytest.mark.parametrize("other", [2, sp.Integer(3), sg.data("x"), np.float64(2)])
def test_matmul_of_scalars_is_refused(other):
    v = sg.data("v", shape=3)
    for product in (lambda: v @ other, lambda: other @ v):
        with pytest.raises(ValueError, match="@ wants vectors or matrices"):
            product()


def test_dot_and_outer(rng):
    p, q = sg.data("p", shape=3), sg.data("q", shape=3)
    r = sg.data("r", shape=2)
    arrays = {s: rng.standard_normal((N, *s.shape)) for s in (p, q, r)}
    np.testing.assert_allclose(value(sg.dot(p, q), arrays), (arrays[p] * arrays[q]).sum(1))
    want = arrays[p][:, :, None] * arrays[r][:, None]
    np.testing.assert_allclose(value(sg.outer(p, r), arrays), want)
    assert str(sg.outer(p, r)) == "outer(p, r)" and str(sg.dot(p, q)) == "p @ q"
    with pytest.raises(ValueError, match="sg.outer wants two vectors"):
        sg.outer(p, sg.data("x"))


@pytest.mark.parametrize("contraction", [sg.dot, sg.matmul])
def test_a_vanished_shape_is_explained(contraction):
    v = sg.data("v", shape=3)
    with pytest.raises(ValueError, match="SymPy may have simplified a tensor away"):
        contraction(v / v, v)
    with pytest.raises(ValueError, match="simplified a tensor away"):
        sg.einsum("i,i->", v - v, v)


@pytest.mark.parametrize(
    ("text", "shapes", "error"),
    [
        ("ij,j->i", [(2, 3)], "names 2 operands; 1 were given"),
        ("ij->i", [(2,)], "has 2 letters for an operand of shape"),
        ("i,i->", [(2,), (3,)], "equal sizes along 'i'"),
        ("ij->ii", [(2, 2)], "must occur once"), ("ij->k", [(2, 2)], "'k'"),
        ("i;j->", [(2,)], "must hold letters"), ("i.->i", [(2,)], "must hold letters"),
        ("......i->i", [(2,)], "must hold letters"), ("ij", [(2, 3, 4)], "has 2 letters"),
        ("é->", [(2,)], "must hold letters"), ("i->i->", [(2,)], "letters"),
    ],
)  # fmt: skip
def test_einsum_refuses(text, shapes, error):
    with pytest.raises(ValueError, match=error):
        sg.einsum(text, *(sg.data(f"a{k}", shape=s) for k, s in enumerate(shapes)))


def test_einsum_wants_its_subscripts_first():
    v = sg.data("v", shape=3)
    with pytest.raises(TypeError, match="subscripts first"):
        sg.einsum(v, "i->")


def test_products_print_as_in_a_paper():
    W, V = sg.parameter("W", shape=(3, 4), init=0), sg.parameter("V", shape=(4, 3), init=0)
    x, y = sg.data("x", shape=4), sg.data("y", shape=3)
    assert str(W @ x) == "W @ x" and str(y @ W) == "y @ W" and str(W @ V) == "W @ V"
    assert str((W + 1) @ (2 * x)) == "(W + 1) @ (2*x)"
    assert str(W @ x + y) == "y + W @ x" and str((W @ x) * y) == "y*(W @ x)"
    assert str(-(W @ x)) == "-W @ x" and str((W @ x) ** 2) == "(W @ x)**2"
    assert str(W @ (V @ y)) == "W @ (V @ y)" and str((W @ V) @ y) == "(W @ V) @ y"
    assert str(W.T @ y) == "W.T @ y" and str(sp.tanh(W @ x)) == "tanh(W @ x)"
    assert str((W @ x)[0] / 2) == "(W @ x)[0]/2"
    assert sp.latex(W @ x) == "W x" and sp.latex(y @ W) == r"W^\top y"
