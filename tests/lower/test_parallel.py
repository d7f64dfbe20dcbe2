"""Kernels of several threads, run in Python in every order that their barriers allow."""

from functools import partial

import pytest

import symgrad as sg
from symgrad.generate import blocks, ir_lanes
from symgrad.lower import products, sharing
from symgrad.lower.driver import lower
from symgrad.lower.kernel import ITEM_BYTES
from symgrad.lower.parallel import Shared, parallel
from tests.lower.programs import network
from tests.lower.random_programs import agree_at_random

THREADS = [2, 3, 4]


def shared(threads, rng=None):
    """Lowers for that many threads, whatever it costs; with an rng, in ways that it draws."""

    def make(program, dtype, batch):
        made = Shared(lower(program, dtype, batch), threads)
        for section in made.sections if rng else ():
            for part in section.parts:
                part.taken = int(rng.integers(len(part.ways)))
            section.arrange()
        return made.kernel.check()

    return make


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("size", [8, 20, 45])
def test_random_programs(size, threads, seed, share, monkeypatch):
    monkeypatch.setattr(sharing, "FEWEST", 0)
    monkeypatch.setattr(sharing, "LONG", 1)
    monkeypatch.setattr(products, "SMALLEST_SIDE", 2)
    monkeypatch.setattr(products, "SMALLEST_WORK", 4)
    agree_at_random(share(8), size, seed, (1, 4, 9), partial(shared, threads), samples=13)


@pytest.mark.parametrize("threads", THREADS)
def test_random_programs_as_assembly(threads, seed, monkeypatch):
    """Where the mathematics is assembly, every thread has its own cells for numbers."""
    monkeypatch.setattr(sharing, "FEWEST", 0)
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_lanes, "SHORTEST", 0)
    agree_at_random(4, 20, seed, (1, 11), partial(shared, threads), samples=23)


def test_parts_of_threads_lie_apart():
    """Cores fetch ahead of what they read, within a page: lines of the next part would be taken
    from the thread that writes them."""
    kernel = parallel(lower(network((4, 32, 4), sg.relu, sg.SGD(0.1)), "float32", 10_000), 2)
    (h0,) = (b for b in kernel.buffers if b.label == "h0" and b.shape[0] == 2)
    samples = 32 * ITEM_BYTES["float32"]
    used = h0.shape[1] * ITEM_BYTES["float32"] - sharing.APART
    assert used >= 64 * samples and used % samples == 0
