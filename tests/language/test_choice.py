"""Functions of choices beside torch: SymPy folds nothing into the branches."""

import pickle

import numpy as np
import pytest
import sympy as sp
import torch
import torch.nn.functional as F

import symgrad as sg

X = np.array([-1.5, 0.3, 0.9, 1.0, 2.0])
x, w = sg.data("x w")

FUNCTIONS_OF_CHOICES = {
    "rsqrt of threshold": (sg.rsqrt(sg.threshold(x, 0.5, 0)),
                           lambda x: torch.rsqrt(F.threshold(x, 0.5, 0))),
    "log of clamp": (sg.where(x > 0, sp.log(sg.clamp(x, 0, 1)), x),
                     lambda x: torch.where(x > 0, torch.log(torch.clamp(x, 0, 1)), x)),
    "1/clamp": (1 / sg.clamp(x, 0, 1), lambda x: 1 / torch.clamp(x, 0, 1)),
    "square of relu written out": (sg.where(x > 0, x, 0) ** 2,
                                   lambda x: torch.where(x > 0, x, 0) ** 2),
    "choice in a condition": (sg.where(sg.clamp(x, 0, 1) > sg.hardshrink(x), x**2, 1 / x),
                              lambda x: torch.where(torch.clamp(x, 0, 1) > F.hardshrink(x),
                                                    x**2, 1 / x)),
    "SymPy's own": (sp.sqrt(sp.Piecewise((x, x > 0), (-x * 2, True))),
                    lambda x: torch.sqrt(torch.where(x > 0, x, -x * 2))),
}  # fmt: skip


@pytest.fixture(params=["reference", "cpu"])
def target(request):
    return request.param


def test_functions_of_choices_are_torchs(target):
    ours = [e for e, _ in FUNCTIONS_OF_CHOICES.values()]
    f = sg.function([*ours, *(sg.gradient(e, x) for e in ours)], [x], target=target)
    found = f(X)
    for k, (name, (_, theirs)) in enumerate(FUNCTIONS_OF_CHOICES.items()):
        t = torch.tensor(X, requires_grad=True)
        y = theirs(t)
        (slope,) = torch.autograd.grad(y.sum(), t)
        np.testing.assert_allclose(found[k], y.detach(), rtol=1e-14, err_msg=name)
        taken = np.isfinite(slope.numpy())  # torch's are NaN where the branch is not taken
        np.testing.assert_allclose(found[k + len(ours)][taken], slope[taken], rtol=1e-13)
        assert np.isfinite(found[k + len(ours)]).all() or "1/" in name


def test_what_sympy_folds_into_a_branch_is_nan_there(target):
    """sqrt(Piecewise((-1, x < 0), ..)) holds the branch I, and 1/Piecewise((0, ..)) a zoo."""
    root = sp.sqrt(sp.Piecewise((-(x**2), x < 0), (x, True)))
    inverse = 1 / sp.Piecewise((0, x < 0), (x, True))
    assert root.has(sp.I) and inverse.has(sp.zoo)
    used = [sg.where(x < 0, w, e) for e in (root, inverse)]
    outputs = [root, *(sg.gradient(e, v) for e in (root, *used) for v in (x, w))]
    value, *slopes = sg.function(outputs, [x, w], target=target)(X, X)
    np.testing.assert_array_equal(np.isnan(value), X < 0)
    x0, w0, x1, w1, x2, w2 = slopes
    np.testing.assert_allclose(x1, [0, *0.5 * X[1:] ** -0.5], rtol=1e-14)
    np.testing.assert_allclose(x2, [0, *-(X[1:] ** -2)], rtol=1e-14)
    np.testing.assert_array_equal([w1, w2], [[1, 0, 0, 0, 0]] * 2)
    assert np.isfinite(x0).all() and w0 == 0


@pytest.mark.parametrize(
    "number", [sp.I * x, 1 / (x - x) + sp.sin(x), sg.where(x > 0, 1, 2) * sp.I]
)
def test_a_complex_number_outside_of_branches_is_refused(number):
    with pytest.raises(ValueError, match="is complex; symgrad's models are real"):
        sg.function(number, [x], target="reference")


def test_a_choice_is_sympys_to_its_surroundings():
    e = sg.where(x > 1, x**2, sg.where(x < -1, 1, 3))
    assert str(e) == "Piecewise((x**2, x > 1), (1, x < -1), (3, True))"
    assert sp.latex(e).startswith(r"\begin{cases} x^{2} & \text{for}\: x > 1")
    assert e.subs(x, 4) == 16 and e.subs(x, 0) == 3
    assert sp.diff(e, x).subs(x, 4) == 8
    assert isinstance(e.rewrite(sp.Piecewise), sp.Piecewise)
    assert pickle.loads(pickle.dumps(e)) == e
    assert sp.lambdify(x, sp.sqrt(e), "numpy")(np.array([4.0, -3.0])).tolist() == [4, 1]


def test_conditions_that_hold_always_leave_no_choice():
    assert sg.where(sp.true, x, w) == x and sg.where(sp.false, x, w) == w
    assert sg.where(x > 0, w, w) == w


def test_a_condition_is_no_number():
    with pytest.raises(TypeError, match=r"a condition such as z > 0, not x \+ 1"):
        sg.where(x + 1, x, w)


def test_choices_of_choices_stay_quick():
    """SymPy would look through every condition, as a tree: 2**20 nodes here."""
    e = x
    for k in range(20):
        e = sg.where(e > 0.1 * k, e * 0.9 + 1, sg.clamp(e, -1, 1) ** 2)
    value, slope = sg.function([e, sg.gradient(e, x)], [x], target="reference")(X)
    t = torch.tensor(X, requires_grad=True)
    y = t
    for k in range(20):
        y = torch.where(y > 0.1 * k, y * 0.9 + 1, torch.clamp(y, -1, 1) ** 2)
    (want,) = torch.autograd.grad(y.sum(), t)
    np.testing.assert_allclose(value, y.detach(), rtol=1e-13)
    np.testing.assert_allclose(slope, want, rtol=1e-13)


def test_sympy_does_not_try_numbers_in_place_of_lets():
    """Folding conditions on choices, it called `subs`, which lets refuse."""
    v, u = sg.let("v", sp.sin(x) * w), sg.let("u", sp.cos(x))
    inner = sp.Piecewise((v, x < 0), (u, True))
    middle = sp.Piecewise((v, inner < x + v), (x - u, True))
    f = sg.function(sp.Piecewise((1, middle + v > u), (x, True)), [x, w], target="reference")
    sine, cosine = np.sin(X) * X, np.cos(X)
    m = np.where(np.where(X < 0, sine, cosine) < X + sine, sine, X - cosine)
    np.testing.assert_array_equal(f(X, X), np.where(m + sine > cosine, 1, X))
