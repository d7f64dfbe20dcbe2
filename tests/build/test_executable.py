"""Built kernels: what they compute, what they refuse, what a second process needs."""

import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from symgrad.build import CacheWarning, build, cache
from symgrad.language.epochs import stretches
from tests.build.kernels import Example

ROOT = __file__.rsplit("/tests/", 1)[0]


@pytest.fixture(scope="module")
def built():
    example = Example()
    return example, build(example.source)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_it_computes(rng, dtype, shuffled):
    example = Example(dtype)
    arrays = example.arrays(rng)
    order = rng.permutation(10) if shuffled else None
    rows = np.arange(10)[1:] if order is None else order[1:]
    w, losses, each = example.expected(arrays, rows)
    outputs = {"loss": np.zeros(3), "each": np.zeros(9, dtype)}
    pending = build(example.source).run(arrays, order, 1, 10, every=2, outputs=outputs)
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12}
    assert pending == 1
    np.testing.assert_allclose(arrays[example.w], w, **close)
    np.testing.assert_allclose(outputs["loss"], losses, **close)
    np.testing.assert_allclose(outputs["each"], each, **close)


def test_outputs_are_filled_only_where_asked_for(built, rng):
    example, executable = built
    arrays = example.arrays(rng)
    _, losses, each = example.expected(arrays, np.arange(10))
    again = {s: a.copy() for s, a in arrays.items()}
    loss, z, positive, sums = np.zeros(3), np.zeros(10), np.zeros(10, bool), np.zeros(1)
    executable.run(arrays, None, 0, 10, outputs={"loss": loss})
    executable.run(again, None, 0, 10, outputs={"each": z, "positive": positive, "sums": sums})
    np.testing.assert_allclose(loss, losses)
    np.testing.assert_allclose(z, each)
    np.testing.assert_array_equal(positive, z > 0)
    np.testing.assert_allclose(sums, losses[-1])


def test_new_arrays_are_seen_and_old_ones_are_not_kept(built, rng):
    example, executable = built
    for _ in range(3):
        arrays = example.arrays(rng)
        w, _, _ = example.expected(arrays, np.arange(4))
        executable.run(arrays, None, 0, 4)
        np.testing.assert_allclose(arrays[example.w], w)
        x = weakref.ref(arrays[example.x])
        del arrays
        assert x() is None


def test_arrays_may_come_in_any_order_and_change_places(built, rng):
    example, executable = built
    arrays = example.arrays(rng) | {"another": np.zeros(1)}
    for _ in range(20):
        changed = [s for s in arrays if rng.integers(2)]
        arrays |= {s: a for s, a in example.arrays(rng).items() if s in changed}
        arrays = dict(sorted(arrays.items(), key=lambda _: rng.random()))
        w, _, _ = example.expected(arrays, np.arange(4))
        executable.run(arrays, None, 0, 4)
        np.testing.assert_allclose(arrays[example.w], w)


def test_an_array_is_missed_where_the_last_one_is_gone(built, rng):
    example, executable = built
    executable.run(example.arrays(rng), None, 0, 4)
    for given in ({}, dict.fromkeys(example.arrays(rng))):
        with pytest.raises(KeyError, match="no array is given for"):
            executable.run(given, None, 0, 4)
    with pytest.raises(KeyError, match="no array is given for"):
        build(example.source).run({}, None, 0, 4)


def test_memory_maps_and_read_only_data(built, rng, tmp_path):
    example, executable = built
    arrays = example.arrays(rng)
    w, _, _ = example.expected(arrays, np.arange(4))
    np.save(tmp_path / "x.npy", arrays[example.x])
    arrays[example.x] = np.load(tmp_path / "x.npy", mmap_mode="r")
    executable.run(arrays, None, 0, 4)
    np.testing.assert_allclose(arrays[example.w], w)


