"""Threads of a call that do not get in each other's way."""

import os
import threading

import pytest

from symgrad.build import threads
from symgrad.build.threads import Places, _processor

pytestmark = pytest.mark.skipif(
    threads._processor is None, reason="only Linux moves threads; elsewhere Places does nothing"
)


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_every_thread_takes_a_processor_of_its_own():
    places = Places()
    processors = len(places.allowed)
    for _ in range(processors + 1):  # the last one shares
        in_a_thread(places.take)
    assert places.taken == places.allowed


def a_place_that_is_taken(places):
    """This thread on a processor that belongs to another one of its call."""
    places.taken = {min(places.allowed)}
    os.sched_setaffinity(0, places.taken)


def test_a_thread_moves_away_from_a_processor_that_is_taken():
    places = Places()

    def moved():
        a_place_that_is_taken(places)
        places.take()
        return os.sched_getaffinity(0)

    may_leave_again = in_a_thread(moved) == places.allowed
    assert may_leave_again
    assert len(places.taken) == min(2, len(places.allowed))
    assert in_a_thread(lambda: os.sched_getaffinity(0)) == places.allowed  # that thread alone


def test_a_thread_follows_a_caller_that_is_kept_on_few_processors():
    places = Places()
    if len(places.allowed) > 1:
        places.allowed = places.taken = {max(places.allowed)}

    def elsewhere():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        places.take()
        return _processor()

    assert in_a_thread(elsewhere) in places.allowed


def test_a_system_that_forbids_it_is_no_obstacle(monkeypatch):
    places = Places()

    def forbidden(*_):
        raise PermissionError

    def stays():
        a_place_that_is_taken(places)
        monkeypatch.setattr(os, "sched_setaffinity", forbidden)
        places.take()
        return places.taken

    assert in_a_thread(stays) == {min(places.allowed)}
