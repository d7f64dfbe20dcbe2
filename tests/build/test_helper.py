"""Functions of arrays and numbers."""

import numpy as np
import pytest

from symgrad.build.helper import Helper

TEXT = """
import numba as nb

@nb.njit
def fill(x, first, value):
    for k in range(first, x.size):
        x[k] = value
    return x.size
"""
KINDS = ("uint16", "integer", "integer")


def test_it_writes_into_arrays():
    x = np.zeros(5, np.uint16)
    assert Helper(TEXT, "fill", KINDS, ())(x, 2, 7) == 5
    np.testing.assert_array_equal(x, [0, 0, 7, 7, 7])


@pytest.mark.parametrize(
    ("array", "error"),
    [(np.zeros(5), TypeError), (np.zeros((2, 10), np.uint16)[:, ::2], ValueError)],
)
def test_other_memory_is_refused(array, error):
    with pytest.raises(error, match="an array for 'fill'"):
        Helper(TEXT, "fill", KINDS, ())(array, 2, 7)
