"""Who is told of a stream's progress, who ends it, and that readers end with it."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import symgrad as sg
from symgrad.train import rooms
from symgrad.train.blocks import Cut, Cutter
from symgrad.train.fit import Fit
from symgrad.train.rooms import Pool, Room
from tests.train.models import line, points
from tests.train.streaming import cut, small_blocks


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


@pytest.mark.parametrize("waits", [False, True])
def test_a_training_that_would_wait_is_given_a_part_of_a_block(waits):
    x, numbers, sizes, got, held = sg.data("x"), np.arange(160.0), [], [], []
    pool = Pool([Room() for _ in range(3)])
    pieces = (({x: numbers}, first, first + 5) for first in range(0, 160, 5))
    for block in Cutter(Cut(batch=4, size=64), pool).blocks(pieces):
        sizes.append(block.samples)
        got.extend(block.arrays[x])
        held.append(block.room)
        while len(held) > (not waits):  # the room of a block that is being trained on
            pool.give(held.pop(0))
    assert got == numbers.tolist()
    assert sizes[:4] == ([8, 16, 36, 64] if waits else [8, 64, 64, 24])


def test_a_reader_stands_aside_for_a_training(monkeypatch):
    pool = Pool([Room() for _ in range(3)])
    with pool.interpreter:
        pool.check()  # not for ever
        monkeypatch.setattr(rooms, "COURTESY", 60)
        reader = threading.Thread(target=pool.check)
        reader.start()
        reader.join(0.1)
        assert reader.is_alive()
    reader.join(20)
    assert not reader.is_alive()


def test_a_reader_goes_on_while_a_kernel_runs(monkeypatch):
    small_blocks(monkeypatch, 8)
    monkeypatch.setattr(rooms, "COURTESY", 60)
    read, called, call = [], threading.Event(), Fit._call

    def stream():
        for number, batch in enumerate(cut(points(40), 4)()):
            if number > 2:
                called.wait(20)
            read.append(number)
            yield batch

    def slow_call(self, *given):
        called.set()
        for _ in range(1000):
            if len(read) > 5:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the reader waits for the end of a call")
        call(self, *given)

    monkeypatch.setattr(Fit, "_call", slow_call)
    line().fit(stream, epochs=1, batch_size=4, shuffle=False)
