"""Products of all samples' tokens: where they are one, and that they are right."""

import pytest
import sympy as sp

import symgrad as sg
from symgrad.lower import sharing
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Product, statements
from tests.lower.programs import agree, trained
from tests.lower.test_parallel import shared

RULE = sg.SGD(0.1)


def products(kernel):
    return [s for s in statements(kernel.step) if isinstance(s, Product)]


def heads(z, transposed=False):
    z = sg.reshape(z, (6, 3, 8))
    return sg.transpose(z, (1, 0, 2)) if transposed else z


SHARED = {  # what every sample's matrix is multiplied with: its shape, the sizes of the product
    "x @ W": ((24, 10), (None, 10, 24), lambda W, x: x @ W),
    "x @ W'": ((10, 24), (None, 10, 24), lambda W, x: x @ sg.transpose(W)),
    "(W @ x')'": ((10, 24), (None, 10, 24), lambda W, x: sg.transpose(W @ sg.transpose(x))),
    "W @ x": ((9, 6), (9, 24, 6), lambda W, x: W @ x),
    "x' @ W": ((6, 5), (24, 5, 6), lambda W, x: sg.transpose(x) @ W),
    "heads": ((4, 24, 8), (None, 8, 24), lambda W, x: sg.einsum("td,hde->the", x, W)),
    "heads inside": ((24, 4, 8), (None, 32, 24), lambda W, x: sg.einsum("td,dhe->the", x, W)),
    "heads reshaped": ((24, 24), (None, 24, 24), lambda W, x: heads(x @ W, transposed=True)),
    "x @ W * x": ((24, 24), (None, 24, 24), lambda W, x: sg.einsum("td,de,te->te", x, W, x)),
}


@pytest.mark.parametrize("spelling", SHARED)
def test_matrices_of_samples_are_multiplied_with_a_shared_one(spelling, rng):
    """Where tokens follow each other from sample to sample, all are the rows of one product."""
    shape, sizes, spelled = SHARED[spelling]
    x, W = sg.data("x", shape=(6, 24)), sg.parameter("W", shape=shape, init=0)
    loss = sg.sum(sp.tanh(spelled(W, x)) ** 2) / 100
    program = trained(loss, [W], sg.SGD(0.01))
    forward, update = products(lower(program, "float64", 9))
    assert forward.beta.value == 0 and update.beta.value == 1  # added up over samples
    assert forward.sizes == sizes and forward.rows == update.rows == (6 if None in sizes else 1)
    assert update.sizes.count(None) == sizes.count(None)
    assert update.c.buffer.role == "parameter"
    for batch in (1, 9):
        agree(program, batch, rng, samples=14)
        agree(program, batch, rng, samples=14, ordered=False)


def attention(x, Q, K, V):
    """Three heads, whose keys are transposed."""
    q, k, v = (heads(x @ p, transposed=True) for p in (Q, K, V))
    weights = sg.softmax(q @ sg.transpose(k, (0, 2, 1)), axis=-1)
    return sg.reshape(sg.transpose(weights @ v, (1, 0, 2)), (6, 24))


def test_a_transpose_in_a_product_of_tokens_leaves_all_products_with_parameters_whole(rng):
    x = sg.data("x", shape=(6, 24))
    parameters = [sg.parameter(name, shape=(24, 24), init=0) for name in "QKVO"]
    *before, O = parameters
    program = trained(sg.sum((attention(x, *before) @ O) ** 2) / 100, parameters, RULE)
    found = products(lower(program, "float64", 9))
    with_parameters = [p for p in found if "parameter" in {m.buffer.role for m in (p.b, p.c)}]
    assert len(with_parameters) == 9 and all(p.rows == 6 for p in with_parameters)
    assert len(found) == len(with_parameters) + 6  # scores, what they weigh, and two adjoints each
    agree(program, 9, rng, samples=14)
    agree(program, 9, rng, samples=14, dtype="float32", tolerance=1e-5, ordered=False)


@pytest.mark.parametrize("batch", [4, 5])
def test_tokens_of_the_whole_mini_batch_meet_those_of_each_sample(batch, rng):
    """Rows of data in an order, for the samples of one operand and for all those of the other."""
    x, W = sg.data("x", shape=(6, 24)), sg.parameter("W", shape=(24, 24), init=0)
    for text in ("td,bud->btu", "td,bud->tu", "td,bue->bde", "td,btd->bt", "td,btd->b"):
        for z in (x, x @ W):
            met = sg.einsum(text, z, sg.batch(x))
            program = trained(sg.sum(sp.tanh(met) ** 2 * sg.sum(W)) / 100, [W], RULE)
            agree(program, batch, rng, samples=10)


def test_tokens_in_tiles_of_samples(rng):
    x = sg.data("x", shape=(4, 8))
    W, V = (sg.parameter(name, shape=(8, 8), init=0) for name in "WV")
    program = trained(sg.mean((sp.tanh(x @ W) @ V) ** 2), [W, V], RULE)
    kernel = lower(program, "float64", 700)
    assert any(p.samples is not None and p.rows == 4 for p in products(kernel))
    agree(program, 700, rng, samples=900)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_samples_with_their_tokens(threads, rng, monkeypatch):
    monkeypatch.setattr(sharing, "FEWEST", 0)
    x = sg.data("x", shape=(6, 24))
    parameters = [sg.parameter(name, shape=(24, 24), init=0) for name in "QKV"]
    program = trained(sg.sum(attention(sp.tanh(x), *parameters) ** 2) / 100, parameters, RULE)
    for given in (None, rng, rng):
        agree(program, 9, rng, samples=14, lowered=shared(threads, given))
