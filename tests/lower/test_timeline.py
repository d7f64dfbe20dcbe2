"""Phases that are found from the middle of a section on are those from its beginning."""

import sympy as sp

import symgrad as sg
from symgrad.lower.driver import lower
from symgrad.lower.parallel import Shared
from symgrad.lower.timeline import Timeline
from tests.lower.programs import network


def test_a_timeline_goes_on_in_another_way(rng):
    kernel = lower(network((300, 200, 100, 10), sp.tanh, sg.SGD(0.1, momentum=0.5)), "float32", 64)
    section = Shared(kernel, 3).sections[1]
    phases = set()
    for _ in range(20):
        timeline, first = Timeline(section.threads), int(rng.integers(len(section.parts)))
        for part in section.parts[:first]:
            timeline.add(part)
        for _ in range(3):
            for part in section.parts[first:]:
                part.taken = int(rng.integers(len(part.ways)))
            found = section.arrange(timeline, first), [p.phase for p in pieces(section)]
            assert found == (section.arrange(), [p.phase for p in pieces(section)])
            phases.add(tuple(found[1]))
    assert len(phases) > 5


def pieces(section):
    return [piece for part in section.parts for piece in part.pieces]
