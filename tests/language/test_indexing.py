"""`z[index]` against NumPy's own indexing, forward and backward, and its refusals."""

import hypothesis.strategies as st
import numpy as np
import pytest
import sympy as sp
from hypothesis import given

import symgrad as sg
from tests.calculus.values import gradients, value

N = 3


@st.composite
def indexed(draw):
    """(shape, index for symgrad, index for NumPy with one sample's values, integer data)."""
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    used = draw(st.integers(0, len(shape)))
    common = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    entries, data = [], []
    for axis, size in enumerate(shape[:used]):
        kinds = ["slice"] + (["int", "array", "data", "list"] if size else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "int":
            entries.append(draw(st.integers(-size, size - 1)))
        elif kind == "slice":
            bound = st.none() | st.integers(-size - 2, size + 2)
            step = draw(st.none() | st.integers(1, 3) | st.integers(-3, -1))
            entries.append(slice(draw(bound), draw(bound), step))
        else:
            own = draw(st.sampled_from([common[k:] for k in range(len(common) + 1)]))
            low = 0 if kind == "data" else -size
            count = int(np.prod(own)) * (N if kind == "data" else 1)
            flat = draw(st.lists(st.integers(low, size - 1), min_size=count, max_size=count))
            if kind == "data":
                symbol = sg.data(f"u{axis}", shape=own, dtype=int)
                data.append((symbol, np.array(flat, dtype=np.int64).reshape(N, *own)))
                entries.append(symbol)
            else:
                array = np.array(flat, dtype=np.int64).reshape(own)
                entries.append(array.tolist() if kind == "list" and own and array.size else array)
    tail = draw(st.integers(0, len(shape) - used))
    if tail or draw(st.booleans()):  # an ellipsis, and entries for the last axes behind it
        entries.append(Ellipsis)
        for size in shape[len(shape) - tail :]:
            entries.append(draw(st.integers(-size, size - 1)) if size else slice(None))
    for _ in range(draw(st.integers(0, 2))):
        entries.insert(draw(st.integers(0, len(entries))), None)
    index = tuple(entries)
    return shape, index[0] if len(index) == 1 and draw(st.booleans()) else index, dict(data)


def numpys(array, index, data, sample):
    def entry(e):
        return data[e][sample] if isinstance(e, sp.Symbol) else e

    return array[tuple(map(entry, index)) if isinstance(index, tuple) else entry(index)]


@given(case=indexed(), per_sample=st.booleans())
def test_every_index_is_numpys(case, per_sample):
    shape, index, data = case
    z = (sg.data if per_sample else sg.parameter)("z", shape=shape)
    full = (N, *shape) if per_sample else shape
    array = np.random.default_rng(0).standard_normal(full)
    e = sg.take(z, index)
    want = [numpys(array[k] if per_sample else array, index, data, k) for k in range(N)]
    assert sg.shape(e) == want[0].shape
    assert str(e)
    arrays = {z: array, **data}
    got = value(e, arrays)
    want_all = np.stack(want)
    sampled = per_sample or bool(data)
    np.testing.assert_array_equal(got, want_all if sampled else want[0])
    weights = np.cos(np.arange(want[0].size) + 1.0).reshape(want[0].shape)
    loss = sg.sum(e * weights) if want[0].shape else e
    (g,) = gradients(sg.expectation(loss) if sampled else loss, [z], arrays)
    adjoint = np.zeros(full)
    for k in range(N):
        one = np.zeros(shape)
        where = numpys(np.arange(one.size).reshape(shape), index, data, k)
        np.add.at(one.reshape(-1), where, weights if want[0].shape else 1.0)
        if per_sample:
            adjoint[k] = one
        else:
            adjoint += one / N
    np.testing.assert_allclose(np.broadcast_to(g, full), adjoint, rtol=1e-12, atol=1e-14)


def test_rows_of_a_table_picked_by_data(rng):
    P = sg.parameter("P", shape=(5, 3), init=0)
    u, v = sg.data("u v", dtype=int)
    arrays = {P: rng.standard_normal((5, 3)), u: np.array([0, 4, 4]), v: np.array([1, 1, 2])}
    assert str(P[u]) == "P[u]" and str(P[u, v]) == "P[u, v]"
    np.testing.assert_array_equal(value(P[u, v], arrays), arrays[P][arrays[u], arrays[v]])
    np.testing.assert_array_equal(value(P[:, v], arrays), arrays[P][:, arrays[v]].T)
    (g,) = gradients(sg.expectation(P[u] @ P[u] + P[u, v]), [P], arrays)
    want = np.zeros((5, 3))
    np.add.at(want, arrays[u], 2 * arrays[P][arrays[u]] / 3)
    np.add.at(want, (arrays[u], arrays[v]), 1 / 3)
    np.testing.assert_allclose(g, want, rtol=1e-13)


def test_each_samples_own_rows(rng):
    z, u = sg.data("z", shape=4), sg.data("u", dtype=int)
    arrays = {z: rng.standard_normal((3, 4)), u: np.array([3, 0, 3])}
    np.testing.assert_array_equal(value(z[u], arrays), arrays[z][np.arange(3), arrays[u]])
    np.testing.assert_array_equal(value(z[np.array([2, 0])], arrays), arrays[z][:, [2, 0]])


def test_scalars_and_iteration():
    x, v = sg.data("x"), sg.data("v", shape=3)
    with pytest.raises(TypeError, match="x is a scalar for each sample"):
        x[0]
    assert list(v) == [v[0], v[1], v[2]]
    first, *_ = v
    assert first == v[0]
    assert v[-1] == v[2] and v[...] == v and v[:] == v


@pytest.mark.parametrize(
    ("index", "error", "text"),
    [
        (5, IndexError, "index 5 is out of range for axis 0 of z, which has 4"),
        ((0, 0, 0), IndexError, "has 2 axes, and 3 indices given"),
        ((..., ...), IndexError, "at most once"),
        (1.5, TypeError, "an index is an int, a slice, ..., None or integer data"),
        ("x", TypeError, "an index is an int"),
        (slice(0, 1.5), TypeError, "a slice wants plain ints"),
        (np.array([0.5]), TypeError, "an index array holds ints, not float64"),
        ([9], IndexError, "leaves the range of 4"),
        (np.array([-5]), IndexError, "leaves the range of 4"),
        (sg.data("f"), TypeError, r"declare the data with sg.data\('f', dtype=int\)"),
        (sp.Symbol("q"), TypeError, "q is not integer"),
        (sg.data("k", dtype=int) / 2, TypeError, "k/2 is not integer; of integer data"),
        (True, TypeError, "an index is an int"),
        (sg.data("f") > 0, TypeError, "a condition selects no elements"),
        (slice(0, 2, 0), ValueError, "zero"),
    ],
)
def test_refusals(index, error, text):
    z = sg.data("z", shape=(4, 3))
    with pytest.raises(error, match=text):
        z[index]


def test_boolean_arrays_pick_as_in_numpy(rng):
    z = sg.data("z", shape=(4, 3))
    mask = np.array([True, False, False, True])
    arrays = {z: rng.standard_normal((2, 4, 3))}
    np.testing.assert_array_equal(value(z[mask], arrays), arrays[z][:, mask])
    with pytest.raises(IndexError, match="a boolean index of 2 elements"):
        z[np.array([True, False])]


def test_computed_indices_out_of_range_are_an_error_at_run_time():
    z, u = sg.data("z", shape=4), sg.data("u", dtype=int)
    with pytest.raises(IndexError, match="an index of gather is 4; .* has the size 4"):
        value(z[u], {z: np.zeros((2, 4)), u: np.array([0, 4])})
    with pytest.raises(IndexError):
        value(z[u], {z: np.zeros((2, 4)), u: np.array([0, -1])})


def test_take_begins_at_an_axis(rng):
    z, k = sg.data("z", shape=(4, 3)), sg.data("k", dtype=int)
    arrays = {z: rng.standard_normal((2, 4, 3)), k: np.array([2, 0])}
    got = value(sg.take(z, [2, 0, 2], axis=-1), arrays)
    assert np.array_equal(got, arrays[z][:, :, [2, 0, 2]])
    assert np.array_equal(value(sg.take(z, k, axis=1), arrays), arrays[z][[0, 1], :, arrays[k]])
    with pytest.raises(IndexError, match="axis 2 does not exist"):
        sg.take(z, 0, axis=2)
