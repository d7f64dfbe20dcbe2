"""Scratch memory reused by lifetime: the same bits in less memory, and never two live at once."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.generate.cpu import generate
from symgrad.lower import products, tiles
from symgrad.lower.check_memory import check_memory
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Buffer
from symgrad.lower.lifetimes import Life, lives
from symgrad.lower.parallel import Shared
from symgrad.lower.reuse import _rooms, reused
from tests.generate.interpreted import Interpreted
from tests.lower.programs import initial, network, room
from tests.lower.random_programs import LIMITS, Programs

LAYERS = {
    "relu": ((784, 512, 256, 10), 32, sg.relu, sg.SGD(0.01)),
    "sigmoid, momentum": ((784, 512, 256, 10), 32, sg.sigmoid, sg.SGD(0.01, momentum=0.5)),
    "in tiles": ((4, 32, 16, 4), 10_000, sp.tanh, sg.Adam(0.01)),
    "deep": ((64,) * 8, 256, sp.tanh, sg.SGD(0.01)),
}


def kernel_of(layers):
    sizes, batch, activation, rule = LAYERS[layers]
    return lower(network(sizes, activation, rule), "float32", batch)


def outcome(kernel, program, rng, samples, every):
    """Arrays and outputs after a run, in which memory begins as NaN."""
    order = rng.permutation(samples) if every == 1 else None
    arrays = initial(program, "float64", samples, rng, LIMITS)
    outputs = room(program, "float64", samples, kernel.batch_size)
    Interpreted(generate(kernel)).run(arrays, order, 0, samples, every, 0, outputs)
    return [*arrays.values(), *outputs.values()]


def wanted_everywhere(monkeypatch, size):
    """Matrix products and tiles also where they would not pay."""
    monkeypatch.setattr(products, "SMALLEST_SIDE", 2)
    monkeypatch.setattr(products, "SMALLEST_WORK", 4)
    monkeypatch.setattr(tiles, "LEAST", 2)
    monkeypatch.setattr(tiles, "_size", lambda phase, batch: size if phase.samplewise else None)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [2, None])
def test_values_of_random_programs_do_not_change(size, threads, seed, monkeypatch):
    wanted_everywhere(monkeypatch, size)
    left = 5  # programs in which something is reused
    for k in range(100):
        program = Programs(np.random.default_rng(seed + k), 30).program()
        kernel = lower(program, "float64", 5 if k % 3 else 1)
        kernel = kernel if threads == 1 else Shared(kernel, threads).kernel
        smaller = reused(kernel)
        if smaller is kernel:
            continue
        print("program", seed + k)
        assert smaller.scratch_bytes < kernel.scratch_bytes
        found = [
            outcome(each, program, np.random.default_rng(seed + k), 13, 1 + k % 2)
            for each in (kernel, smaller)
        ]
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b)
        left -= 1
        if not left:
            return
    raise AssertionError("nothing is reused")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layers", ["relu", "in tiles"])
def test_arrays_that_live_at_once_are_found_out(layers, threads):
    """Every pair of arrays that must not share memory fails the kernel's check if it does."""
    kernel = kernel_of(layers)
    kernel = kernel if threads == 1 else Shared(kernel, threads).kernel
    known = lives(kernel)
    wrong = 0
    for a, b in itertools.combinations(known, 2):
        if a.dtype != b.dtype or a is kernel.sync or b is kernel.sync:
            continue
        size = max(math.prod(x.shape) for x in (a, b))
        memory = Buffer("scratch", "", (size,), a.dtype)
        others = tuple(x for x in kernel.buffers if x not in (a, b))
        shared = replace(kernel, buffers=(*others, memory), memory={a: memory, b: memory})
        if known[a].apart(known[b]):
            check_memory(shared)
        else:
            wrong += 1
            with pytest.raises(AssertionError, match=r"in its memory|in one memory|a barrier"):
                check_memory(shared)
    assert wrong > 10


@pytest.mark.parametrize(
    ("layers", "most"), [("relu", 0.75), ("sigmoid, momentum", 0.67), ("in tiles", 0.65),
                         ("deep", 0.51)]
)  # fmt: skip
def test_networks_need_less_memory(layers, most):
    kernel = kernel_of(layers)
    assert reused(kernel).scratch_bytes < most * kernel.scratch_bytes


def test_a_summary_states_what_is_left():
    def deep(layers):
        x, h = sg.data("x", shape=64), sg.data("x", shape=64)
        for k in range(layers):
            h = sg.let(f"h{k}", sp.tanh(sg.parameter(f"W{k}", shape=(64, 64), init=0) @ h))
        return sg.compile(sg.sum((h - x) ** 2), outputs={"h": h}, target="cpu")

    # a forward pass alone keeps two layers at a time, however many there are
    few, many = (deep(n).executables.scratch_bytes("loss", 32) for n in (4, 12))
    assert few == many


def test_memory_that_is_too_small_is_found_out():
    kernel = reused(kernel_of("relu"))
    tight = {b: replace(m, shape=(8,)) for b, m in kernel.memory.items()}
    buffers = tuple(b for b in kernel.buffers if b not in kernel.memory.values())
    with pytest.raises(AssertionError):
        replace(kernel, memory=tight, buffers=(*buffers, *tight.values())).check()


@pytest.mark.parametrize("shapes", [((),), ((), (2, 8), (2, 4))])
def test_rooms_hold_what_is_apart(shapes, rng):
    """Each buffer has the last room in which it meets nobody, and a new one where there is none."""
    buffers = [Buffer("scratch", "", (k % 7 + 1,), f"float{32 + 32 * (k % 2)}") for k in range(60)]
    times = rng.integers(0, 40, (len(buffers), 2, 2))
    times.sort(axis=2)
    known = {
        b: Life((span[0], span[1]), (own[0], own[1]), shapes[k % len(shapes)])
        for k, (b, (span, own)) in enumerate(zip(buffers, times.tolist(), strict=True))
    }
    wanted: list[list[Buffer]] = []
    for b in sorted(buffers, key=lambda b: -b.nbytes):
        free = [
            r for r in wanted if all(t.dtype == b.dtype and known[b].apart(known[t]) for t in r)
        ]
        if not free:
            wanted.append([])
        (free or wanted)[-1].append(b)
    found = [r.tenants for r in _rooms(buffers, known)]
    assert found == wanted
    assert 1 < len(found) < len(buffers)
