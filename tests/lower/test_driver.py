"""Lowered programs against the reference target, run in Python: thousands in a minute."""

import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.builder import Builder
from symgrad.calculus.program import Program
from symgrad.lower import products
from tests.lower.programs import agree, network, trained
from tests.lower.random_programs import agree_at_random


@pytest.mark.parametrize("products_wanted", [False, True])
@pytest.mark.parametrize("size", [8, 20, 45])
def test_random_programs(size, products_wanted, seed, share, monkeypatch):
    if products_wanted:  # matrix products also where they would not pay
        monkeypatch.setattr(products, "SMALLEST_SIDE", 2)
        monkeypatch.setattr(products, "SMALLEST_WORK", 4)
    agree_at_random(share(25), size, seed, (1, 3, 4))


MODELS = {
    "line": lambda x, y, w, W, u: (w[0] * y + w[1] - x[0]) ** 2,
    "logistic": lambda x, y, w, W, u: sg.binary_cross_entropy_with_logits(
        w @ x, sg.indicator(y > 0)
    ),
    "quadratic form": lambda x, y, w, W, u: (x @ W @ x - y) ** 2 + sg.sum(W.T * W),
    "rows": lambda x, y, w, W, u: (sg.dot(W[u], w) - y) ** 2 + 0.1 * sg.sum(W[u] ** 2),
    "the same rows twice": lambda x, y, w, W, u: (sg.dot(W[u], W[u]) - y) ** 2,
    "softmax": lambda x, y, w, W, u: -sg.log_softmax(W @ x + w)[u],
    "slices": lambda x, y, w, W, u: sg.sum((x[1:3] * w[4:0:-2] + W[2, ::-1][:2]) ** 2),
    "batch": lambda x, y, w, W, u: sg.logsumexp(sg.batch(W @ x) @ (w * x)) - y,
    "normalised": lambda x, y, w, W, u: sg.sum(
        ((W @ x - sg.expectation(W @ x)) / sp.sqrt(sg.expectation((W @ x) ** 2) + 1)) ** 4
    ),
    "nothing per sample": lambda x, y, w, W, u: sg.sum((w - 2) ** 2) + sg.sum(sp.tanh(W)),
}  # fmt: skip
RULES = {
    "plain": {"lr": 0.05},
    "momentum": {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1},
    "nesterov": {"lr": 0.05, "momentum": 0.5, "nesterov": True},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("model", MODELS)
def test_training_steps(model, rule, rng):
    x, y, u = sg.data("x", shape=5), sg.data("y"), sg.data("u", dtype=int)
    w, W = sg.parameter("w", shape=5), sg.parameter("W", shape=(5, 5), init=0)
    loss = MODELS[model](x, y, w, W, u)
    used = [p for p in (w, W) if p in loss.free_symbols]
    for accumulated in (False, True):
        program = trained(loss, used, sg.SGD(**RULES[rule]), accumulated=accumulated)
        for batch in (1, 4, 7):
            every = 3 if accumulated else 1
            agree(program, batch, rng, limits={"u": 5}, every=every, ordered=batch != 4)


@pytest.mark.parametrize("batch", [1, 6, 32])
def test_networks(batch, rng):
    program = network((40, 30, 20, 10), sg.sigmoid, sg.SGD(0.1, momentum=0.9))
    text = agree(program, batch, rng, samples=45, limits={"label": 10})
    assert ("product_0(" in text) == (batch > 1)


def test_all_reads_see_old_values(rng):
    builder, symbols = Builder(), sg.parameter("p q r s")
    matrices = [sg.parameter(n, shape=(3, 3), init=0) for n in "ABC"]
    p, q, r, s = (builder.value(builder.input(t, (), False)) for t in symbols)
    A, B, C = (builder.value(builder.input(t, t.shape, False)) for t in matrices)
    turned = builder.apply("transpose", A, axes=(1, 0))
    news = [q, p, p + r, s * r, B, turned, C + builder.apply("transpose", C, axes=(1, 0))]
    writes = dict(zip((*symbols, *matrices), (n.operand for n in news), strict=True))
    agree(Program(builder.block({"old": p.operand}, writes)), 1, rng, samples=2)


def test_a_product_that_reads_what_it_would_overwrite(rng, monkeypatch):
    monkeypatch.setattr(products, "SMALLEST_WORK", 1)
    builder, symbol = Builder(), sg.parameter("A", shape=(4, 4), init=0)
    A = builder.value(builder.input(symbol, (4, 4), False))
    square = builder.apply("einsum", A, A, subscripts="ij,jk->ik")
    program = Program(builder.block({}, {symbol: (A - 0.1 * square).operand}))
    assert "product_0(" in agree(program, 1, rng, samples=3)


def test_step_scalars_are_float64_in_every_dtype(rng):
    x, w = sg.data("x"), sg.parameter("w")
    rate = 0.1 / (1 + sg.step / 7)
    program = trained((w - x) ** 2, [w], sg.SGD(rate))
    text = agree(program, 2, rng, dtype="float32", tolerance=1e-5)
    assert "/ (1.0 + 0.14285714285714285 * np.float64(" in text


def test_sums_over_samples_are_float64(rng):
    x, w = sg.data("x"), sg.parameter("w")
    text = agree(trained((w - x) ** 2, [w], sg.SGD(0.1)), 4, rng, dtype="float32", tolerance=1e-5)
    assert "+= np.float64(" in text


def test_a_computed_index_that_is_out_of_range(rng):
    builder, T = Builder(), sg.parameter("T", shape=(4,), init=0)
    u = builder.value(builder.input(sg.data("u", dtype=int), (), True))
    table = builder.value(builder.input(T, (4,), False))
    program = Program(builder.block({"t": builder.apply("gather", table, u + 2).operand}))
    agree(program, 1, rng, limits={"u": 2})
    with pytest.raises(IndexError):
        agree(program, 2, rng, limits={"u": 1000})


def test_thousands_of_equations_take_linear_time(rng):
    builder = Builder()
    x = builder.value(builder.input(sg.data("x"), (), True))
    values = [x, x + 1]
    for k in range(3000):
        values.append(values[-1] * 0.5 + builder.apply("sin", values[k // 2]))
    mean = builder.apply("expectation", values[-1])
    agree(Program(builder.block({"m": mean.operand})), 4, rng)