def test_threads_do_not_mix_their_calls(built, rng):
    example, executable = built
    jobs = [example.arrays(rng, 400) for _ in range(4)]
    expected = [example.expected(arrays, np.arange(400))[0] for arrays in jobs]
    threads = [threading.Thread(target=executable.run, args=(a, None, 0, 400)) for a in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for arrays, w in zip(jobs, expected, strict=True):
        np.testing.assert_allclose(arrays[example.w], w)


# ---- what is refused, before anything is written

REFUSED = {
    "another dtype": (lambda e, a: {e.x: a[e.x].astype("f")}, TypeError, "x is float32"),
    "not contiguous": (lambda e, a: {e.x: np.asfortranarray(a[e.x])}, ValueError, "contiguous"),
    "data of another shape": (
        lambda e, a: {e.x: a[e.x][:, :2].copy()},
        ValueError,
        r"\(samples, 3",
    ),
    "a number as data": (lambda e, a: {e.x: np.array(1.0)}, ValueError, r"not \(samples, 3"),
    "a parameter of another shape": (lambda e, a: {e.w: np.ones(4)}, ValueError, r"\(4,\), not"),
    "a missing array": (lambda e, a: {e.w: None}, KeyError, "no array is given for w"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arrays_that_do_not_fit(built, rng, case):
    example, executable = built
    change, error, message = REFUSED[case]
    arrays = example.arrays(rng)
    before = arrays[example.w].copy()
    with pytest.raises(error, match=message):
        executable.run({**arrays, **change(example, arrays)}, None, 0, 10)
    np.testing.assert_array_equal(arrays[example.w], before)


def test_a_parameter_that_cannot_be_written(built, rng):
    example, executable = built
    arrays = example.arrays(rng)
    arrays[example.w].flags.writeable = False
    with pytest.raises(ValueError, match="w is read-only"):
        executable.run(arrays, None, 0, 10)


@pytest.mark.parametrize("order", [[0, 10], [-1, 0]])
def test_an_order_of_samples_that_do_not_exist(built, rng, order):
    example, executable = built
    with pytest.raises(IndexError, match="beyond the 10"):
        executable.run(example.arrays(rng), np.array(order), 0, 2)


def test_an_order_of_no_samples(built, rng):
    example, executable = built
    with pytest.raises(IndexError, match="beyond the 0"):
        executable.run(example.arrays(rng, 0), np.array([0]), 0, 1)


def test_an_order_is_checked_again_for_fewer_samples(built, rng):
    example, executable = built
    order = np.arange(10)
    executable.run(example.arrays(rng), order, 0, 10)
    with pytest.raises(IndexError, match="beyond the 9"):
        executable.run(example.arrays(rng, 9), order, 0, 10)


def test_an_order_that_is_too_short(built, rng):
    example, executable = built
    with pytest.raises(ValueError, match="position 10"):
        executable.run(example.arrays(rng), np.arange(9), 0, 10)


def test_more_positions_than_samples_in_mini_batches_of_one(rng):
    example = Example(batch_size=1)
    with pytest.raises(ValueError, match="position 11 is asked for, and there are 10 samples"):
        build(example.source).run(example.arrays(rng), None, 0, 11)


@pytest.mark.parametrize("outputs", [{"loss": np.zeros(2)}, {"each": np.zeros(9)}])
def test_outputs_of_another_size(built, rng, outputs):
    example, executable = built
    with pytest.raises(ValueError, match="has the shape"):
        executable.run(example.arrays(rng), None, 0, 10, outputs=outputs)


@pytest.mark.parametrize(
    ("first", "last", "every", "epoch"),
    [(-1, 4, 1, None), (4, 3, 1, None), (0, 4, 0, None), (0, 4, 1, 0), (0, 4, 1, -3)],
)
def test_positions_that_make_no_sense(built, rng, first, last, every, epoch):
    example, executable = built
    with pytest.raises(ValueError, match="positions"):
        executable.run(example.arrays(rng), None, first, last, every, epoch=epoch)


@pytest.mark.parametrize("epoch", [4, 5, 10, 30])
def test_mini_batches_end_with_their_epoch(built, rng, epoch):
    """Without an order the epoch is all of the samples, whatever is said."""
    example, executable = built
    size, order = example.source.batch_size, rng.integers(0, 10, 30)
    for given, length in ((order, epoch), (None, 10)):
        cuts = [*stretches(0, 30, size, length)]
        loss, each = np.zeros(len(cuts)), np.zeros(30)
        arrays = example.arrays(rng)
        one = {s: a.copy() for s, a in arrays.items()}
        executable.run(arrays, given, 0, 30, outputs={"loss": loss, "each": each}, epoch=epoch)
        for k, (first, last) in enumerate(cuts):
            alone, values = np.zeros(1), np.zeros(last - first)
            which = np.arange(30) % 10 if given is None else given
            executable.run(one, which, first, last, outputs={"loss": alone, "each": values})
            assert loss[k] == alone[0] and np.array_equal(each[first:last], values)
        for s in arrays:
            np.testing.assert_array_equal(arrays[s], one[s])


def test_a_computed_index_out_of_range(built, rng):
    example, executable = built
    arrays = example.arrays(rng)
    arrays[example.w][:] = 1e4
    arrays[example.x][:] = 1
    with pytest.raises(IndexError, match="computes"):
        executable.run(arrays, None, 0, 4)


# ---- processes and disks

SECOND = """
import sys
import numpy as np
from symgrad.build import build
from tests.build.kernels import Example
example = Example()
arrays = example.arrays(np.random.default_rng(0))
build(example.source).run(arrays, None, 0, 10)
print(arrays[example.w].tobytes().hex(), "numba" in sys.modules)
"""


def in_another_process(cache_directory, program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"SYMGRAD_CACHE_DIR": str(cache_directory), "PYTHONPATH": ROOT},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_a_second_process_compiles_nothing(tmp_path):
    cold, warm = (in_another_process(tmp_path, SECOND) for _ in range(2))
    assert cold[0] == warm[0]
    assert (cold[1], warm[1]) == ("True", "False")  # without numba nothing can compile


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_warned", set())
    return tmp_path / "kernels"


def trains(example, executable, rng):
    arrays = example.arrays(rng)
    w, _, _ = example.expected(arrays, np.arange(10))
    executable.run(arrays, None, 0, 10)
    np.testing.assert_allclose(arrays[example.w], w)


def test_a_poisoned_cache_is_never_executed(fresh_cache, tmp_path, rng):
    example, marker = Example(), tmp_path / "executed"
    build(example.source)
    [entry] = [p for p in fresh_cache.iterdir() if p.is_dir()]
    poison = f"open({str(marker)!r}, 'w').close()\n"
    (entry / "kernel.py").write_text(poison + example.source.text)
    (entry / "kernel.o").write_bytes(b"\x7fELF nonsense")
    with pytest.warns(CacheWarning, match="foreign"):
        executable = build(example.source)
    trains(example, executable, rng)
    assert not marker.exists()


def test_without_a_place_to_keep_it(rng, monkeypatch, fresh_cache, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path / "file"))
    example = Example()
    with pytest.warns(CacheWarning, match="kernels cannot be kept"):
        executable = build(example.source)
    trains(example, executable, rng)
