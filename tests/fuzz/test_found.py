"""What the fuzzer found: one test a bug, each in its smallest program."""

import warnings

import numpy as np
import pytest
import sympy as sp
import torch
import torch.nn.functional as F

import symgrad as sg
from symgrad.generate import blocks
from tests.fuzz.compare import Variant, check, expected
from tests.fuzz.programs import Input, Program, Step
from tests.selection import mostly_full

x, y = sg.data("x y")
N = 3
DATA = np.array([0.3, -1.2, 0.8])


@pytest.fixture(params=["reference", "cpu"])
def target(request):
    return request.param


def test_a_choice_by_a_condition_that_always_holds_keeps_its_shape():
    never = sg.let("never", x > x)  # SymPy knows that this is False
    z = sg.let("z", sg.where(never, sg.data("v", shape=(1,)), -1))
    f = sg.function(x + z, [x, sg.data("v", shape=(1,))], target="reference")
    assert f(DATA, np.ones((N, 1))).shape == (N, 1)


def test_zero_times_a_tensor_keeps_its_shape():
    nothing = sg.let("nothing", sg.smooth_l1(x, x))  # 0
    v = sg.data("v", shape=(2, 3))
    f = sg.function(sg.sum(nothing * v, axis=0), [v], target="reference")
    assert np.array_equal(f(np.ones((N, 2, 3))), np.zeros(3))


def test_a_triplets_negative_may_be_its_anchor(target):
    v, w = sg.data("v", shape=2), sg.data("w", shape=2)
    f = sg.function(sg.triplet_margin(v, w, v), [v, w], target=target)
    apart = 1 + np.sqrt(2) * (1 + 1e-6) - np.sqrt(2) * 1e-6
    np.testing.assert_allclose(f(np.ones((N, 2)), np.zeros((N, 2))), apart, rtol=1e-12)


def test_the_absolute_value_of_a_negated_sum_is_written(rng):
    """SymPy took signs out of the product without end while gradients were expressed."""
    z = sg.let("z", sp.erf(x))
    size = sg.let("size", sp.Abs(-(-y + z - 0.3)))
    g = sg.gradient(size * sp.Max(x, 0.1) ** 2, y)
    f = sg.function(g, [x, y], target="reference")
    assert np.isfinite(f(DATA, DATA[::-1])).all()


def test_a_number_takes_a_shape_in_lowered_code(target):
    zero = sg.let("zero", sg.gradient(sg.gradient(x, x), x))
    f = sg.function(sp.Abs(sg.unsqueeze(zero, axis=0)) + x, [x], target=target)
    np.testing.assert_array_equal(f(DATA), DATA[:, None])


def test_numbers_spread_over_the_minibatch_are_not_the_same_for_the_whole_run(target):
    """The last mini-batch may be smaller: kernels summed them before they knew its size."""
    stacked = sg.batch(x)
    nothing = sg.broadcast_to(stacked - stacked + 2, (sg.batch_size,))
    f = sg.function([sg.sum(nothing), sg.mean(nothing) + x], [x], target=target)
    total, shifted = f(DATA)
    assert total == 6
    np.testing.assert_array_equal(shifted, DATA + 2)


def test_a_step_is_a_half_at_the_integer_0_too(target):
    step = sp.Heaviside(sg.heaviside(x, 0), evaluate=False)  # the inner one is 0 or 1, integers
    f = sg.function(step, [x], target=target)
    np.testing.assert_array_equal(f(DATA), [1, 0.5, 1])


def test_a_number_is_scattered_with_all_its_digits(target):
    """The reference target scattered it in float32."""
    z, label = sg.data("z", shape=3), sg.data("label", dtype=int)
    slope = sg.jacobian(sg.cross_entropy(z, label, label_smoothing=0.1), z)
    f = sg.function(slope, [z, label], target=target)
    np.testing.assert_allclose(f(np.zeros((1, 3)), [1])[0], [0.3, -0.6, 0.3], rtol=1e-14)


