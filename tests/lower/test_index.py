"""Affine indices: reshapes that only change the view leave no divisions behind."""

import itertools

import numpy as np
import pytest

from symgrad.lower import index as ix
from symgrad.lower.kernel import Axis


def evaluated(index, values):
    """The integer that an index stands for."""

    def atom(a):
        if isinstance(a, ix.Quotient):
            return evaluated(a.index, values) // a.divisor
        if isinstance(a, ix.Remainder):
            return evaluated(a.index, values) % a.divisor
        return values[a]

    return index.constant + sum(k * atom(a) for a, k in index.terms)


SHAPES = [((6,), (2, 3)), ((2, 3), (6,)), ((4, 1, 3), (2, 6)), ((2, 3, 4), (4, 3, 2)),
          ((1, 5), (5, 1, 1)), ((8, 9), (3, 4, 6)), ((2, 2, 3), (2, 6))]  # fmt: skip


@pytest.mark.parametrize(("shape", "source"), SHAPES)
def test_reshaped_indices_point_to_the_same_element(shape, source):
    axes = [Axis(s, s, i) for i, s in enumerate(shape)]
    index = ix.reshaped([ix.of(a) for a in axes], shape, source)
    array = np.arange(np.prod(shape))
    for place in itertools.product(*map(range, shape)):
        values = dict(zip(axes, place, strict=True))
        found = tuple(evaluated(i, values) for i in index)
        assert array.reshape(source)[found] == array.reshape(shape)[place]
        assert evaluated(ix.flat(index, source), values) == array.reshape(shape)[place]


def test_flattening_a_split_axis_gives_it_back():
    axis = Axis(50, 50, 0)
    split = ix.reshaped((ix.of(axis),), (50,), (10, 5))
    assert ix.flat(split, (10, 5)) == ix.of(axis)


def test_axes_that_a_reshape_leaves_alone_stay_alone():
    a, b = Axis(7, 7, 0), Axis(6, 6, 1)
    index = ix.reshaped((ix.of(a), ix.of(b)), (7, 6), (7, 2, 3))
    assert index[0] == ix.of(a)


def test_division_comes_out_even_where_it_can():
    a, b = Axis(4, 4, 0), Axis(5, 5, 1)
    whole, rest = ix.divided(ix.linear([(ix.of(a), 10), (ix.of(b), 2)], 11), 10)
    assert whole == ix.linear([(ix.of(a), 1)], 1)
    assert rest == ix.linear([(ix.of(b), 2)], 1)
