"""Streams that raise, end early or hold what is no data, and the fits that go on after them."""

import signal
import threading
import time

import numpy as np
import pytest

import symgrad as sg
from symgrad.train import blocks as blocks_module
from tests.train.models import both_targets, line, points, values
from tests.train.streaming import cut, fitted, mapped, small_blocks

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
        other = fitted(line(target=target), whole, 1, batch_size=3, shuffle=False)
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


def rows_of_a_table(target="reference"):
    """A model whose losses are the rows that are looked up: 0 ... 99."""
    P, u = sg.parameter("P", shape=100, init=np.arange(100.0)), sg.data("u", dtype=int)
    loss = P[u] * sg.stop_gradient(1.0 + 0 * P[u])
    return sg.compile(loss, sg.SGD(0.0), dtype="float64", target=target)


@both_targets
@pytest.mark.parametrize("bad", [0, 7, 40, 59])
@pytest.mark.parametrize("batch", [1, 4, None])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("checked", [1, 16, 2**14])
def test_indices_that_are_looked_at_together(checked, shuffle, batch, bad, target, monkeypatch):
    """Pieces of 5 in blocks of 16: nothing of a piece that is wrong is trained on."""
    small_blocks(monkeypatch, 16, columns=1)
    monkeypatch.setattr(blocks_module, "CHECKED", checked)
    index = np.arange(60)
    index[bad] = 100 if bad % 2 else -1
    piece, sample = divmod(bad, 5)
    message = f"batch {piece + 1} of the stream: data 'u': sample {sample} holds {index[bad]}"
    seen, model = [], rows_of_a_table(target)
    options = {"shuffle": shuffle and batch is not None, "callbacks": [sg.Every(1, seen.append)]}
    with pytest.raises(IndexError, match=message):
        model.fit([{"u": index[k : k + 5]} for k in range(0, 60, 5)], 1, batch, **options)
    before = 5 * piece
    if batch is None:
        assert model.position == before
    elif shuffle:
        assert model.position == before // 16 * 16
    else:
        assert model.position == before // batch * batch
        means = np.arange(model.position).reshape(-1, batch).mean(axis=1)
        np.testing.assert_allclose([m.loss for m in seen], means)


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_index_is_found_while_the_next_batch_is_waited_for(shuffle):
    released = threading.Event()

    def stream():
        yield {"u": [1, 2, 3, 4]}
        yield {"u": [5, 100]}
        released.wait(60)

    model, began = rows_of_a_table(), time.monotonic()
    with pytest.raises(IndexError, match="batch 2 of the stream: data 'u': sample 1 holds 100"):
        model.fit(stream, epochs=1, batch_size=2, shuffle=shuffle)
    assert time.monotonic() - began < 30
    released.set()
    assert model.position == (0 if shuffle else 4)


def test_a_wrong_index_comes_before_what_the_stream_raises_after_it():
    def stream():
        yield {"u": [1, 2, 3]}
        yield {"u": [100]}
        yield {"u": [4]}
        raise ConnectionError

    model = rows_of_a_table()
    with pytest.raises(IndexError, match="batch 2 of the stream: data 'u': sample 0 holds 100"):
        model.fit(stream, epochs=1, batch_size=1, shuffle=False)
    assert model.position == 3


def test_samples_that_are_passed_over_are_looked_at():
    model = rows_of_a_table()
    model.fit({"u": np.arange(8)}, 1, 1, shuffle=False,
              callbacks=[sg.Every(6, lambda m: m.stop())])  # fmt: skip
    for pieces, number in (([[0, 1, 2], [3, 100, 5], [6, 7]], 2), ([[0, 1, 2, 3, 100, 5, 6]], 1)):
        at = model.position
        with pytest.raises(IndexError, match=f"batch {number} of the .* 'u': sample . holds 100"):
            model.fit([{"u": u} for u in pieces], 1, 1, shuffle=False, resume=True)
        assert model.position == at == 6


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


# --- going on


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

    model, other = line(), fitted(line(), cut(data, 5), 2, shuffle=shuffle)
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