def test_a_bound_may_be_the_whole_mini_batchs(target):
    """SymPy rewrote the choice between the bounds, inside a condition, without end."""
    x, d = sg.data("x d")
    f = sg.function(sg.sum(sg.clamp(x, sg.batch(d), d)), [x, d], target=target)
    values, bounds = np.array([0.9, -0.2, -3.0]), np.array([-1.0, 0.5, 0.1])
    within = np.minimum(np.maximum(values[:, None], bounds), bounds[:, None])
    np.testing.assert_allclose(f(values, bounds), within.sum(axis=1), rtol=1e-14)


def test_a_tangent_of_0_is_summed(target):
    """0 of no shape was summed over an axis."""
    z = sg.data("z", shape=3)
    flat = sg.let("flat", sp.atan2(z**2, z**2))
    along = sg.jvp(sg.sum(sp.exp(flat) * (flat - z)), z, np.ones(3))
    f = sg.function(along, [z], target=target)
    np.testing.assert_allclose(f(np.ones((1, 3))), [-3 * np.exp(np.pi / 4)], rtol=1e-14)


def test_what_is_compared_with_its_maximum_is_rounded_once(monkeypatch, rng):
    """A product and a sum, fused in one loop and not in the other, equalled no element: 0/0."""
    monkeypatch.setattr(blocks, "LARGEST", -1)  # all of the kernel is assembly
    steps = (
        Step("x", "squash", ("z",), {"low": 0.2, "width": 5.8}, (3,)),
        Step("top", "logsumexp", ("x",), {"axis": None, "keepdims": False}),
        Step("h", "hessian", ("top", "z"), {"own": True}, (3, 3)),
    )
    values = {"z": rng.uniform(-2, 2, (200, 3))}
    program = Program((Input("z", "data", (3,)),), steps, values, 200)
    assert list(map(str, check([program], [expected(program)], [Variant("interpreted")]))) == []


def test_an_angle_of_nothing_has_the_derivative_0(target):
    """0/0 where torch has 0: a margin that is met made a whole gradient NaN."""
    met = sg.clamp(sg.margin_ranking(x, y, -1, 0.5), min=0)
    f = sg.function([sg.gradient(sp.atan2(e, met), y) for e in (0 * x, x)], [x, y], target=target)
    a, b = (torch.tensor(v).double().requires_grad_() for v in ([-1.5, 0.9], [0.5, 0.4]))
    kept = torch.clamp(F.margin_ranking_loss(a, b, -torch.ones(2), 0.5, reduction="none"), min=0)
    for got, e in zip(f(a.detach(), b.detach()), (0 * a, a), strict=True):
        (want,) = torch.autograd.grad(torch.atan2(e, kept).sum(), b, retain_graph=True)
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_an_angle_at_the_origin_is_torchs(target):
    f = sg.function([sg.gradient(sp.atan2(x, y), v) for v in (x, y)], [x, y], target=target)
    np.testing.assert_array_equal(f(np.array([0.0]), np.array([0.0])), [[0], [0]])


def test_conditions_that_never_hold_keep_the_programs_shape():
    """The text of a program keeps it, as it does for numbers: SymPy's False has none."""
    never = Step("never", "ne", ("i", "i"), {}, (2,), "bool")
    any_of = Step("any", "any", ("never",), {"axis": 0, "keepdims": True}, (1,), "bool")
    shown = Step("shown", "indicator", ("any",), {}, (1,))
    inputs = (Input("i", "data", (2,), 2),)
    program = Program(inputs, (never, any_of, shown), {"i": np.array([[1, 0]])}, 1)
    assert list(check([program], [expected(program)], [Variant("reference")])) == []


def test_the_gradient_of_a_crossed_clamp_goes_to_its_upper_bound(target):
    """Also where the clamped value equals that bound."""
    low, high = sg.data("low"), sg.data("high")
    found = sg.function(
        [*sg.gradient(sg.clamp(x, low, high), [x, low, high]).values()], [x, low, high],
        target=target,
    )(*np.array([[1.0, 3.0, 0.0], [2.0, 2.0, 2.0], [1.0, 1.0, 1.0]]))  # fmt: skip
    arrays = torch.tensor([[1.0, 3.0, 0.0], [2.0] * 3, [1.0] * 3]).double().requires_grad_()
    (want,) = torch.autograd.grad(torch.clamp(*arrays).sum(), arrays)
    np.testing.assert_array_equal(found, want)


