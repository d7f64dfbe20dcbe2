"""Which contractions become matrix products, and how they meet memory."""

import pytest

import symgrad as sg
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Loop, Product, Store, Update, statements
from tests.lower.programs import agree, network, trained

RULE = sg.SGD(0.1)


def products(kernel):
    return [s for s in statements(kernel.step) if isinstance(s, Product)]


def test_the_gradient_of_a_matrix_is_one_product_on_the_matrix_itself():
    kernel = lower(network((64, 32, 10), sg.relu, RULE), "float32", 32)
    updates = [p for p in products(kernel) if p.c.buffer.role == "parameter"]
    assert {p.c.buffer.label for p in updates} == {"W0", "W1"}
    assert all(p.sizes[2] is None for p in updates)  # contracted over the samples
    assert all(p.beta.value == 1 for p in updates)
    stored = [s for s in statements(kernel.step) if isinstance(s, Store | Update)]
    assert not any(s.buffer.home.label in ("W0", "W1") for s in stored)


def test_momentum_is_the_beta_of_the_gradients_product():
    kernel = lower(network((64, 32, 10), sg.relu, sg.SGD(0.1, momentum=0.9)), "float32", 32)
    updates = [p for p in products(kernel) if p.c.buffer.role == "state"]
    assert len(updates) == 2
    assert all(p.beta.buffer.is_local for p in updates)


def test_accumulated_gradients_are_added_by_the_product():
    program = network((64, 32, 10), sg.relu, RULE, accumulated=True)
    updates = [p for p in products(lower(program, "float32", 32)) if p.c.buffer.role == "state"]
    assert len(updates) == 2 and all(p.beta.value == 1 for p in updates)


def test_small_contractions_and_single_samples_are_loops():
    assert not products(lower(network((5, 4, 3), sg.relu, RULE), "float32", 8))
    assert not products(lower(network((64, 32, 10), sg.relu, RULE), "float32", 1))


SPELLINGS = {
    "W @ x": lambda W, x: sg.einsum("ij,j->i", W, x),
    "x @ W": lambda W, x: sg.einsum("j,ji->i", x, W),
    "W.T @ x": lambda W, x: W.T @ x,
    "rows in reverse": lambda W, x: W[::-1] @ x,
    "a slice": lambda W, x: W[2:20, 3:15] @ x[3:15],
    "reshaped": lambda W, x: sg.reshape(W, (12, 48)) @ sg.concatenate([x, x]),
    "transposed in the middle": lambda W, x: sg.transpose(sg.reshape(W, (4, 6, 24)), (1, 0, 2)) @ x,
    "matrices per sample": lambda W, x: sg.sum(W @ sg.outer(x, x), axis=1),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_agrees(spelling, rng):
    x, W = sg.data("x", shape=24), sg.parameter("W", shape=(24, 24), init=0)
    loss = sg.sum(SPELLINGS[spelling](W, x) ** 2) / 100
    program = trained(loss, [W], sg.SGD(0.01))
    for batch in (1, 9):
        agree(program, batch, rng, samples=14)
        agree(program, batch, rng, samples=14, ordered=False)


def test_a_products_own_sum_over_samples_begins_with_what_is_added(rng):
    x, W = sg.data("x", shape=(6, 24)), sg.parameter("W", shape=(24, 24), init=0)
    loss = sg.sum((x @ W) ** 2) / 100 + sg.sum(W**2)
    for rule in (sg.SGD(0.01, momentum=0.9), sg.SGD(0.01, weight_decay=0.1)):
        program = trained(loss, [W], rule)
        agree(program, 5, rng, samples=12)


def test_bytes_are_stated():
    kernel = lower(network((64, 32, 10), sg.relu, RULE), "float32", 32)
    assert kernel.bytes["parameter"] == 4 * (64 * 32 + 32 + 320 + 10)
    assert kernel.bytes["data"] == 32 * (4 * 64 + 8)
    assert kernel.scratch_bytes == sum(b.nbytes for b in kernel.buffers if b.role == "scratch")


def test_samples_are_one_loop_between_products():
    kernel = lower(network((64, 32, 10), sg.relu, RULE), "float32", 32)
    loops = [s for s in kernel.step if isinstance(s, Loop) and s.axis.extent is None]
    # h0, then the loss's sums with its adjoints, then its logarithms, then h0's adjoint
    assert len(loops) == 4


def test_a_function_of_each_sample_has_a_loop_beside_those_with_loops_inside():
    w, x, y = sg.parameter("w", shape=64, init=0), sg.data("x", shape=64), sg.data("y")
    kernel = lower(trained(sg.softplus(-y * (w @ x)), [w], RULE), "float32", 128)
    loops = [s for s in kernel.step if isinstance(s, Loop) and s.axis.extent is None]
    inside = [any(isinstance(t, Loop) for t in s.body) for s in loops]
    assert inside == [True, False, True]  # the sum, softplus with its slope, the gradient
