"""The collector's thresholds around stages, in one thread and in several."""

import gc
import threading

import pytest

from symgrad.language.garbage import RARE, rare_collections


def test_thresholds_come_back_after_an_error():
    before = gc.get_threshold()
    with pytest.raises(KeyError), rare_collections(), rare_collections():
        assert gc.get_threshold() == RARE
        raise KeyError
    assert gc.get_threshold() == before


def test_the_last_of_several_threads_brings_the_thresholds_back():
    before = gc.get_threshold()
    inside, leave = threading.Event(), threading.Event()

    def work():
        with rare_collections():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=work)
    with rare_collections():
        thread.start()
        inside.wait()
    assert gc.get_threshold() == RARE
    leave.set()
    thread.join()
    assert gc.get_threshold() == before