def test_a_gradient_with_a_function_of_a_negated_sum_is_written():
    """SymPy took signs out of tanh without end, where it may not multiply sums out."""
    p = sg.parameter("p", shape=3, init=0)
    z = sg.let("z", -1 - p)
    assert "tanh" in str(sg.compile(sg.sum(sg.tanhshrink(z) ** 2), target="reference"))


def test_whole_quotients_are_whole(target):
    """a times the rounded 1/b was just below them: every second one by 49."""
    a, b, k = sg.data("a"), sg.hyper("b", 49.0), np.arange(1.0, 200)
    f = sg.function(
        [sg.floor_divide(a, b), sg.gradient(sg.fmod(a, b), b), sg.gradient(sg.remainder(a, b), b)],
        [a, b], target=target,
    )  # fmt: skip
    np.testing.assert_array_equal(f(49 * k, 49.0), [k, -k, -k])


def test_a_step_is_a_probability_not_a_label():
    scores, at = sg.data("scores", shape=1), sg.data("at", shape=1)
    loss = sg.cross_entropy(scores, sg.heaviside(at, 0))
    f = sg.function(loss, [scores, at], target="reference")
    np.testing.assert_array_equal(f(np.ones((2, 1)), np.array([[1.0], [-1.0]])), [0, 0])


def test_remainders_that_the_processor_has_none_of(target, monkeypatch):
    """Whole numbers by 0, and the least one by -1, ended the process."""
    a, b = sg.data("a b", dtype=int)
    many = sum(sg.remainder(a + k, b) + sp.sin(k * x) for k in range(20))
    monkeypatch.setattr("symgrad.generate.blocks.LARGEST", 20)  # the kernel becomes assembly
    values = np.array([7, 5, -(2**63)]), np.array([2, 0, -1])
    f = sg.function([sg.remainder(a, b), many], [a, b, x], target=target)
    np.testing.assert_array_equal(f(*values, np.zeros(3)), [[1, 0, 0], [10, 0, 0]])


AXES = [((), (2,)), ((2,), ()), ((2,), (2,)), ((2, 1), (2,))]


@pytest.mark.parametrize("shapes", mostly_full([(s,) for s in AXES], [(AXES[0],), (AXES[3],)]))
def test_rows_of_two_axes_are_caught_up(shapes, target, rng):
    """An axis of size 1 was looked up at 0, without the shape of its index."""
    p = sg.parameter("p", shape=(2, 1, 3), init=rng.normal(size=(2, 1, 3)))
    u, v = (sg.data(k, shape=s, dtype=int) for k, s in zip("uv", shapes, strict=True))
    loss, dense = sg.sum(p[u, v] ** 2), []
    data = [{"u": rng.integers(0, 2, (4, *shapes[0])), "v": np.zeros((4, *shapes[1]), int)}] * 3
    for lazy, chosen in (("catch_up", target), (False, "reference")):
        rule = sg.SGD(0.1, momentum=0.5, lazy=lazy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sg.DenseUpdateWarning)
            model = sg.compile(loss, rule, dtype="float64", target=chosen)
        for batch in data:
            model.step(batch)
        dense.append(np.array(model.parameters["p"]))
    np.testing.assert_allclose(*dense, rtol=1e-12)


@pytest.mark.parametrize("rewrites", [None, "all"])
def test_what_is_largest_of_three_is_asked_of_the_three(rewrites):
    """The gradient's stable form of one of them equalled the maximum of the written ones nowhere:
    0/0."""
    steps = (
        Step("v", "log_cosh_exp", ("p",), {}, (2,)),
        Step("top", "max3", ("p", "d", "v"), {}, (2,), let=True),
        Step("slope", "vjp", ("top", "p"), {"own": True, "shape": (2,)}, (2,)),
    )
    inputs = (Input("p", "data", (2,)), Input("d", "data", (2,)))
    values = {
        "p": np.array([[-0.42138217854810556, -0.3417931415634383]]),
        "d": np.array([[1.024545738113762, -0.824925440885866]]),
    }
    program = Program(inputs, steps, values, 1)
    found = check([program], [expected(program)], [Variant("reference", rewrites)])
    assert list(map(str, found)) == []
