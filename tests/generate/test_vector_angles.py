"""Sine, cosine and tangent where one way of reducing an angle gives place to another."""

import math

import mpmath as mp
import numba as nb
import numpy as np
import pytest

from symgrad.generate import vector_angles as angles
from symgrad.generate import vector_math
from tests.generate.test_vector_math import DTYPES, FUNCTIONS, assert_accurate, over, ulps

ANGLES = ("sin", "cos", "tan")


@pytest.mark.parametrize("name", ANGLES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_angles_beside_large_ones(name, dtype, rng):
    """Those for which the whole vector takes another way are what they are without them."""
    x = rng.uniform(-1000, 1000, 256).astype(dtype)
    beside = x.copy()
    beside[::7] = [*2.0 ** rng.uniform(31, 120, 35), math.inf, math.nan]
    same = np.arange(256) % 7 > 0
    np.testing.assert_array_equal(over(name, beside)[same], over(name, x)[same])


@pytest.mark.parametrize("name", ANGLES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_angles_next_to_where_the_reduction_changes(name, dtype, rng):
    """And next to multiples of a quarter turn, up to there."""
    near, epsilon = angles.NEAR[dtype], np.finfo(dtype).eps
    quarters = rng.integers(1, int(near / 1.58), 100) * (math.pi / 2)
    x = np.array([*quarters, *near * (1 + epsilon * np.arange(-20, 20))], dtype)
    assert_accurate(name, x, dtype, FUNCTIONS[name][0], 300)


@pytest.mark.parametrize("name", ANGLES)
def test_the_double_next_to_a_quarter_turn(name):
    """6381956970095103 2**797 is the double that comes closest to a multiple of pi / 2."""
    x, called = math.ldexp(6381956970095103, 797), getattr(vector_math, name)
    with mp.workprec(1300):
        assert ulps(nb.njit(lambda x: called(x))(x), FUNCTIONS[name][0](mp.mpf(x)), "float64") < 2
