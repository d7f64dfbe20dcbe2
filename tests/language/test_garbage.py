"""The collector's thresholds around stages, in one thread and in several, and around imports."""

import gc
import sys
import threading
import types

import pytest

from symgrad.language.garbage import RARE, imports, rare_collections


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


@pytest.fixture
def new_module(monkeypatch):
    """Has a new module among those that are imported; outside it, tests freeze what there is."""
    gc.unfreeze()
    yield lambda: monkeypatch.setitem(sys.modules, "new", types.ModuleType("new"))
    gc.freeze()


def are_old(objects):
    young = {id(x) for generation in (0, 1) for x in gc.get_objects(generation)}
    return young.isdisjoint(map(id, objects))


def test_what_new_modules_leave_is_old(new_module):
    with imports():
        new_module()
        kept = [[] for _ in range(1000)]
    assert are_old(kept) and not gc.get_freeze_count() and gc.get_threshold() != RARE


def test_without_new_modules_nothing_is_made_old(new_module):
    with imports():
        kept = [[] for _ in range(1000)]
    assert not are_old(kept)


def test_what_a_user_has_frozen_stays_so(new_module):
    gc.freeze()
    with imports():
        new_module()
    assert gc.get_freeze_count()
