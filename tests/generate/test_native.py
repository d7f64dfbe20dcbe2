"""The instructions that generated code is written with."""

import numba as nb
import numpy as np
import pytest

from symgrad.generate import native
from symgrad.generate.row_groups import joined

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.5, 2.25])
PAIRS = np.array([(a, b) for a in SPECIAL for b in SPECIAL]).T


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "expected"), [
    ("maximum", np.maximum), ("minimum", np.minimum), ("modulo", np.mod),
])  # fmt: skip
def test_pairs(name, expected, dtype):
    function = getattr(native, name)
    compiled = nb.njit(lambda a, b: function(a, b))
    a, b = PAIRS.astype(dtype)
    with np.errstate(all="ignore"):
        found = [compiled(x, y) for x, y in zip(a, b, strict=True)]
        np.testing.assert_array_equal(found, expected(a, b))


@pytest.mark.parametrize("name", ["maximum", "minimum", "modulo"])
def test_pairs_of_integers(name):
    function = getattr(native, name)
    expected = {"maximum": max, "minimum": min, "modulo": lambda a, b: a % b}[name]
    compiled = nb.njit(lambda a, b: function(a, b))
    for a in (-7, -1, 0, 5):
        for b in (-3, 2, 5):
            assert compiled(a, b) == expected(a, b)


def test_signs():
    compiled = nb.njit(lambda x: native.sign(x))
    np.testing.assert_array_equal([compiled(x) for x in SPECIAL], np.sign(SPECIAL))
    assert [compiled(k) for k in (-4, 0, 3)] == [-1, 0, 1]


@pytest.mark.parametrize("k", [1, 2, 3, 7, 16])
def test_powers(k):
    space = {"nb": nb, "power": native.power}
    exec(f"@nb.njit\ndef f(x):\n    return power(x, {k})", space)
    x = np.float32(1.25)
    assert space["f"](x) == pytest.approx(x**k, rel=1e-6)
    assert space["f"](3) == 3**k


def test_choices_have_no_branch_and_one_type():
    compiled = nb.njit(lambda c, a, b: native.select(c, a, b))
    assert compiled(True, 1.0, 2.0) == 1.0
    assert compiled(False, 1.0, 2.0) == 2.0
    with pytest.raises(nb.TypingError):
        compiled(True, 1.0, np.float32(2))


def test_indices_are_clamped_and_reported():
    def place(i, size, fault):
        return native.clamp(i, size, native.pointer(fault))

    compiled, fault = nb.njit(place), np.zeros(1, np.int64)
    assert [compiled(i, 4, fault) for i in (0, 3)] == [0, 3]
    assert not fault[0]
    assert [compiled(i, 4, fault) for i in (-1, 4, 10**12)] == [0, 3, 3]
    assert fault[0]


def test_distinct_rows_in_memory_that_holds_anything():
    """Whatever stood in the table before; rows that collide, too."""

    @nb.njit
    def number(x, rows, count, table, places, numbers):
        count[0] = 0
        for i in range(len(x)):
            numbers[i] = native.distinct(
                x[i], native.pointer(rows), native.pointer(count), native.pointer(table),
                native.pointer(places), 5,
            )  # fmt: skip

    seed = np.random.SeedSequence().entropy
    print("seed", seed)
    rng = np.random.default_rng(seed)
    memory = [rng.integers(-99, 99, size) for size in (16, 1, 32, 16)]
    for _ in range(500):
        x = rng.integers(0, rng.integers(1, 40), 16) * rng.choice([1, 32, 2**40])
        numbers = np.empty(16, np.int64)
        number(x, *memory, numbers)
        rows, count = memory[0], memory[1][0]
        found, first = np.unique(x, return_index=True)
        assert count == len(found) and (rows[:count] == x[np.sort(first)]).all()
        assert (rows[numbers] == x).all()


def test_distinct_rows_that_become_more_and_more():
    """The hash table grows with them, and is made again for rows that others wrote."""

    @nb.njit
    def number(x, rows, count, table, places, numbers):
        for i in range(len(x)):
            numbers[i] = joined(
                x[i], native.pointer(rows), native.pointer(count), native.pointer(table),
                native.pointer(places),
            )  # fmt: skip

    seed = np.random.SeedSequence().entropy
    print("seed", seed)
    rng = np.random.default_rng(seed)
    rows, table, places = (rng.integers(-99, 99, size) for size in (50, 128, 50))
    for _ in range(300):
        x = rng.integers(0, rng.integers(1, 51), 200) * rng.choice([1, 32, 2**40])
        count, known = np.zeros(2, np.int64), np.unique(x)[: rng.integers(0, 51)]
        for part in np.split(x, [rng.integers(0, 60), 100]):
            numbers = np.empty(len(part), np.int64)
            number(part, rows, count, table, places, numbers)
            assert (rows[numbers] == part).all()
            assert 2 * count[0] <= 2 ** count[1] <= 128
            if rng.integers(2):  # written without the table
                new = np.setdiff1d(known, rows[: count[0]])
                rows[count[0] : count[0] + len(new)] = new
                count[:] = count[0] + len(new), 0
        assert len(np.unique(rows[: count[0]])) == count[0]
