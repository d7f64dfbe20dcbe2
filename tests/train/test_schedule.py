"""Stretches of mini-batches: every sample is in one, and all but the last are whole."""

import numpy as np
import pytest

from symgrad.train.schedule import in_cells, in_order


def stretches(schedule):
    return [s for row in schedule.rounds for s in row] + [schedule.rest]


@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("ordered", [False, True])
def test_parts_of_an_order(rng, batch, ordered):
    order = rng.permutation(1000) if ordered else None
    schedule = in_order(order, 100, 911, batch, 3)
    parts = [np.arange(s.first, s.last) for s in stretches(schedule)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(100, 911))
    check_batches(schedule, 811, batch)
    assert max(schedule.batches(k) for k in range(3)) <= -(-811 // batch) // 3 + 1


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_cells(rng, batch):
    samples = rng.permutation(1000)
    cuts = np.sort(rng.integers(0, 1000, 8))
    cells = np.split(samples, cuts)
    schedule = in_cells([cells[k : k + 3] for k in (0, 3, 6)], batch)
    found = np.concatenate([s.order[s.first : s.last] for s in stretches(schedule)])
    np.testing.assert_array_equal(np.sort(found), np.arange(1000))
    for row, k in zip(schedule.rounds, (0, 3, 6), strict=True):
        for stretch, cell in zip(row, cells[k : k + 3], strict=True):
            assert stretch.last % batch == 0 and len(cell) - stretch.last < batch
            np.testing.assert_array_equal(stretch.order, cell[: stretch.last])
    check_batches(schedule, 1000, batch)


def check_batches(schedule, samples, batch):
    numbers = [np.arange(s.batches.start, s.batches.stop) for s in stretches(schedule)]
    np.testing.assert_array_equal(np.concatenate(numbers), np.arange(-(-samples // batch)))
    assert sum(schedule.batches(k) for k in range(3)) == -(-samples // batch)
    for s in stretches(schedule):
        assert -(-(s.last - s.first) // batch) == s.batches.stop - s.batches.start
