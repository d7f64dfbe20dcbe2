"""The instructions for random draws are what their NumPy meanings say, to the bit."""

import numba as nb
import numpy as np
import pytest

from symgrad.generate import random_bits
from symgrad.language import counters

EDGES = [0, 1, -1, 2**63 - 1, -(2**63), 2**32, 2**32 - 1, -(2**32)]
COUNTS = [1, 2, 3, 10, 2**31 + 1, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 1, 2**63 - 1]


@pytest.fixture
def words(rng):
    return np.concatenate([EDGES, rng.integers(-(2**63), 2**63, 300)])


def compiled(name, *arguments):
    """The intrinsic in loops that may become vectors, under the flags that kernels have: one for
    each text of its arguments, which fills a row."""
    space = {"nb": nb, name: getattr(random_bits, name), "np": np}
    loops = (f"    for i in range(len(a)):\n        out[{k}, i] = {name}({text})\n"
             for k, text in enumerate(arguments))  # fmt: skip
    exec(
        "@nb.njit(fastmath={'afn', 'arcp', 'contract', 'nsz', 'reassoc'})\n"
        "def f(a, b, out):\n" + "".join(loops),
        space,
    )
    return space["f"]


def test_mixed(words):
    out = np.empty_like(words, shape=(1, len(words)))
    compiled("mixed", "a[i], b[i]")(words, words[::-1].copy(), out)
    assert np.array_equal(out[0], counters.mixed(words, words[::-1]))


def test_below_and_either(words):
    entries = words[::-1] & (2**63 - 1)
    below, either = (np.empty((len(COUNTS), len(words)), np.int64) for _ in range(2))
    compiled("below", *(f"a[i], {n}" for n in COUNTS))(words, entries, below)
    compiled("either", *(f"a[i], {n}, b[i]" for n in COUNTS))(words, entries, either)
    for k, n in enumerate(COUNTS):
        assert np.array_equal(below[k], counters.below(words, n)), n
        assert np.array_equal(either[k], counters.either(words, n, entries)), n


@pytest.mark.parametrize("digits", [24, 53])
def test_unit(words, digits):
    out = np.empty((1, len(words)))
    compiled("unit", f"a[i], {digits}")(words, words, out)
    assert np.array_equal(out[0], counters.unit(words, digits))
