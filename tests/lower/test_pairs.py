"""Contractions of many values, two at a time."""

import math

import pytest
import sympy as sp

import symgrad as sg
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Loop, Product, statements
from tests.lower.programs import agree, trained

x, z = sg.data("x", shape=16), sg.data("z", shape=12)
T = sg.parameter("T", shape=(5, 16, 12), init=0)
U = sg.parameter("U", shape=(16, 8), init=0)
V = sg.parameter("V", shape=(8, 12), init=0)

CHAINS = {
    "a bilinear form": sg.einsum("i,kij,j->k", x, T, z),
    "a low rank": sg.einsum("i,ir,rj,j->i", x, U, V, z),
    "two of the sample": sg.einsum("i,i,ir->r", x, x**2, U),
    "nothing summed": sg.einsum("i,kij,j->kij", x, T, z),
}


def works(kernel):
    """Multiplications in loop nests."""

    def turns(body, times=1):
        for s in body:
            if isinstance(s, Loop):
                yield from turns(s.body, times * (s.axis.extent or kernel.batch_size))
            else:
                yield times

    return max(turns(kernel.step))


@pytest.mark.parametrize("chain", CHAINS)
def test_they_agree(chain, rng):
    parameters = sorted(CHAINS[chain].free_symbols & {T, U, V}, key=str)
    loss = sg.sum(sp.tanh(CHAINS[chain])) ** 2 / 100
    program = trained(loss, parameters, sg.SGD(0.01))
    for batch in (1, 7):
        agree(program, batch, rng, samples=12)


def test_a_bilinear_form_is_made_of_products():
    program = trained(sg.sum(CHAINS["a bilinear form"]) ** 2, [T], sg.SGD(0.01))
    kernel = lower(program, "float32", 32)
    assert len([s for s in statements(kernel.step) if isinstance(s, Product)]) == 2
    assert works(kernel) <= 32 * math.prod((5, 16))


def test_without_a_product_one_nest_is_left():
    a, b, c = (sg.parameter(k, shape=3, init=0) for k in "abc")
    program = trained(sg.sum(sg.einsum("i,j,k->ijk", a, b, c) ** 2), [a, b, c], sg.SGD(0.1))
    assert not any(isinstance(s, Product) for s in statements(lower(program, "float32", 4).step))
