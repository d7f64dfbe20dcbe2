"""Which data keep the rows that samples write apart."""

import pytest

import symgrad as sg
from symgrad.calculus.apart import separating

u, i, j = sg.data("u i j", dtype=int)
some = sg.data("some", shape=(3,), dtype=int)
P, Q = (sg.parameter(name, shape=(n, 4), init=0.1) for name, n in (("P", 30), ("Q", 20)))
b = sg.parameter("b", shape=30)
T = sg.parameter("T", shape=(30, 20), init=0.1)
drawn = sg.random.integers("drawn", 20)

CASES = {
    "users and items": (P[u] @ Q[i] + b[u], {"u": 30, "i": 20}),
    "one index": (sg.sum(P[u]) + b[u], {"u": 30}),
    "two into one table": (P[u] @ (Q[i] - Q[j]), {"u": 30}),
    "an index list": (sg.sum(Q[some] @ P[u]), {"u": 30}),
    "a computed index": (P[2 * u + 1] @ Q[i], {"i": 20}),
    "a drawn index": (P[u] @ Q[drawn], {"u": 30}),
    "elements": (T[u, i], {"u": 30}),
    "elements and rows": (T[u, i] + sg.sum(Q[i]), {"i": 20}),
    "columns": (sg.sum(T[:, i]), {"i": 20}),
    "two elements of a row": (T[u, i] - T[u, j], {"u": 30}),
    "no table": (u * sg.parameter("w"), {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("optimizer", [sg.SGD(0.1), sg.Adagrad(0.1)])
def test_data_that_select_rows(case, optimizer):
    loss, expected = CASES[case]
    block = sg.compile(loss**2, optimizer).executables.program("step").step
    assert {s.name: rows for s, rows in separating(block).items()} == expected
