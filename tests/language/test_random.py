"""Random symbols, and the numbers that they are drawn from."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats as stats
import sympy as sp

import symgrad as sg
from symgrad.language.alias import UNITS, alias_table
from symgrad.language.counters import below, either, mixed, unit

DRAWN = 100_000
MASK = 2**64 - 1


def splitmix(state, count):
    """The generator as its authors wrote it, in whole numbers."""
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def signed(x):
    return (x & MASK) - 2**64 * ((x & MASK) >> 63)


@pytest.mark.parametrize("state", [0, 1, 1234567, 2**63, 2**64 - 1])
def test_mixed_is_splitmix64(state):
    got = mixed(signed(state), np.arange(50)).view(np.uint64)
    assert got.tolist() == list(splitmix(state, 50))
    if state == 1234567:  # the first outputs that the authors' code prints
        assert got[:2].tolist() == [6457827717110365317, 3203168211198807973]


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 2**31 + 1, 2**32, 2**32 + 1, 2**63 - 1])
def test_below_is_the_high_half_of_the_product(n, rng):
    bits = np.concatenate([rng.integers(-(2**63), 2**63, 500), [0, -1, 2**63 - 1, -(2**63)]])
    got = below(bits, n)
    assert got.tolist() == [(int(b) & MASK) * n >> 64 for b in bits]
    assert got.min() >= 0
    assert got.max() < n


@pytest.mark.parametrize("digits", [24, 53])
def test_units_never_reach_their_ends(digits):
    dtype = np.float32 if digits == 24 else np.float64
    values = unit(np.array([0, -1, 2**63 - 1, -(2**63)]), digits).astype(dtype)
    assert 0 < values.min() == 2.0**-digits
    assert values.max() == 1 - 2.0**-digits < 1
    assert values[2] < 0.5 < values[3]


# ---- how good they are


MANY = np.arange(DRAWN)
STREAMS = {  # bits in the ways in which they follow one another
    "position": lambda: mixed(mixed(mixed(5, 77), 3), MANY),
    "step": lambda: mixed(mixed(mixed(5, 77), MANY), 0),
    "name": lambda: mixed(mixed(mixed(5, MANY), 0), 0),
    "seed": lambda: mixed(mixed(mixed(MANY, 77), 0), 0),
}


@pytest.mark.parametrize("along", STREAMS)
def test_draws_are_as_good_as_independent(along):
    """Fixed numbers: a threshold of 1e-4 for each of these few tests."""
    bits = STREAMS[along]()
    u = unit(bits, 53)
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    for n in (2, 10, 1000):
        assert stats.chisquare(np.bincount(below(bits, n), minlength=n)).pvalue > 1e-4
    pairs = below(bits, 32) * 32 + np.roll(below(bits, 32), 1)
    assert stats.chisquare(np.bincount(pairs, minlength=1024)).pvalue > 1e-4
    for lag in (1, 2, 7, 64, 1024):
        r = np.corrcoef(u[:-lag], u[lag:])[0, 1]
        assert abs(r) * np.sqrt(DRAWN) < 4, (along, lag)
    ones = np.unpackbits(bits.view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
    assert np.abs(ones - 0.5).max() * 2 * np.sqrt(DRAWN) < 4.5


def test_streams_of_neighbours_do_not_correlate():
    """Steps, names and seeds that differ by one bit."""
    base = unit(mixed(mixed(mixed(5, 77), 3), MANY), 53)
    others = [(4, 77, 3), (5, 76, 3), (5, 77, 2), (5, 77, 4), (5 + 2**40, 77, 3)]
    for seed, name, step in others:
        other = unit(mixed(mixed(mixed(seed, name), step), MANY), 53)
        assert abs(np.corrcoef(base, other)[0, 1]) * np.sqrt(DRAWN) < 4


# ---- the alias method

WEIGHTS = {
    "one": [3.0],
    "even": [1.0] * 7,
    "zeros": [0.0, 1.0, 0.0, 3.0, 0.0],
    "decimals": [0.1, 0.2, 0.3, 0.4],
    "counts": [5.0, 1.0, 1e6, 2.0, 3e4],
    "wide": [1e-300, 1.0, 1e300, 5e-324],
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_an_alias_table_holds_the_probabilities_exactly(name):
    weights = WEIGHTS[name]
    table, n = alias_table(np.array(weights)), len(weights)
    found = [Fraction(0)] * n
    for k, (own, other) in enumerate(zip(table.own, table.other, strict=True)):
        assert 0 <= own <= table.total
        found[k] += Fraction(own, table.total * n)
        found[other] += Fraction(table.total - own, table.total * n)
    total = sum(map(Fraction, weights))
    assert found == [Fraction(w) / total for w in weights]


def test_an_alias_table_of_many_random_weights_is_exact(rng):
    weights = rng.lognormal(0, 5, 1000)
    table = alias_table(weights)
    share = np.array([Fraction(t, 1000 * table.total) for t in table.own])
    found = share.copy()
    for k, other in enumerate(table.other):
        found[other] += Fraction(1, 1000) - share[k]
    total = sum(map(Fraction, weights))
    assert found.tolist() == [Fraction(w) / total for w in weights]


def test_the_entries_decide_as_the_table_says():
    weights = np.array([0.0, 1.0, 2.0, 5.0, 0.5])
    table, n = alias_table(weights), 5
    for k, entry in enumerate(table.entries):
        threshold = UNITS * table.own[k] // table.total
        for rest in (0, threshold - 16, threshold + 1, UNITS - 8):
            if not 0 <= rest <= UNITS - 8:
                continue
            bits = -(-(k * 2**64 + 2 * rest) // n)  # the first that leave so much over
            got = int(either(signed(bits), n, entry))
            assert got == (k if rest < threshold else table.other[k])
            assert weights[got] > 0


# ---- the symbols


def test_draws_are_symbols_like_data():
    n, k = sg.random.integers("n", 10, shape=3), sg.random.integers("n", 10, shape=(3,))
    assert n == k
    assert hash(n) == hash(k)
    assert n != sg.random.integers("n", 11, shape=3)
    assert n != sg.random.integers("m", 10, shape=3)
    assert sg.random.categorical("n", [1, 2]) != sg.random.categorical("n", [2, 1])
    assert (sg.shape(n), n.dtype, str(n)) == ((3,), "int", "n")
    a, b = sg.random.normal("a b")
    assert (a.dtype, str(a * b), sp.diff(a * b, a)) == ("float", "a*b", b)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_draws_are_copied_and_pickled(copied):
    for s in (sg.random.categorical("n", [1, 2], shape=4), sg.random.uniform("u")):
        again = copied(s)
        assert again == s
        assert again.payload.distribution == s.payload.distribution
        assert np.array_equal(again.payload.parameter, s.payload.parameter)


def test_derivatives_hold_draws_constant_and_exist_for_them():
    w, eps = sg.parameter("w"), sg.random.normal("eps")
    assert sg.gradient((w * eps) ** 2, w) == 2 * w * eps**2
    assert sg.gradient((w * eps) ** 2, eps) == 2 * w**2 * eps


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: sg.random.integers("n", 0), ValueError, "high is 0; .*from 1 to"),
        (lambda: sg.random.integers("n", 2**63), ValueError, "high is 9223372036854775808"),
        (lambda: sg.random.integers("n", 2.5), TypeError, "high is a whole number, not 2.5"),
        (lambda: sg.random.integers("n", True), TypeError, "high is a whole number, not True"),
        (lambda: sg.random.integers("n", [3]), TypeError, r"high is a whole number, not \[3\]"),
        (lambda: sg.random.categorical("n", []), ValueError, r"shape \(0,\); expected \(n,\)"),
        (lambda: sg.random.categorical("n", [[1]]), ValueError, r"shape \(1, 1\)"),
        (lambda: sg.random.categorical("n", [1, -2]), ValueError, "weight 1 is -2.0"),
        (lambda: sg.random.categorical("n", [np.nan]), ValueError, "weight 0 is nan"),
        (lambda: sg.random.categorical("n", [1, np.inf]), ValueError, "weight 1 is inf"),
        (lambda: sg.random.categorical("n", [0, 0]), ValueError, "all 2 weights are 0"),
        (lambda: sg.random.categorical("n", ["a"]), TypeError, "an array of numbers"),
        (lambda: sg.random.normal("eps", shape=-1), ValueError, "random 'eps': a shape is"),
        (lambda: sg.random.uniform(3), TypeError, "wants a name as a string, not 3"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
