"""The order of an epoch: from seed and epoch alone, and never a reason to wait for Ctrl-C."""

import itertools
import threading

import numpy as np
import pytest
from scipy.stats import chisquare

from symgrad.build.routine import shuffle
from symgrad.language import counters
from symgrad.train import orders as orders_module
from symgrad.train.orders import orders_of_blocks, orders_of_epochs, shuffled
from tests.train.models import line, points
from tests.train.streaming import cut, mapped, small_blocks


def test_an_order_depends_on_seed_and_epoch_alone():
    order = shuffled(1, 2, 1000)
    assert order.dtype == np.int64 and sorted(order) == list(range(1000))
    assert np.array_equal(order, shuffled(1, 2, 1000))
    assert not np.array_equal(order, shuffled(2, 1, 1000))
    assert not np.array_equal(order, shuffled(1, 3, 1000))


@pytest.mark.parametrize("long", [0, 10**9])
def test_orders_drawn_ahead_are_the_same(long, monkeypatch):
    monkeypatch.setattr(orders_module, "LONG", long)
    orders, blocks = orders_of_epochs(7, 5), orders_of_blocks(7)
    blocks.begin((2, 1, 4))
    first = orders.of(range(2), lambda: None)
    orders.begin(range(2, 3))
    second = orders.of(range(2, 3), lambda: None)
    within = [blocks.of((2, 1, n), lambda: None) for n in (3, 4)]
    orders.close()
    blocks.close()
    assert np.array_equal(first, np.concatenate([shuffled(7, 0, 5), shuffled(7, 1, 5)]))
    assert np.array_equal(second, shuffled(7, 2, 5))
    for order in within:
        assert np.array_equal(order, shuffled(7, 2, len(order), apart=1))


def test_waiting_for_an_order_can_end(monkeypatch):
    released = threading.Event()

    def slow(*_):
        released.wait()
        return np.arange(3)

    def interrupted():
        released.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(orders_module, "LONG", 0)
    monkeypatch.setattr(orders_module, "_drawn", slow)
    orders = orders_of_epochs(0, 3)
    with pytest.raises(KeyboardInterrupt):
        orders.of(range(1), interrupted)
    orders.close()


def test_every_order_is_as_likely():
    found = [tuple(shuffled(0, epoch, 4).tolist()) for epoch in range(4800)]
    counts = np.array([found.count(order) for order in itertools.permutations(range(4))])
    assert counts.sum() == 4800
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("n", [0, 1, 2, 2**18 + 1])
def test_orders_hold_every_sample_once(n):
    assert np.array_equal(np.sort(shuffled(3, 1, n)), np.arange(n))


@pytest.mark.parametrize("seed", [0, 2**64 + 1])
def test_any_seed_gives_an_order_of_its_own(seed):
    orders = {tuple(shuffled(s, 0, 20).tolist()) for s in (seed, seed + 1, seed + 2**63)}
    assert len(orders) == 3


def test_samples_end_up_anywhere_whatever_their_place():
    """Where each of 100 samples stands in 4,000 orders, and who is its neighbour."""
    orders = np.array([shuffled(5, epoch, 100) for epoch in range(4000)])
    places = np.array([np.bincount(column, minlength=100) for column in orders.T])
    assert chisquare(places.ravel()).pvalue > 1e-3
    after = (orders[:, 1:] - orders[:, :-1]) % 100
    assert chisquare(np.bincount(after.ravel(), minlength=100)[1:]).pvalue > 1e-3


def test_orders_are_drawn_as_counters_define_it():
    state, n = -(2**62) - 5, 1000
    orders = np.empty((2, n), np.int64)
    shuffle(orders, state, 3)
    for k, order in enumerate(orders):
        expected = np.empty(n, np.int64)
        own = counters.mixed(state, 3 + k)
        for i, j in enumerate(counters.below(counters.mixed(own, np.arange(n)), np.arange(n) + 1)):
            expected[i] = expected[j]
            expected[j] = i
        assert np.array_equal(order, expected)


@pytest.mark.parametrize("kind", ["stream", "memmap"])
def test_orders_of_blocks_are_drawn_before_they_are_asked_for(kind, tmp_path, monkeypatch):
    """Those of a stream from the second epoch on, when its length is known."""
    small_blocks(monkeypatch, 16)
    monkeypatch.setattr(orders_module, "LONG", 0)
    begun, asked = [], []

    class Watched(orders_module.Orders):
        def begin(self, key):
            begun.append(key) if key not in asked else None
            super().begin(key)

        def of(self, key, wait):
            asked.append(key)
            return super().of(key, wait)

    monkeypatch.setattr(orders_module, "Orders", Watched)
    data = points(40)
    given = cut(data, 7) if kind == "stream" else mapped(data, tmp_path)
    line().fit(given, epochs=2, batch_size=4)
    blocks = [(epoch, number, size) for epoch in (0, 1) for number, size in enumerate((16, 16, 8))]
    assert asked == blocks and begun == (blocks[3:] if kind == "stream" else blocks)
