"""Threads at barriers: nobody goes on before all have come, round after round."""

import threading

import numba as nb
import numpy as np
import pytest

from symgrad.generate.barrier import FEW
from symgrad.generate.native import barrier, pointer


def rounds_of(threads):
    """A function of one thread's number: it counts rounds, and looks at the others' counts."""

    @nb.njit(nogil=True)
    def run(sync_array, counts, wrong, rounds, thread):
        sync = pointer(sync_array)
        for k in range(1, rounds + 1):
            counts[thread, 0] = k
            barrier(sync, threads)
            for other in range(threads):
                wrong[thread] += counts[other, 0] != k
            barrier(sync, threads)

    return run


@pytest.mark.parametrize("threads", [2, FEW + 1])
def test_nobody_goes_on_before_all_have_come(threads, share):
    run, rounds = rounds_of(threads), share(2000)
    sync, wrong = np.zeros(16, np.int64), np.zeros(threads, np.int64)
    counts = np.zeros((threads, 8), np.int64)
    run(sync, counts, wrong, 0, 0)
    for _ in range(2):  # the second time the count goes on from where it was
        work = [threading.Thread(target=run, args=(sync, counts, wrong, rounds, t), daemon=True)
                for t in range(threads)]  # fmt: skip
        for t in work:
            t.start()
        for t in work:
            t.join(100)
            assert not t.is_alive()
    assert not wrong.any() and (counts[:, 0] == rounds).all()
