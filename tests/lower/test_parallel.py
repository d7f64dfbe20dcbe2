"""Kernels of several threads, run in Python in every order that their barriers allow."""

from functools import partial

import pytest

from symgrad.generate import blocks, ir_lanes
from symgrad.lower import products, sharing
from symgrad.lower.driver import lower
from symgrad.lower.parallel import Shared
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
