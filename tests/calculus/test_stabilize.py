"""Stable forms: what is written as in a textbook has its digits, and its derivatives theirs."""

import functools

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
from symgrad.calculus.rewrite import NUMBER, Rewrite
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.language.row import op
from tests.selection import mostly_full

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
    "log1p(exp(z))": (sg.log1p(E(z)), lambda t: M.log(1 + M.exp(t))),
    "log1p(-sigmoid(z))": (sg.log1p(-sg.sigmoid(z)), lambda t: -M.log1p(M.exp(t))),
    "log1p(-1/(1 + exp(-z)))": (sg.log1p(-1 / (1 + E(-z))), lambda t: -M.log1p(M.exp(t))),
    "log(1.0 + exp(1.0 z))": (sp.log(1.0 + E(1.0 * z)), lambda t: M.log(1 + M.exp(t))),
    "log(1.0/(1.0 + exp(-z)))": (sp.log(1.0 / (1.0 + E(-z))), lambda t: -M.log1p(M.exp(-t))),
    "log(1.0 - sigmoid(z))": (sp.log(1.0 - sg.sigmoid(z)), lambda t: -M.log1p(M.exp(t))),
    "(z**2.0 + 1.0)**0.5": ((z**2.0 + 1.0) ** 0.5, lambda t: M.sqrt(t**2 + 1)),
    "log(1.0 - tanh(z)**2.0)": (
        sp.log(1.0 - sp.tanh(z) ** 2.0),
        lambda t: -2 * M.log(M.cosh(t)),
    ),
    "exp(z)/(exp(z) + 1.0)": (E(z) / (E(z) + 1.0), lambda t: 1 / (1 + M.exp(-t))),
    "exp(-z)/(1 + exp(-z))": (E(-z) / (1 + E(-z)), lambda t: 1 / (1 + M.exp(t))),
}
POINTS = [-1e4, -750.0, -88.0, -40.0, -12.5, -1.0, -1e-3, 1e-3, 0.5, 3.0, 17.0, 40.0, 300.0, 1e4]
SMALL = [1e-9, 1e-4, -1e-2, 0.3, 1.9, -2.5, 7.0, 60.0]
NEAR_0 = {
    "(1 - cos(z))/z**2": ((1 - sp.cos(z)) / z**2, lambda t: (1 - M.cos(t)) / t**2),
    "(1.0 - cos(z))/z**2.0": ((1.0 - sp.cos(z)) / z**2.0, lambda t: (1 - M.cos(t)) / t**2),
    "(cos(z) - 1)/z**2": ((sp.cos(z) - 1) / z**2, lambda t: (M.cos(t) - 1) / t**2),
    "exp(z)/(exp(z) + exp(-z))": (E(z) / (E(z) + E(-z)), lambda t: 1 / (1 + M.exp(-2 * t))),
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
    found = [values[block.outputs[f"d{k}"]] for k in range(3)]
    compare(found, exact, point, dtype, rtol)


@functools.cache
def exactly(function, point: float) -> list[float]:
    """A value and two derivatives."""
    with mpmath.workdps(150 + int(min(abs(point), 800))):
        step = mpmath.mpf(10) ** -40
        return [float(mpmath.diff(function, mpmath.mpf(point), k, h=step)) for k in range(3)]


def compare(found, exact, point, dtype, rtol, label=""):
    """Assert that a value and two derivatives are right where they are representable."""
    tiny = float(np.finfo(dtype).tiny)
    for k, (got, want) in enumerate(zip(found, exactly(exact, float(dtype(point))), strict=True)):
        where = f"derivative {k} of {label} at {point}"
        if abs(want) < tiny:
            assert abs(float(got)) <= 2 * tiny, where
        elif abs(want) < float(np.finfo(dtype).max):
            np.testing.assert_allclose(float(got), want, rtol=rtol, err_msg=where)


DIGITS = [(np.float64, 1e-12), (np.float32, 1e-6)]


@pytest.mark.parametrize(("dtype", "rtol", "target"), mostly_full(
    [(*how, target) for how in DIGITS for target in ("reference", "cpu")],
    [(np.float64, 1e-12, "reference"), (np.float32, 1e-6, "cpu")],
))  # fmt: skip
def test_gradients_of_gradients_have_their_digits_on_each_target(target, dtype, rtol):
    """As a user takes them: the expression of the gradient is differentiated again."""
    forms = {**FORMS, **NEAR_0}
    expressions = []
    for e, _ in forms.values():
        first = sg.gradient(e, z)
        expressions += [e, first, sg.gradient(first, z)]
    f = sg.function(expressions, [z, b], target=target, dtype=np.dtype(dtype).name)
    for points, names in ((POINTS, FORMS), (SMALL, NEAR_0)):
        for point in points:
            found = np.array(f(dtype(point), dtype(0.5))).reshape(-1, 3)
            for values, name in zip(found, forms, strict=True):
                if name in names:
                    compare(values, forms[name][1], point, dtype, rtol, name)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("name", FORMS)
def test_textbook_forms_have_their_digits(name, dtype, rtol):
    for point in POINTS:
        check(*FORMS[name], point, dtype, rtol)


@pytest.mark.parametrize("name", NEAR_0)
def test_removable_singularities(name):
    for point in SMALL:
        check(*NEAR_0[name], point, np.float64, 1e-12)


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


# ---- the same by proof, to 50 digits: what each operation means, from its definition


def elementwise(f):
    return np.frompyfunc(f, f.__code__.co_argcount, 1)


def _logistic(x):
    return 1 / (1 + M.exp(-x))


MEANING = {
    "exp": elementwise(lambda x: M.exp(x)),
    "log": elementwise(lambda x: M.log(x)),
    "sin": elementwise(lambda x: M.sin(x)),
    "cos": elementwise(lambda x: M.cos(x)),
    "tanh": elementwise(lambda x: (1 - M.exp(-2 * x)) / (1 + M.exp(-2 * x))),
    "cosh": elementwise(lambda x: (M.exp(x) + M.exp(-x)) / 2),
    "pow": elementwise(lambda x, p: M.power(x, p)),
    "add": lambda *x: sum(x),
    "mul": lambda *x: np.prod(np.broadcast_arrays(*(np.asarray(v, object) for v in x)), axis=0),
    "sum": lambda x, axes, keepdims: np.sum(x, axis=axes, keepdims=keepdims),
    "slice": lambda x, spec: x[slice(*spec[0][1:])],
    "gather": lambda x, i: x[int(i)],
    "softmax": lambda x, axes: MEANING["exp"](x) / np.sum(MEANING["exp"](x), axis=axes),
    "log_softmax": lambda x, axes: MEANING["log"](MEANING["softmax"](x, axes)),
    "logsumexp": lambda x, axes, keepdims: MEANING["log"](
        np.sum(MEANING["exp"](x), axis=axes, keepdims=keepdims)
    ),
    "softplus": elementwise(lambda x: M.log(1 + M.exp(x))),
    "sigmoid": elementwise(_logistic),
    "logistic": elementwise(_logistic),
    "logistic_slope": elementwise(lambda x: _logistic(x) * (1 - _logistic(x))),
    "log_sigmoid": elementwise(lambda x: M.log(_logistic(x))),
    "logaddexp": elementwise(lambda a, b: M.log(M.exp(a) + M.exp(b))),
    "logcosh": elementwise(lambda x: M.log((M.exp(x) + M.exp(-x)) / 2)),
    "log1p": elementwise(lambda x: M.log(1 + x)),
    "expm1": elementwise(lambda x: M.exp(x) - 1),
    "sinc": elementwise(lambda x: M.sin(x) / x),
    "root_sum": elementwise(lambda x, c: M.sqrt(x * x + c)),
    "root_slope": elementwise(lambda x, c: x / M.sqrt(x * x + c)),
}


def meant(block, inputs):
    """The outputs in exact arithmetic, nearly: arrays of mpmath's numbers."""
    known = {block.inputs[s]: a for s, a in inputs.items()}

    def value(x):
        return known[x] if x in known else M.mpf(sp.N(x, M.mp.dps))

    for e in block.equations:
        known[e.name] = MEANING[e.operation](*map(value, e.operands), **dict(e.attributes))
    return {label: value(name) for label, name in block.outputs.items()}


def prove(rewrite, rng):
    builder, inputs = Builder(), {}
    plain = built(builder, rewrite.pattern, inputs)
    better = rewrite.apply(builder, builder.definition(plain.operand))
    block = builder.block({"off": plain.operand, "on": better.operand})
    with M.workdps(60):
        for _ in range(100):
            points = {s: elementwise(lambda x: M.mpf(x))(rng.uniform(-3, 3, 4))
                      for s in inputs.values()}  # fmt: skip
            found = meant(block, points)
            if any(M.im(x) for x in np.ravel(found["off"])):
                points = {s: abs(p) for s, p in points.items()}
                found = meant(block, points)
            for on, off in zip(np.ravel(found["on"]), np.ravel(found["off"]), strict=True):
                assert abs(on - off) <= M.mpf(10) ** -50 * max(abs(off), 1)


@pytest.mark.parametrize("rewrite", STABLE, ids=lambda r: r.identity)
def test_a_rewrite_is_proved_at_100_points_with_50_digits(rewrite, rng):
    prove(rewrite, rng)


def test_a_rewrite_that_is_nearly_right_has_no_proof(rng):
    wrong = Rewrite("exp(x) - 1 = expm1(x + 1e-40)", ("add", -1, ("exp", "x")),
                    lambda x: op.expm1(x + sp.Float("1e-40", 60)))  # fmt: skip
    with pytest.raises(AssertionError):
        prove(wrong, rng)


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


def test_rewrites_are_tried_where_their_operations_are(monkeypatch):
    """Of thousands of equations few match anything."""
    tried: list[Rewrite] = []
    monkeypatch.setattr(Rewrite, "apply", lambda self, *_: tried.append(self))
    x, y = sg.data("x y")
    simplify(capture({"loss": E(x) * y + sp.sin(x * y) + 2 * y}))
    assert {"log", "sigmoid"} & {kind for r in STABLE for kind in r.needs}
    assert all(r.needs <= {"exp", "mul", "sin", NUMBER} for r in tried)
