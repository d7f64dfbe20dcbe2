"""Stable forms: what is written as in a textbook has its digits, and its derivatives theirs."""

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.block import Block
from symgrad.calculus.builder import Builder
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive_into
from symgrad.calculus.reference import evaluate
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE

z, b = sg.parameter("z b")
E, M = sp.exp, mpmath
v = sg.stack([z, 0, 1])

FORMS = {
    "log(1 + exp(z))": (sp.log(1 + E(z)), lambda t: M.log(1 + M.exp(t))),
    "3 log(1 + exp(-2 z))": (3 * sp.log(1 + E(-2 * z)), lambda t: 3 * M.log(1 + M.exp(-2 * t))),
    "log(exp(z) + exp(-z))": (
        sp.log(E(z) + E(-z)),
        lambda t: M.log(M.exp(t) + M.exp(-t)),
    ),
    "log(1 + exp(z) + exp(z/2))": (
        sp.log(1 + E(z) + E(z / 2)),
        lambda t: M.log(1 + M.exp(t) + M.exp(t / 2)),
    ),
    "log(sum(exp(z)))": (
        sp.log(sg.sum(E(v))),
        lambda t: M.log(M.exp(t) + 1 + M.e),
    ),
    "log(sigmoid(z))": (sp.log(sg.sigmoid(z)), lambda t: -M.log1p(M.exp(-t))),
    "log(1/(1 + exp(-z)))": (sp.log(1 / (1 + E(-z))), lambda t: -M.log1p(M.exp(-t))),
    "log(1 - sigmoid(z))": (sp.log(1 - sg.sigmoid(z)), lambda t: -M.log1p(M.exp(t))),
    "-log(softmax(z)[0])": (
        -sp.log(sg.softmax(v)[0]),
        lambda t: M.log1p((1 + M.e) * M.exp(-t)),
    ),
    "-log(softmax(z))[1]": (
        -sg.take(sp.log(sg.softmax(v)), 1),
        lambda t: M.log(M.exp(t) + 1 + M.e),
    ),
    "-log(exp(z)/sum(exp(z)))[0]": (
        -sg.take(sp.log(E(v) / sg.sum(E(v))), 0),
        lambda t: M.log1p((1 + M.e) * M.exp(-t)),
    ),
    "sqrt(z**2 + eps)": (
        sp.sqrt(z**2 + 1e-8),
        lambda t: M.sqrt(t**2 + M.mpf(1e-8)),
    ),
    "log(1 - tanh(z)**2)": (
        sp.log(1 - sp.tanh(z) ** 2),
        lambda t: -2 * M.log(M.cosh(t)),
    ),
    "log(cosh(z))": (sp.log(sp.cosh(z)), lambda t: M.log(M.cosh(t))),
    "exp(z)/(exp(z) + exp(b))": (E(z) / (E(z) + E(b)), lambda t: 1 / (1 + M.exp(0.5 - t))),
    "5 exp(z)/(1 + exp(z))": (5 * E(z) / (1 + E(z)), lambda t: 5 / (1 + M.exp(-t))),
    "exp(-z)/(1 + exp(-z))": (E(-z) / (1 + E(-z)), lambda t: 1 / (1 + M.exp(t))),
}
POINTS = [-1e4, -750.0, -88.0, -40.0, -12.5, -1.0, -1e-3, 1e-3, 0.5, 3.0, 17.0, 40.0, 300.0, 1e4]
NEAR_0 = {
    "(1 - cos(z))/z**2": ((1 - sp.cos(z)) / z**2, lambda t: (1 - M.cos(t)) / t**2),
    "sin(z)/z": (sp.sin(z) / z, lambda t: M.sin(t) / t),
    "2 y sin(z)/z": (2 * sp.sin(z) / z * sp.exp(z), lambda t: 2 * M.sin(t) / t * M.exp(t)),
}  # fmt: skip


def derivatives(e: sp.Expr, rewrites=STABLE) -> Block:
    """The value and its first two derivatives for z."""
    block = simplify(capture({"d0": e, "z": z}), rewrites)
    builder = Builder.of(block)
    names = [block.outputs["d0"]]
    for _ in range(2):
        (g,) = derive_into(builder, names[-1], [block.inputs[z]])
        names.append(g if hasattr(g, "shape") else builder.constant(g))
    return builder.block({f"d{k}": n for k, n in enumerate(names)})


