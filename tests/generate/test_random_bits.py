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


def compiled(name, arguments):
    """The intrinsic in a loop that may become vectors, under the flags that kernels have."""
    space = {"nb": nb, name: getattr(random_bits, name), "np": np}
    exec(
        "@nb.njit(fastmath={'afn', 'arcp', 'contract', 'nsz', 'reassoc'})\n"
        "def f(a, b, out):\n"
        "    for i in range(len(a)):\n"
        f"        out[i] = {name}({arguments})\n",
        space,
    )
    return space["f"]


def test_mixed(words):
    out = np.empty_like(words)
    compiled("mixed", "a[i], b[i]")(words, words[::-1].copy(), out)
    assert np.array_equal(out, counters.mixed(words, words[::-1]))


@pytest.mark.parametrize("n", COUNTS)
def test_below_and_either(words, n):
    out, entries = np.empty_like(words), words[::-1] & (2**63 - 1)
    compiled("below", f"a[i], {n}")(words, entries, out)
    assert np.array_equal(out, counters.below(words, n))
    compiled("either", f"a[i], {n}, b[i]")(words, entries, out)
    assert np.array_equal(out, counters.either(words, n, entries))


@pytest.mark.parametrize("digits", [24, 53])
def test_unit(words, digits):
    out = np.empty(len(words))
    compiled("unit", f"a[i], {digits}")(words, words, out)
    assert np.array_equal(out, counters.unit(words, digits))
