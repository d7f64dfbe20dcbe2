"""The order in which values are computed."""

import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.program import Program
from symgrad.lower import driver, nodes

LINKS = 20


def order_of(labels, expressions, monkeypatch):
    """The labels in the order in which a program computes them."""
    given = []

    def ordered(sinks):
        given.append(nodes.ordered(sinks))
        return given[-1]

    monkeypatch.setattr(driver, "ordered", ordered)
    driver.lower(Program(capture(expressions)), "float64", 8)
    return [x.label for x in given[0] if x.label in labels]


def chain():
    """x, sin(x), sin(sin(x)), ... under names, and a square that hangs on each."""
    link, links, squares = sg.data("x"), [], []
    for k in range(LINKS):
        link = sg.let(f"link{k}", sp.sin(link))
        links.append(link)
        squares.append(sg.let(f"square{k}", (link - k) ** 2))
    return links, squares


def test_what_hangs_on_a_link_follows_it(monkeypatch):
    _, squares = chain()
    wanted = [f"{what}{k}" for k in range(LINKS) for what in ("link", "square")]
    total = sum(reversed(squares))
    assert order_of(set(wanted), {"loss": total}, monkeypatch) == wanted


def test_of_many_results_the_first_known_come_first(monkeypatch):
    links, _ = chain()
    wanted = [f"link{k}" for k in range(LINKS)]
    outputs = {x.name: sp.cos(x) for x in reversed(links)}
    assert order_of(set(wanted), outputs, monkeypatch) == wanted
