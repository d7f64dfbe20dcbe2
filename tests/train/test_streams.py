"""Training on what comes in pieces: as if it stood in memory, however it is cut."""

import os
import signal
import threading
import time
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import symgrad as sg
from symgrad.train import blocks as blocks_module
from symgrad.train.streamed import Sum
from tests.train.models import line, points

both_targets = pytest.mark.parametrize("target", ["reference", "cpu"])


def cut(data, size):
    """A function that gives an iterator over pieces of this size, or of these sizes in turn."""
    n, sizes = len(data["x"]), [size] if isinstance(size, int) else size

    def stream():
        at = k = 0
        while at < n:
            rows = slice(at, at + sizes[k % len(sizes)])
            yield {name: values[rows] for name, values in data.items()}
            at, k = rows.stop, k + 1

    return stream


def values(model):
    return [float(a) for a in model.parameters.values()]


def small_blocks(monkeypatch, samples, columns=2):
    """Blocks of so many samples of float64 columns."""
    monkeypatch.setattr(blocks_module, "BYTES", samples * 8 * columns)


def showing(**options):
    """A model whose loss is the sample's number."""
    x, w = sg.data("x"), sg.parameter("w")
    loss = x + w - sg.stop_gradient(w)
    return sg.compile(loss, sg.SGD(1.0), dtype="float64", target="reference", **options)


# --- the same as in memory ------------------------------------------------------------------------


@both_targets
@pytest.mark.parametrize("batch", [1, 3, 7, 200])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [1, 10, [1, 0, 6, 2], 1000])
def test_a_stream_is_as_good_as_memory(target, batch, shuffle, size):
    data, model, other = points(100), line(target=target, seed=3), line(target=target, seed=3)
    options = {"epochs": 3, "batch_size": batch, "shuffle": shuffle, "accumulate": 2}
    history, want = model.fit(cut(data, size), **options), other.fit(data, **options)
    np.testing.assert_allclose(values(model), values(other), rtol=1e-13)
    np.testing.assert_allclose(history.step_loss, want.step_loss, rtol=1e-12)
    np.testing.assert_allclose(history.loss, want.loss, rtol=1e-12)
    assert [e.steps for e in history.epochs] == [e.steps for e in want.epochs]
    assert (model.epoch, model.position, model.steps) == (3, 0, other.steps)


@both_targets
@pytest.mark.parametrize("batch", [1, 8])
def test_several_blocks_in_order_are_as_good_as_memory(target, batch, monkeypatch):
    small_blocks(monkeypatch, 16)
    data, model, other = points(100), line(target=target), line(target=target)
    options = {"epochs": 2, "batch_size": batch, "shuffle": False}
    want = other.fit(data, **options)
    history = model.fit(cut(data, 9), **options)
    assert values(model) == values(other)
    assert np.array_equal(history.step_loss, want.step_loss)


def test_shuffled_blocks_hold_their_samples_in_new_orders(monkeypatch):
    small_blocks(monkeypatch, 16, columns=1)
    data = {"x": np.arange(40.0)}
    seen = showing().fit(cut(data, 7), epochs=2, batch_size=1).step_loss.reshape(2, 40)
    for epoch in seen:
        for first in (0, 16, 32):
            part = epoch[first : first + 16]
            assert sorted(part) == list(data["x"][first : first + 16])
            assert (np.diff(part) != 1).any()
    assert (seen[0] != seen[1]).any()
    again = line().fit(cut(points(40), 11), epochs=2, batch_size=1)
    assert np.array_equal(
        again.step_loss, line().fit(cut(points(40), 40), epochs=2, batch_size=1).step_loss
    )


class Batches:
    def __init__(self, data):
        self.data = data

    def __iter__(self):
        return cut(self.data, 7)()


