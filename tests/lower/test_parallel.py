"""Kernels of several threads, run in Python in every order that their barriers allow."""

import numpy as np
import pytest

from symgrad.generate import blocks, ir_lanes
from symgrad.lower import products, sharing
from symgrad.lower.driver import lower
from symgrad.lower.parallel import Shared
from tests.lower.programs import agree
from tests.lower.random_programs import LIMITS, Programs

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
def test_random_programs(size, threads, seed, monkeypatch):
    monkeypatch.setattr(sharing, "FEWEST", 0)
    monkeypatch.setattr(sharing, "LONG", 1)
    monkeypatch.setattr(products, "SMALLEST_SIDE", 2)
    monkeypatch.setattr(products, "SMALLEST_WORK", 4)
    for k in range(8):
        print("program", seed + k)
        program = Programs(np.random.default_rng(seed + k), size).program()
        for batch in (1, 4, 9):
            rng = np.random.default_rng(seed + k)
            agree(program, batch, rng, samples=13, limits=LIMITS, ordered=k % 2 == 0,
                  tolerance=1e-7, lowered=shared(threads, rng))  # fmt: skip


@pytest.mark.parametrize("threads", THREADS)
def test_random_programs_as_assembly(threads, seed, monkeypatch):
    """Where the mathematics is assembly, every thread has its own cells for numbers."""
    monkeypatch.setattr(sharing, "FEWEST", 0)
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_lanes, "SHORTEST", 0)
    for k in range(4):
        print("program", seed + k)
        program = Programs(np.random.default_rng(seed + k), 20).program()
        for batch in (1, 11):
            rng = np.random.default_rng(seed + k)
            agree(program, batch, rng, samples=23, limits=LIMITS, ordered=k % 2 == 0,
                  tolerance=1e-7, lowered=shared(threads, rng))  # fmt: skip
