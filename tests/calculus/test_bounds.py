"""Bounds of integer data."""

import numpy as np
import sympy as sp

import symgrad as sg
from symgrad.calculus.bounds import computed_indices, index_bounds
from symgrad.calculus.capture import capture

P, Q = sg.parameter("P", shape=(5, 3), init=0), sg.parameter("Q", shape=(9, 3), init=0)
u, k = sg.data("u k", dtype=int)
many = sg.data("many", shape=(2, 2), dtype=int)
z = sg.data("z", shape=4)


def bounds(e):
    return index_bounds(capture({"e": e}))


def test_each_index_has_the_size_of_its_axis():
    assert bounds(sg.sum(P[u])) == {u: 5}
    assert bounds(P[u, k]) == {u: 5, k: 3}
    assert bounds(P[u] @ Q[u]) == {u: 5}  # the smaller one
    assert bounds(sg.cross_entropy(z, u)) == {u: 4}
    assert list(bounds(z[np.array([1, 2])] @ z[:2]).values()) == [4]  # a constant's


def test_rearranged_indices_keep_their_bounds():
    assert bounds(sg.sum(P[many[0]])) == {many: 5}
    assert bounds(sg.sum(P[sg.transpose(many)])) == {many: 5}
    assert bounds(sg.sum(P[sg.reshape(many, 4)])) == {many: 5}
    assert bounds(sg.sum(P[sg.concatenate([many[0], sg.reshape(u, 1)])])) == {many: 5, u: 5}


def test_computed_indices_are_checked_by_the_kernels():
    block = capture({"e": sg.sum(P[u + 1]) + sg.sum(Q[u])})
    assert index_bounds(block) == {u: 9}
    (computed,) = computed_indices(block)
    assert computed not in block.inputs.values()
    assert computed_indices(capture({"e": sg.sum(P[u]) + sp.sin(z[0])})) == []