KINDS = {
    "list": lambda data: list(cut(data, 7)()),
    "function": lambda data: cut(data, 7),
    "class with __iter__": lambda data: Batches(data),
    "DataFrames": lambda data: [pd.DataFrame(b) for b in cut(data, 7)()],
    "lists": lambda data: [{k: v.tolist() for k, v in b.items()} for b in cut(data, 7)()],
    "a function that returns a list": lambda data: lambda: list(cut(data, 7)()),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_a_stream(kind):
    data, model, other = points(30), line(), line()
    model.fit(KINDS[kind](data), epochs=2, batch_size=4)
    other.fit(data, epochs=2, batch_size=4)
    assert values(model) == values(other)


def test_a_stream_may_use_its_memory_again():
    data, model, other = points(60), line(), line()

    def stream():
        x, y = np.empty(10), np.empty(10)
        for k in range(0, 60, 10):
            x[:], y[:] = data["x"][k : k + 10], data["y"][k : k + 10]
            yield {"x": x, "y": y}
            x[:] = y[:] = np.nan

    for batch in (4, 10, None):
        model.fit(stream, epochs=2, batch_size=batch, shuffle=False)
        other.fit(data, epochs=2, batch_size=batch or 10, shuffle=False)
        assert values(model) == values(other)


@both_targets
def test_batches_as_they_come(target):
    data, model, other = points(40), line(target=target), line(target=target)
    sizes = [3, 5, 0, 1, 7]
    history = model.fit(cut(data, sizes), epochs=2, batch_size=None)
    losses = [other.step(b) for _ in range(2) for b in cut(data, sizes)() if len(b["x"])]
    np.testing.assert_allclose(history.step_loss, losses, rtol=1e-12)
    np.testing.assert_allclose(values(model), values(other), rtol=1e-12)
    counts = [len(b["x"]) for b in cut(data, sizes)() if len(b["x"])]
    means = [np.average(part, weights=counts) for part in np.reshape(losses, (2, -1))]
    np.testing.assert_allclose(history.loss, means, rtol=1e-12)


def test_without_a_batch_size_data_in_memory_are_one_mini_batch():
    model, other = line(), line()
    model.fit(points(50), epochs=3, batch_size=None)
    other.fit(points(50), epochs=3, batch_size=50)
    assert values(model) == values(other) and model.steps == 3


def test_an_epochs_loss_does_not_depend_on_when_samples_came(rng):
    terms, sums = rng.normal(size=10_000), []
    for size in (1, 100, 4096, 5000, 10_000):
        total = Sum()
        for k in range(0, len(terms), size):
            total.add(terms[k : k + size])
        sums.append(total.value)
    assert len(set(sums)) == 1
    np.testing.assert_allclose(sums[0], terms.sum(), rtol=1e-12)


def test_the_sum_over_a_stream():
    history = line(sg.SGD(0.001), reduction="sum").fit(cut(points(50), 7), epochs=2, batch_size=4)
    want = line(sg.SGD(0.001), reduction="sum").fit(points(50), epochs=2, batch_size=4)
    np.testing.assert_allclose(history.loss, want.loss, rtol=1e-12)


def test_random_draws_do_not_see_how_a_stream_is_cut():
    def model():
        x, w, n = sg.data("x"), sg.parameter("w"), sg.random.integers("n", 100)
        return sg.compile((w * x - n) ** 2, sg.SGD(1e-5), target="reference")

    data = {"x": np.linspace(0, 1, 30)}
    want = model().fit(data, epochs=2, batch_size=4).step_loss
    assert np.array_equal(want, model().fit(cut(data, 9), epochs=2, batch_size=4).step_loss)


# --- iterators ------------------------------------------------------------------------------------


def test_an_iterator_is_one_epoch():
    data, model, other = points(30), line(), line()
    history = model.fit(cut(data, 7)(), batch_size=4)
    other.fit(data, epochs=1, batch_size=4)
    assert values(model) == values(other) and len(history.loss) == 1
    with pytest.raises(ValueError, match="10 epochs of an iterator, which can be read once"):
        model.fit(cut(data, 7)(), epochs=10)


def test_a_function_that_returns_the_same_iterator_again():
    data, stream = points(30), cut(points(30), 7)()
    model = line()
    with pytest.raises(ValueError, match=r"no samples in epoch 2; a function .* fresh iterator"):
        model.fit(lambda: stream, epochs=3, batch_size=4)
    assert model.epoch == 1 and values(model) == values(_fitted(line(), data, 1))


def _fitted(model, data, epochs, **options):
    model.fit(data, **{"epochs": epochs, "batch_size": 4, **options})
    return model


@pytest.mark.parametrize("stream", [[], lambda: iter([]), [{"x": [], "y": []}], iter([])])
def test_a_stream_without_samples(stream):
    with pytest.raises(ValueError, match="the stream gave no samples in epoch 1"):
        line().fit(stream)


@pytest.mark.parametrize("kind", ["function", "list", "iterator"])
def test_sizes_come_from_the_first_batch(kind, rng):
    n = sg.dim("n")
    data = {"x": rng.normal(size=(40, 3)), "y": rng.normal(size=40)}

    def model():
        x, y, w = sg.data("x", shape=n), sg.data("y"), sg.parameter("w", shape=n)
        return sg.compile((w @ x - y) ** 2, sg.SGD(0.1), dtype="float64", target="reference")

    streamed, memory, partly = model(), model(), model()
    stream = cut(data, 7)() if kind == "iterator" else KINDS[kind](data)
    streamed.fit(stream, epochs=1, batch_size=4)
    memory.fit(data, epochs=1, batch_size=4)
    assert np.array_equal(streamed.parameters["w"], memory.parameters["w"])
    partly.partial_fit(data)
    assert partly.parameters["w"].shape == (3,)


# --- errors ---------------------------------------------------------------------------------------

BAD = {
    "name": ({"x": [1.0], "z": [2.0]}, KeyError, "batch 3 of the stream: no data .* called 'z'"),
    "missing": ({"x": [1.0]}, KeyError, "batch 3 of the stream: data 'y' missing"),
    "shape": ({"x": [[1.0]], "y": [2.0]}, ValueError, r"batch 3 of the stream: data 'x' has shape"),
    "kind": ({"x": ["a"], "y": [2.0]}, TypeError, "batch 3 of the stream: data 'x' holds strings"),
    "sizes": ({"x": [1.0], "y": [1.0, 2.0]}, ValueError, "batch 3 .*: data hold different numbers"),
    "tuple": (([1.0], [2.0]), TypeError, "batch 3 .*: data are a dict or a DataFrame"),
    "array": (np.zeros(3), TypeError, "batch 3 of the stream: .* not ndarray"),
}


@both_targets
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("shuffle", [False, True])
def test_an_error_names_the_batch_and_keeps_whole_steps(kind, shuffle, target):
    batch, error, message = BAD[kind]
    good = points(20)
    stream = [*cut(good, 10)(), batch, *cut(good, 10)()]
    model = line(target=target)
    with pytest.raises(error, match=message):
        model.fit(stream, epochs=2, batch_size=3, shuffle=shuffle)
    if shuffle:  # the order of a block is that of all its samples
        assert (model.steps, model.position, model.epoch) == (0, 0, 0)
    else:
        whole = {k: v[:18] for k, v in good.items()}
        other = _fitted(line(target=target), whole, 1, batch_size=3, shuffle=False)
        assert values(model) == values(other)
        assert (model.steps, model.position, model.epoch) == (6, 18, 0)


def test_an_index_out_of_range_in_a_stream():
    P, u = sg.parameter("P", shape=(5, 2), init=1.0), sg.data("u", dtype=int)
    model = sg.compile(sg.sum(P[u] ** 2), sg.SGD(0.1), target="reference")
    with pytest.raises(IndexError, match="batch 2 of the stream: data 'u': sample 1 holds 5"):
        model.fit([{"u": [1, 2]}, {"u": [3, 5]}], batch_size=1)
    computed = sg.compile(sg.sum(P[2 * u] ** 2), sg.SGD(0.1), target="reference")
    with pytest.raises(IndexError, match="batch 2 of the stream: an index that .* sample 1"):
        computed.fit([{"u": [1, 2]}, {"u": [0, 3]}], batch_size=1)


@pytest.mark.parametrize("error", [ZeroDivisionError, StopAsyncIteration, OSError, SystemExit])
def test_what_a_stream_raises_comes_through(error):
    def stream():
        yield from cut(points(20), 10)()
        raise error("of the user's")

    model = line()
    with pytest.raises(error, match="of the user's") as caught:
        model.fit(stream, epochs=2, batch_size=4, shuffle=False)
    assert model.position == 20 and model.steps == 5
    assert "stream" in [f.name for f in caught.traceback]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("given", [3, "data", b"data", None, np.zeros(3)])
def test_what_is_no_data(given):
    with pytest.raises(TypeError, match="data are a dict or a DataFrame"):
        line().fit(given)


@pytest.mark.parametrize("given", [3, {"x": [1.0]}])
def test_a_function_that_gives_no_stream(given):
    kind = type(given).__name__
    with pytest.raises(TypeError, match=f"returns an iterator of batches, not {kind}"):
        line().fit(lambda: given)


# --- going on -------------------------------------------------------------------------------------


@both_targets
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", ["memory", "stream", "memmap"])
@pytest.mark.parametrize("stop", [1, 5, 12, 13])
def test_a_fit_goes_on_where_it_ended(kind, stop, shuffle, target, tmp_path, monkeypatch):
    small_blocks(monkeypatch, 16)
    given = {"memory": lambda d: d, "stream": lambda d: cut(d, 7),
             "memmap": lambda d: mapped(d, tmp_path)}[kind](points(40))  # fmt: skip
    options = {"batch_size": 3, "shuffle": shuffle, "accumulate": 2}
    whole, parts = line(seed=2, target=target), line(seed=2, target=target)
    want = whole.fit(given, epochs=3, **options)
    first = parts.fit(given, epochs=3, callbacks=[sg.Every(stop, lambda m: m.stop())], **options)
    assert first.interrupted and parts.position == 3 * stop and parts.epoch == 0
    parts.save(tmp_path / "model")
    loaded = sg.load(tmp_path / "model")
    for model in (parts, loaded):
        rest = model.fit(given, epochs=3, resume=True, **options)
        assert np.array_equal(np.concatenate([first.step_loss, rest.step_loss]), want.step_loss)
        assert values(model) == values(whole)
        assert (model.epoch, model.position) == (3, 0)
        assert rest.loss[1:] == want.loss[1:]


def test_without_resuming_an_epoch_begins_again():
    model = line()
    model.fit(points(40), batch_size=4, callbacks=[sg.Every(3, lambda m: m.stop())])
    assert model.position == 12
    history = model.fit(points(40), epochs=1, batch_size=4)
    assert len(history.step_loss) == 10 and (model.epoch, model.position) == (1, 0)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_stream_that_failed_goes_on(shuffle, monkeypatch):
    small_blocks(monkeypatch, 16)
    data, failing = points(60), [True]

    def stream():
        for k, batch in enumerate(cut(data, 5)()):
            if k == 9 and failing:
                failing.pop()
                raise ConnectionError("lost")
            yield batch

    model, other = line(), _fitted(line(), cut(data, 5), 2, shuffle=shuffle)
    with pytest.raises(ConnectionError):
        model.fit(stream, epochs=2, batch_size=4, shuffle=shuffle)
    assert 0 < model.position <= 45
    model.fit(stream, epochs=2, batch_size=4, shuffle=shuffle, resume=True)
    assert values(model) == values(other)


def test_a_stream_that_has_become_shorter():
    model = line()
    model.fit(points(40), batch_size=4, callbacks=[sg.Every(5, lambda m: m.stop())])
    with pytest.raises(ValueError, match="has 10 samples, and the fit .* had seen 20"):
        model.fit(cut(points(10), 3), batch_size=4, shuffle=False, resume=True)
    model.position = 20
    with pytest.raises(ValueError, match="hold 10 samples, and the fit .* had seen 20"):
        model.fit(points(10), resume=True)


def test_a_checkpoint_within_an_epoch_holds_the_place(tmp_path):
    model, path = line(), tmp_path / "model"
    model.fit(cut(points(40), 7), epochs=1, batch_size=4, shuffle=False,
              callbacks=[sg.Every(4, lambda m: m.batch == 4 and m.model.save(path))])  # fmt: skip
    loaded = sg.load(path)
    assert loaded.position == 16
    loaded.fit(points(40), epochs=1, batch_size=4, shuffle=False, resume=True)
    assert values(loaded) == values(model)


# --- callbacks, progress, Ctrl-C ------------------------------------------------------------------


def test_callbacks_learn_where_a_stream_is(monkeypatch):
    small_blocks(monkeypatch, 8)
    often, epochs = [], []
    history = line().fit(cut(points(40), 7), epochs=2, batch_size=4, shuffle=False,
                         callbacks=[sg.Every(3, often.append), epochs.append])  # fmt: skip
    assert [(m.epoch, m.batch, m.batches) for m in often] == [
        (e, b, None) for e in (1, 2) for b in (3, 6, 9)
    ]
    by_epoch = history.step_loss.reshape(2, 10)
    np.testing.assert_allclose(
        [m.loss for m in often], by_epoch[:, :9].reshape(2, 3, 3).mean(axis=2).ravel()
    )
    assert [(m.epoch, m.batch) for m in epochs] == [(1, 10), (2, 10)]


def test_a_bar_counts_a_stream(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    line().fit(cut(points(40), 7), epochs=1, batch_size=4)
    assert "10 batches" in capsys.readouterr().err


def test_validation_after_every_epoch_of_a_stream():
    history = line().fit(cut(points(40), 7), epochs=2, batch_size=4, validation=points(9))
    assert len(history.validation) == 2


@pytest.mark.parametrize("shuffle", [False, True])
def test_ctrl_c_while_a_stream_is_waited_for(shuffle):
    released, closed = threading.Event(), []

    def stream():
        try:
            yield from cut(points(20), 10)()
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            released.wait(20)
            yield points(5)
        finally:
            closed.append(threading.current_thread().name)

    model, began = line(), time.monotonic()
    history = model.fit(stream, batch_size=4, shuffle=shuffle)
    assert time.monotonic() - began < 5
    assert history.interrupted and model.position == (0 if shuffle else 20)
    released.set()
    for _ in range(200):
        if closed:
            break
        time.sleep(0.01)
    assert closed == ["symgrad-reader"]


def test_samples_in_order_are_trained_on_as_they_come():
    """A slow stream: what it has given is not kept waiting."""
    seen = []

    def stream():
        for k in range(3):
            yield points(4)
            for _ in range(500):
                if len(seen) > k:
                    break
                time.sleep(0.01)
            else:
                raise AssertionError(f"batch {k} waits for the next one")

    line().fit(stream, epochs=1, batch_size=4, shuffle=False, callbacks=[sg.Every(1, seen.append)])
    assert len(seen) == 3


def test_an_endless_stream_ends_by_a_callback():
    read = []

    def stream():
        while True:
            read.append(1)
            yield points(1000)

    model = line()
    history = model.fit(stream(), batch_size=10, shuffle=False,
                        callbacks=[sg.Every(500, lambda m: m.stop())])  # fmt: skip
    assert history.interrupted and model.steps == 500
    time.sleep(0.2)
    count = len(read)
    time.sleep(0.2)
    assert len(read) == count, "the reader goes on after the fit has ended"


def test_readers_end():
    for _ in range(3):
        line().fit(cut(points(40), 7), epochs=3, batch_size=4)
    for _ in range(200):
        if not [t for t in threading.enumerate() if t.name == "symgrad-reader"]:
            break
        time.sleep(0.01)
    else:
        raise AssertionError("a reader is left behind")


# --- memory-mapped arrays -------------------------------------------------------------------------


def mapped(data, folder, dtype=None):
    found = {}
    for name, array in data.items():
        np.save(folder / f"{name}.npy", array if dtype is None else array.astype(dtype))
        found[name] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return found


@both_targets
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dtype", [None, ">f4", "float32"])
def test_mapped_arrays_are_as_good_as_memory(target, shuffle, dtype, tmp_path):
    data = {k: v.astype(np.float32) for k, v in points(100).items()}
    files, model, other = mapped(data, tmp_path, dtype), line(target=target), line(target=target)
    history = model.fit(files, epochs=3, batch_size=8, shuffle=shuffle)
    want = other.fit(data, epochs=3, batch_size=8, shuffle=shuffle)
    assert values(model) == values(other)
    assert np.array_equal(history.step_loss, want.step_loss)


def test_mapped_blocks_come_in_random_order_and_all(tmp_path, monkeypatch):
    small_blocks(monkeypatch, 8, columns=1)
    files = mapped({"x": np.arange(100.0)}, tmp_path)
    moments = []
    history = showing().fit(files, epochs=2, batch_size=2, callbacks=moments.append)
    assert [m.batches for m in moments] == [50, 50]
    seen = 2 * history.step_loss.reshape(2, 50)  # sums of pairs
    np.testing.assert_allclose(seen.sum(axis=1), np.arange(100).sum())
    starts = [(epoch, k) for epoch in seen for k in range(0, 48, 4)]
    blocks = [np.unique(epoch[k : k + 4] // 16).tolist() for epoch, k in starts]
    assert all(len(b) == 1 for b in blocks)
    assert sorted(blocks[:12]) == [[k] for k in range(12)] != blocks[:12] != blocks[12:]


def test_mapped_arrays_are_not_copied_whole(tmp_path, monkeypatch):
    """64 MB on disk, in another dtype; NumPy's own memory is traced."""
    import tracemalloc

    n, block = 2**23, 2**22
    monkeypatch.setattr(blocks_module, "BYTES", block)
    for name in "xy":
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float32, (n,))
    files = {k: np.load(tmp_path / f"{k}.npy", mmap_mode="r") for k in "xy"}
    model = line(target="cpu")
    model.fit(points(2**15), epochs=1, batch_size=2**14)  # compiling takes memory, too
    tracemalloc.start()
    try:
        model.fit(files, epochs=1, batch_size=2**14, shuffle=True)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 8 * block < sum(f.nbytes for f in files.values())


def test_errors_in_mapped_arrays_come_before_anything_runs(tmp_path):
    P, u = sg.parameter("P", shape=(50, 2), init=1.0), sg.data("u", dtype=int)
    model = sg.compile(sg.sum(P[u] ** 2), sg.SGD(0.1), target="reference")
    index = np.arange(60) % 50
    index[44] = 50
    files = mapped({"u": index}, tmp_path)
    with pytest.raises(IndexError, match="samples 0 to 59: data 'u': sample 44 holds 50"):
        model.fit(files, batch_size=1)
    assert model.steps == 0
    with pytest.raises(KeyError, match="data 'u' missing|no data"):
        model.fit({"v": files["u"]}, batch_size=1)
    with pytest.raises(ValueError, match="different numbers of samples: 'y' 3, 'x' 60"):
        line().fit({"x": files["u"], "y": [1, 2, 3]}, batch_size=1)


# --- partial_fit ----------------------------------------------------------------------------------


@both_targets
@pytest.mark.parametrize("batch", [1, 4, 100, None])
def test_partial_fit_is_one_pass_over_what_is_given(batch, target):
    data, model, other = points(30), line(target=target), line(target=target)
    for part in cut(data, [10, 7])():
        loss = model.partial_fit(part, batch_size=batch)
        want = other.fit(part, epochs=1, batch_size=batch, shuffle=False)
        np.testing.assert_allclose(loss, want.loss[0], rtol=1e-12)
        np.testing.assert_allclose(values(model), values(other), rtol=1e-12)
    assert model.steps == other.steps and model.epoch == 0


def test_groups_of_mini_batches_cross_partial_fits():
    data, model, other = points(30), line(), line()
    for part in cut(data, 6)():
        model.partial_fit(part, batch_size=3, accumulate=4)
    other.fit(data, epochs=1, batch_size=3, shuffle=False, accumulate=4)
    assert values(model) == values(other) and model.steps == 2


def test_partial_fit_refuses_what_fit_refuses():
    with pytest.raises(KeyError, match="'y' missing"):
        line().partial_fit({"x": [1]})
    with pytest.raises(ValueError, match="data are empty"):
        line().partial_fit({"x": [], "y": []})
    with pytest.raises(ValueError, match="batch_size is 0"):
        line().partial_fit(points(), batch_size=0)
    with pytest.raises(TypeError, match="a dict or a DataFrame"):
        line().partial_fit([points()])
    x, w = sg.data("x"), sg.parameter("w")
    with pytest.raises(ValueError, match="no optimiser"):
        sg.compile(w * x, target="reference").partial_fit({"x": [1]})


def test_ctrl_c_ends_a_partial_fit_after_a_whole_step(monkeypatch):
    reached, data, model, other = [], points(1000), line(), line()

    def press(*arguments):
        reached.append(arguments)
        if len(reached) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("symgrad.train.training.OnePass._reached", press)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(data, batch_size=1)
    assert 2 <= model.steps < 1000
    other.partial_fit({k: v[: model.steps] for k, v in data.items()}, batch_size=1)
    assert values(other) == values(model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_thread_may_fit_a_stream():
    found = []
    thread = threading.Thread(
        target=lambda: found.append(line().fit(cut(points(40), 7), epochs=2, batch_size=4))
    )
    thread.start()
    thread.join()
    assert len(found[0].loss) == 2


class Stealing:
    """A lock before which another thread always may have come."""

    def __init__(self, take):
        self.take, self.lock = take, threading.Lock()

    def __enter__(self):
        take, self.take = self.take, None
        if take:
            take()
        self.take = take
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


@pytest.mark.parametrize("error", [False, True])
def test_what_is_there_may_be_taken_at_any_moment(error, rng):
    """Another thread takes samples whenever it can: none is lost, doubled or displaced."""
    x, numbers, stolen = sg.data("x"), np.arange(97.0), []

    def pieces(size):
        for k in range(0, 97, size):
            part = numbers[k : k + size]
            yield {x: part}, 0, len(part)
        if error:
            raise ConnectionError

    for size in range(1, 60):
        pool, got = blocks_module.Pool([blocks_module.Room() for _ in range(3)]), []
        cutter = blocks_module.Cutter(blocks_module.Cut(batch=4, size=12), pool)

        def use(block, got=got, pool=pool):
            assert len(got) % 4 == 0
            got.extend(block.arrays[x])
            pool.give(block.room)

        def take(cutter=cutter, use=use):
            if rng.random() < 0.5 and (block := cutter.so_far(lambda: True)):
                stolen.append(block)
                use(block)

        cutter.lock = Stealing(take)
        with pytest.raises(ConnectionError) if error else nullcontext():
            for block in cutter.blocks(pieces(size)):
                use(block)
        assert got == numbers.tolist()[: 96 if error else 97]
    assert stolen


@pytest.mark.parametrize("lasts", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_only_pieces_that_stay_as_they_are_are_not_copied(lasts, shuffle):
    x, numbers = sg.data("x"), np.arange(50.0)
    pool = blocks_module.Pool([blocks_module.Room() for _ in range(3)])
    order = (lambda number, n: np.arange(n)) if shuffle else None
    cutter = blocks_module.Cutter(blocks_module.Cut(4, 12, order, lasts=lasts), pool)
    pieces = (({x: numbers}, first, min(first + 12, 50)) for first in range(0, 50, 12))
    got, shared = [], []
    for block in cutter.blocks(pieces):
        got.extend(block.arrays[x])
        shared.append(np.shares_memory(block.arrays[x], numbers))
        pool.give(block.room)
    assert got == numbers.tolist()
    assert shared == [lasts and not shuffle] * 4 + [False]  # the last is no whole mini-batch


# --- sparse and ragged data -----------------------------------------------------------------------


def lists_and_non_zeros(rng, n):
    """Sparse features and lists of words, some empty, and the pieces that they come in."""
    features = scipy.sparse.random_array((n, 9), density=0.2, rng=rng, format="csr")
    lengths = rng.integers(0, 6, n)
    words = [rng.integers(0, 12, k) for k in lengths]
    data = {"f": features, "bag": words, "y": rng.normal(size=n)}

    def pieces(sizes):
        first = k = 0
        while first < n:
            rows = slice(first, first + sizes[k % len(sizes)])
            yield {name: values[rows] for name, values in data.items()}
            first, k = rows.stop, k + 1

    return data, pieces


@both_targets
@pytest.mark.parametrize("batch", [1, 4, None])
@pytest.mark.parametrize("shuffle", [False, True])
def test_streams_of_sparse_and_ragged_data(target, batch, shuffle, rng, monkeypatch):
    f, bag = sg.data("f", shape=9, sparse=True), sg.data("bag", dtype=int, ragged=True)
    w, P, y = sg.parameter("w", shape=9), sg.parameter("P", shape=(12, 2), init=0.5), sg.data("y")
    loss = (w @ f + sg.sum(P[bag]) - y) ** 2

    def model():
        return sg.compile(loss, sg.SGD(0.01), dtype="float64", target=target)

    data, pieces = lists_and_non_zeros(rng, 40)
    memory, stream, blocks = model(), model(), model()
    options = {"epochs": 2, "shuffle": shuffle and batch is not None}
    sizes = [7, 0, 1, 12] if batch else [4]
    want = memory.fit(data, batch_size=batch or 4, **options)
    got = stream.fit(lambda: pieces(sizes), batch_size=batch, **options)
    np.testing.assert_allclose(got.step_loss, want.step_loss, rtol=1e-11)
    monkeypatch.setattr(blocks_module, "ROWS", 8)
    several = blocks.fit(lambda: pieces(sizes), batch_size=batch, **options)
    if not shuffle:
        np.testing.assert_allclose(several.step_loss, want.step_loss, rtol=1e-11)
    for name in ("w", "P"):
        np.testing.assert_allclose(
            stream.parameters[name], memory.parameters[name], rtol=1e-10, atol=1e-14
        )


def test_lock_free_threads_work_through_a_stream(monkeypatch):
    small_blocks(monkeypatch, 1000)
    model = line(target="cpu")
    history = model.fit(cut(points(5000), 70), epochs=3, batch_size=1, parallel="hogwild")
    assert np.isfinite(history.step_loss).all() and model.steps == 15_000
    np.testing.assert_allclose(values(model), [3, 2], atol=1e-3)
    with pytest.raises(ValueError, match="give a batch_size"):
        model.fit(cut(points(50), 7), batch_size=None, parallel="hogwild")
