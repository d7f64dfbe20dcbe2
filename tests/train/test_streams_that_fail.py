"""Streams that raise, end early or hold what is no data, and the fits that go on after them."""

import signal

import numpy as np
import pytest

import symgrad as sg
from tests.train.models import line, points
from tests.train.streaming import both_targets, cut, fitted, mapped, small_blocks, values

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
