"""One pass over what is given, again and again."""

import os
import signal
import threading
from contextlib import nullcontext

import numpy as np
import pytest

import symgrad as sg
from symgrad.train import blocks as blocks_module
from symgrad.train import rooms
from tests.train.models import both_targets, line, points, values
from tests.train.streaming import cut


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
        pool, got = rooms.Pool([rooms.Room() for _ in range(3)]), []
        cutter = blocks_module.Cutter(blocks_module.Cut(batch=4, size=12), pool)

        def use(block, got=got, pool=pool):
            assert len(got) % 4 == 0 and block.batch == 4
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
    pool = rooms.Pool([rooms.Room() for _ in range(3)])
    order = (lambda number, n: np.arange(n)) if shuffle else None
    cutter = blocks_module.Cutter(blocks_module.Cut(4, 12, order, lasts=lasts), pool)
    pieces = (({x: numbers}, first, min(first + 12, 50)) for first in range(0, 50, 12))
    got, shared = [], []
    for block in cutter.blocks(pieces):
        got.extend(block.arrays[x])
        assert block.batch == 4
        shared.append(np.shares_memory(block.arrays[x], numbers))
        pool.give(block.room)
    assert got == numbers.tolist()
    assert shared == [lasts and not shuffle] * 4 + [False]  # the last is no whole mini-batch


@pytest.mark.parametrize(
    ("skip", "samples", "batch"), [(0, 3, 3), (0, 4, 4), (0, 13, 4), (8, 9, 4)]
)
def test_only_all_that_there_is_may_be_less_than_a_mini_batch(skip, samples, batch):
    x, numbers = sg.data("x"), np.arange(float(samples))
    pool = rooms.Pool([rooms.Room() for _ in range(3)])
    cutter = blocks_module.Cutter(blocks_module.Cut(4, 12, skip=skip), pool)
    sizes = []
    for block in cutter.blocks([({x: numbers}, skip, samples)]):
        sizes.append(block.batch)
        pool.give(block.room)
    assert set(sizes) == {batch}
