"""What does not fit into memory is refused in words, before anything is made."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.language import free_memory
from symgrad.language.free_memory import check_free, free_bytes


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that writes what Linux says; there are 1000 kB, and no groups, until then."""
    for name in ("MEMORY", "GROUPS", "MOUNTED"):
        monkeypatch.setattr(free_memory, name, tmp_path / name)

    def say(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    say("MEMORY", "MemTotal: 9000 kB\nMemAvailable:  900 kB\nSwapFree: 100 kB\nHugePages: 0\n")
    say("GROUPS", "")
    return say


def test_what_the_machine_has(machine):
    assert free_bytes() == 1024 * 1000
    machine("MEMORY", "unknown")
    assert free_bytes() == float("inf")


def test_groups_of_the_second_version(machine):
    machine("GROUPS", "0::/a/b\n")
    machine("MOUNTED/a/b/memory.max", "max\n")
    machine("MOUNTED/a/memory.max", "5000\n")
    machine("MOUNTED/a/memory.current", "4000\n")
    assert free_bytes() == 1000
    machine("MOUNTED/a/memory.stat", "anon 7\nactive_file 20\ninactive_file 3\n")
    assert free_bytes() == 1023


def test_groups_of_the_first_version(machine):
    machine("GROUPS", "5:cpu:/x\n4:memory:/c\n0::/\n")
    machine("MOUNTED/memory/memory.limit_in_bytes", "9223372036854771712")
    machine("MOUNTED/memory/c/memory.limit_in_bytes", "600")
    machine("MOUNTED/memory/c/memory.usage_in_bytes", "500")
    machine("MOUNTED/memory/c/memory.stat", "active_file 1\ntotal_active_file 7")
    assert free_bytes() == 107


def test_a_small_array_is_made_unasked(machine):
    check_free(free_memory.LARGE - 1, "this")
    with pytest.raises(MemoryError, match="this takes 67,108,864 bytes, and 1,024,000 are free"):
        check_free(free_memory.LARGE, "this")


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(free_memory, "LARGE", 0)
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 20_000.0)


def network(**options):
    W, V = (sg.parameter(k, shape=(9, 9), init="normal") for k in "WV")
    h = sg.let("h", sp.tanh(W @ sg.data("x", shape=9)))
    return sg.compile(sg.sum((V @ h) ** 2), sg.SGD(0.1), outputs={"h": h}, **options)


def test_a_mini_batch_too_large_is_refused(little):
    model, small = network(dtype="float64"), np.ones((8, 9))
    assert model.step({"x": small}) >= 0
    large = np.ones((4000, 9))
    refused = r"is computed for 4,000 samples takes [\d,]+ bytes, .* smaller mini-batches take less"
    for use in (model.step, lambda d: model.fit(d, 1, batch_size=None, progress=False)):
        with pytest.raises(MemoryError, match=refused):
            use({"x": large})
    f = sg.function(2 * sg.data("x", shape=9), [sg.data("x", shape=9)])
    with pytest.raises(MemoryError, match=r"an output of shape \(4000, 9\) takes 288,000 bytes"):
        f(large)


def test_a_copy_and_a_table_too_large_are_refused(little):
    with pytest.raises(MemoryError, match="data 'x' as float32 in C order, a copy, takes 144,000"):
        network().loss({"x": np.ones((4000, 9))})
    P = sg.parameter("P", shape=(1000, 9), init="normal")
    with pytest.raises(MemoryError, match=r"an array of shape \(1000, 9\) takes 36,000 bytes"):
        sg.compile(sg.sum(P[sg.data("u", dtype=int)]), sg.SGD(0.1))


@pytest.mark.filterwarnings("ignore::symgrad.optimize.rule.DenseUpdateWarning")
def test_a_state_that_every_step_fills_is_refused(little):
    P = sg.parameter("P", shape=(400, 9), init=0.5)
    loss = sg.sum(P[sg.data("u", dtype=int)])
    with pytest.raises(MemoryError, match="the optimiser's state takes 28,800 bytes"):
        sg.compile(loss, sg.Adam(0.1), target="reference")
    sg.compile(loss, sg.Adam(0.1, lazy=True), target="reference")
