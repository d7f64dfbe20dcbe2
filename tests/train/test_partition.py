"""Samples in cells: each once, in order, and in one round no row for two threads."""

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest

import symgrad as sg
from symgrad.train.partition import Partition, chosen, limits

SYMBOLS = sg.data("u i j", dtype=int)


def in_cells(partition, rows, order, first, last):
    """The samples by round and thread."""
    with ThreadPoolExecutor(partition.threads) as pool:

        def each(function):
            return list(pool.map(function, range(partition.threads)))

        arrays = dict(zip(SYMBOLS, rows, strict=False))
        partition.begin(arrays, order, first, last, each)
        found = None
        while found is None:
            each(partition.sort)
            found = partition.found()
    return [[cell.copy() for cell in cells] for cells in found]


def uniform(rng, rows, n):
    return rng.integers(0, rows, n)


def zipf(rng, rows, n):
    """The first rows are those that most samples have."""
    return np.minimum(rng.zipf(1.3, n) - 1, rows - 1)


def neighbours(rng, rows, n):
    """Samples are sorted by row."""
    return np.sort(rng.integers(0, rows, n))


@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("indices", [1, 2, 3])
@pytest.mark.parametrize("draw", [uniform, zipf, neighbours])
@pytest.mark.parametrize("ordered", [False, True])
def test_rows_of_one_round_never_meet(rng, threads, indices, draw, ordered):
    n, first, last = 5000, 700, 4500
    rows = [draw(rng, int(rng.integers(2, 500)), n) for _ in range(indices)]
    order = rng.permutation(n) if ordered else None
    partition = Partition(SYMBOLS[:indices], threads)
    for begin, end in ((first, last), (0, 100), (0, n)):
        rounds = in_cells(partition, rows, order, begin, end)
        at = np.arange(n) if order is None else np.argsort(order)  # a sample's position
        assert len(rounds) == threads ** (indices - 1)
        assert all(len(cells) == threads for cells in rounds)
        positions = np.concatenate([at[cell] for cells in rounds for cell in cells])
        assert np.array_equal(np.sort(positions), np.arange(begin, end))
        for cells in rounds:
            assert all((np.diff(at[cell]) > 0).all() for cell in cells)
            for one, other in combinations(cells, 2):
                assert not any(np.isin(index[one], index[other]).any() for index in rows)


@pytest.mark.parametrize("draw", [uniform, zipf])
@pytest.mark.parametrize("ordered", [False, True])
def test_threads_have_about_as_much_to_do(rng, draw, ordered):
    n = 100_000
    rows = [draw(rng, size, n) for size in (5000, 700)]
    order = rng.permutation(n) if ordered else None
    rounds = in_cells(Partition(SYMBOLS[:2], 2), rows, order, 0, n)
    longest = sum(max(map(len, cells)) for cells in rounds)
    print(longest, n)
    assert longest < 0.65 * n


def test_rows_are_cut_anew_where_samples_have_others(rng):
    """Of samples that are sorted by user each call has users of its own."""
    n, size = 80_000, 20_000
    rows = [neighbours(rng, 5000, n), uniform(rng, 700, n)]
    partition = Partition(SYMBOLS[:2], 2)
    for first in range(0, n, size):
        rounds = in_cells(partition, rows, None, first, first + size)
        assert sum(max(map(len, cells)) for cells in rounds) < 0.58 * size


def test_a_call_begins_with_the_rows_with_which_the_last_one_ended(rng):
    rows = [uniform(rng, 100, 1000), uniform(rng, 100, 1000)]
    partition = Partition(SYMBOLS[:2], 3)
    calls = [in_cells(partition, rows, None, 0, 1000) for _ in range(2)]
    for last, first in zip(calls[0][-1], calls[1][0], strict=True):
        np.testing.assert_array_equal(last, first)


def test_an_order_that_names_no_sample_is_refused(rng):
    rows, order = [uniform(rng, 100, 1000)], np.arange(1000)
    order[7] = 1000
    with pytest.raises(IndexError, match="beyond the 1000"):
        in_cells(Partition(SYMBOLS[:1], 2), rows, order, 0, 1000)


def test_limits_divide_rows_evenly(rng):
    rows = rng.integers(0, 1000, 20_000)
    counts = np.histogram(rows, [0, *limits(rows, 4), 1000])[0]
    assert abs(counts - 5000).max() < 100
    assert limits(np.full(10, 7), 3) == [7, 8]


@pytest.mark.parametrize(
    ("rows", "threads", "names"),
    [
        ((100, 200, 300), 2, "jiu"),
        ((3, 200, 300), 2, "ji"),  # three rows are too few for two threads
        ((100, 200, 300), 9, "iu"),  # 81 rounds would be too many
        ((100, 200, 300), 65, "i"),
        ((1, 1, 1), 2, ""),
        ((), 1, ""),
    ],
)
def test_indices_are_chosen_by_their_rows(rows, threads, names):
    found = chosen(dict(zip(SYMBOLS, rows, strict=False)), threads)
    assert [s.name for s in found] == list(names)
