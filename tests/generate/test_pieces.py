"""Loops in pieces: each element once, in order, and the numbers that NumPy finds."""

import itertools

import numpy as np
import pytest

import symgrad as sg
from symgrad.generate.pieces import LEAST, LONG, _cut


@pytest.mark.parametrize("width", [8, 16])
def test_pieces_are_the_whole_loop(width):
    for extent in range(1, 12 * width):
        found = _cut(extent, width)
        if not found:
            assert extent < width or extent % width == 0 or extent > LONG * width
            continue
        assert found[0][0] == 0 and found[-1][1] == extent
        assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
        lengths = [b - a for a, b in found]
        assert min(lengths) > 0 and all(n % LEAST == 0 for n in lengths[:-1])


@pytest.mark.parametrize(("dtype", "rank", "range_"), [
    ("float32", 20, "range(16, 20)"), ("float32", 39, "range(36, 39)"),
    ("float64", 27, "range(24, 27)"),
])  # fmt: skip
def test_rows_in_pieces_are_what_numpy_makes_of_them(rng, dtype, rank, range_):
    """The two rows of a step are different ones of the same table, or the same."""
    start = rng.normal(size=(3, rank))
    u, i = sg.data("u i", dtype=int)
    P = sg.parameter("P", shape=start.shape, init=start)
    model = sg.compile(sg.dot(P[u], P[i]) ** 2 / 2, optimizer=sg.SGD(lr=0.01), dtype=dtype)
    data = {"u": np.array([0, 1, 2, 2]), "i": np.array([1, 0, 2, 1])}
    model.fit(data, epochs=2, batch_size=1, shuffle=False, progress=False)
    assert range_ in model.source
    expected = start.copy()
    for a, b in list(zip(data["u"], data["i"], strict=True)) * 2:
        p, q = expected[a].copy(), expected[b].copy()
        expected[a] -= 0.01 * (p @ q) * q
        expected[b] -= 0.01 * (p @ q) * p
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(model.parameters["P"], expected, rtol=tolerance, atol=tolerance)
