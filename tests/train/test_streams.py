"""Training on what comes in pieces: as if it stood in memory, however it is cut."""

import copy

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import symgrad as sg
from symgrad.train import blocks as blocks_module
from symgrad.train.streamed import Sum
from tests.train.models import both_targets, line, points, values
from tests.train.streaming import cut, fitted, showing, small_blocks

# --- the same as in memory


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
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_mini_batch_of_more_samples_than_there_are_is_all_of_them(target, shuffle):
    data, model, other = points(100), line(target=target, seed=3), line(target=target, seed=3)
    history = model.fit(cut(data, 7), epochs=3, batch_size=10**15, shuffle=shuffle)
    want = other.fit(data, epochs=3, batch_size=10**15, shuffle=shuffle)
    np.testing.assert_allclose(values(model), values(other), rtol=1e-13)
    np.testing.assert_allclose(history.loss, want.loss, rtol=1e-12)
    assert model.steps == 3


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


# --- iterators


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
    assert model.epoch == 1 and values(model) == values(fitted(line(), data, 1))


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


# --- sparse and ragged data


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


def test_the_next_fit_finds_the_memory_of_blocks():
    data, model, other = points(100), line(), line()
    for _ in range(2):
        model.fit(cut(data, 7), epochs=2, batch_size=4, shuffle=False)
        other.fit(data, epochs=2, batch_size=4, shuffle=False)
        kept = [id(memory) for room in model.rooms for memory in room.memory.values()]
    assert values(model) == values(other) and kept
    model.fit(cut(data, 7), epochs=1, batch_size=8, shuffle=False)
    assert kept == [id(memory) for room in model.rooms for memory in room.memory.values()]
    assert not any(room.memory for room in copy.deepcopy(model).rooms)
    model.fit(cut(data, 7), epochs=1, batch_size=8, shuffle=False,
              callbacks=[sg.Every(1, lambda m: m.stop())])  # fmt: skip
    assert not model.rooms, "the reader may still write there"