def check(e, exact, point, dtype, rtol):
    block = derivatives(e)
    values = evaluate(block, {z: dtype(point), b: dtype(0.5)}, dtype=dtype)
    tiny = float(np.finfo(dtype).tiny)
    with mpmath.workdps(150 + int(min(abs(point), 800))):
        at = mpmath.mpf(float(dtype(point)))
        wanted = [float(mpmath.diff(exact, at, k, h=mpmath.mpf(10) ** -40)) for k in range(3)]
    for k, want in enumerate(wanted):
        got = float(values[block.outputs[f"d{k}"]])
        if abs(want) < tiny:
            assert abs(got) <= 2 * tiny, f"derivative {k} at {point}"
        elif abs(want) < float(np.finfo(dtype).max):
            np.testing.assert_allclose(got, want, rtol=rtol, err_msg=f"derivative {k} at {point}")


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("name", FORMS)
def test_textbook_forms_have_their_digits(name, dtype, rtol):
    for point in POINTS:
        check(*FORMS[name], point, dtype, rtol)


@pytest.mark.parametrize("name", NEAR_0)
def test_removable_singularities(name):
    for point in [1e-9, 1e-4, -1e-2, 0.3, 1.9, -2.5, 7.0]:
        check(*NEAR_0[name], point, np.float64, 1e-11)


# ---- each rewrite, on and off

ATTRIBUTES = {
    "sum": {"axes": (0,), "keepdims": True},
    "softmax": {"axes": (0,)},
    "slice": {"spec": (("range", 1, 3, 1),)},
}


def built(builder, pattern, inputs):
    """The pattern as a value, with an input for each of its letters."""
    if isinstance(pattern, str):
        if pattern == "i":
            return builder.value(2)
        symbol = inputs.setdefault(pattern, sg.parameter(pattern, shape=4))
        return builder.value(builder.input(symbol, (4,), False))
    if not isinstance(pattern, tuple):
        return builder.value(pattern)
    operands = [built(builder, p, inputs) for p in pattern[1:]]
    return builder.apply(pattern[0], *operands, **ATTRIBUTES.get(pattern[0], {}))


@pytest.mark.parametrize("rewrite", STABLE, ids=lambda r: r.identity)
def test_a_rewrite_is_an_identity(rewrite, rng):
    builder, inputs = Builder(), {}
    plain = built(builder, rewrite.pattern, inputs)
    better = rewrite.apply(builder, builder.definition(plain.operand))
    assert better is not None and better.shape == plain.shape
    block = builder.block({"off": plain.operand, "on": better.operand}).check()
    for _ in range(25):
        values = evaluate(block, {s: rng.uniform(0.3, 1.4, 4) for s in inputs.values()})
        on, off = (values[block.outputs[k]] for k in ("on", "off"))
        np.testing.assert_allclose(on, off, rtol=1e-12)


@pytest.mark.parametrize("rewrite", STABLE, ids=lambda r: r.identity)
def test_a_rewrite_joins_what_is_left_of_a_longer_sum_or_product(rewrite, rng):
    if rewrite.pattern[0] not in ("add", "mul"):
        return
    builder, inputs = Builder(), {}
    letters = [built(builder, n, inputs) for n in ("p", "q")]
    parts = [built(builder, p, inputs) for p in rewrite.pattern[1:]]
    plain = builder.apply(rewrite.pattern[0], letters[0], *parts, letters[1])
    better = rewrite.apply(builder, builder.definition(plain.operand))
    block = builder.block({"off": plain.operand, "on": better.operand}).check()
    values = evaluate(block, {s: rng.uniform(0.3, 1.4, 4) for s in inputs.values()})
    on, off = (values[block.outputs[k]] for k in ("on", "off"))
    np.testing.assert_allclose(on, off, rtol=1e-12)


def test_a_sum_along_some_axes_is_no_softmax():
    x = sg.parameter("x", shape=(3, 3), init=0)
    block = simplify(capture({"y": sp.exp(x) / sg.sum(sp.exp(x), axis=1)}), STABLE)
    assert "softmax" not in {e.operation for e in block.equations}
