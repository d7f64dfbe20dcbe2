"""Phases that are found from the middle of a section on are those from its beginning."""

import sympy as sp

import symgrad as sg
from symgrad.lower.driver import lower
from symgrad.lower.kernel import Buffer
from symgrad.lower.owners import EVERY, Touch, conflict, stretch
from symgrad.lower.parallel import HOPELESS, Piece, Section, Shared, parallel
from symgrad.lower.processor import Processor
from symgrad.lower.thread_costs import FETCHED, moved
from symgrad.lower.timeline import Timeline
from tests.lower.programs import network


def test_a_timeline_goes_on_in_another_way(rng):
    kernel = lower(network((300, 200, 100, 10), sp.tanh, sg.SGD(0.1, momentum=0.5)), "float32", 64)
    section = Shared(kernel, 3).sections[1]
    phases = set()
    for _ in range(20):
        timeline, first = Timeline(section.team.threads), int(rng.integers(len(section.parts)))
        for part in section.parts[:first]:
            timeline.add(part)
        for _ in range(3):
            for part in section.parts[first:]:
                part.taken = int(rng.integers(len(part.ways)))
            found = section.arrange(timeline, first), [p.phase for p in pieces(section)]
            assert found == (section.arrange(), [p.phase for p in pieces(section)])
            phases.add(tuple(found[1]))
    assert len(phases) > 5


def test_a_piece_stands_behind_what_it_conflicts_with(rng):
    """In the first phase that this allows, by the definition: each piece against all before it."""
    kernel = lower(network((300, 200, 100, 10), sp.tanh, sg.SGD(0.1, momentum=0.5)), "float32", 64)
    section = Shared(kernel, 3).sections[1]
    for _ in range(10):
        for part in section.parts:
            part.taken = int(rng.integers(len(part.ways)))
        section.arrange()
        before: list[Piece] = []
        for piece in pieces(section):
            assert piece.phase == max((first_phase(piece, b) for b in before), default=0)
            before.append(piece)


def first_phase(piece, before):
    """The first phase in which a piece can stand, because of one before it."""
    pairs = [(a, b) for a in before.touches for b in piece.touches if a.buffer is b.buffer]
    apart = any(conflict(a, b) for a, b in pairs)
    locals_ = {*before.writes} & {*piece.reads, *piece.writes} or {*before.reads} & {*piece.writes}
    same = locals_ or any(a.written or b.written for a, b in pairs)
    return before.phase + 1 if apart else before.phase if same else 0


def pieces(section):
    return [piece for part in section.parts for piece in part.pieces]


def test_what_another_thread_has_written_is_fetched_once():
    memory = Buffer("scratch", "", (64,), "float32")
    written = Piece((), 0.0, (Touch(memory, stretch(1, 64), True),), (), ())
    read = Piece((), 0.0, (Touch(memory, EVERY),), (), ())
    timeline = Timeline(2)
    costs = [timeline.place(piece) for piece in (written, read, read, written, read)]
    fetched = moved(EVERY, stretch(1, 64), memory.nbytes, 2)
    assert costs == [0, fetched, 0, 0, fetched] and fetched > FETCHED


def test_threads_that_would_wait_for_each_others_numbers_are_not_taken():
    """Narrow layers and few samples: every gradient is of all samples, a few thousand cycles."""
    deep = network((24,) * 12, sp.tanh, sg.SGD(0.1))
    assert parallel(lower(deep, "float32", 32), 2).threads == 1
    assert parallel(lower(deep, "float32", 4096), 2).threads == 2


def test_no_other_ways_are_tried_where_threads_would_take_far_longer(monkeypatch):
    deep = lower(network((32,) * 12, sg.relu, sg.SGD(0.1)), "float32", 16)
    tried, improved = Shared(deep, 2).cycles, Section._improved

    def of_few(section, best):
        assert len(section.parts) < 5, "other ways are tried"
        return improved(section, best)

    monkeypatch.setattr(Section, "_improved", of_few)
    assert parallel(deep, 2).threads == 1
    untried = Shared(deep, 2, most=0.0).cycles
    assert tried <= untried < HOPELESS * tried


def test_wider_arithmetic_leaves_less_to_share():
    """What threads hand over takes as long as ever: a network stays on one where it is quick."""
    kernel = lower(network((64,) * 4, sg.relu, sg.SGD(0.1)), "float32", 64)
    found = [parallel(kernel, 2, Processor(multiplied=n)).threads for n in (64, 128)]
    assert found == [2, 1]
