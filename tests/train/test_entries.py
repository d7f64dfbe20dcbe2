"""What users have for sparse and ragged data, and what cannot become it."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import symgrad as sg
from symgrad.language.ragged import length, stored
from symgrad.train.entries import ragged_entries, sparse_entries

F32, F64, I64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
X = sg.data("x", shape=4, sparse=True)
BAG = sg.data("bag", dtype=int, ragged=True)
DENSE = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, -1, 0]], float)
CSR = scipy.sparse.csr_array(DENSE)

GOOD = {
    "csr array": CSR,
    "csr matrix": scipy.sparse.csr_matrix(DENSE),
    "int64 indices": scipy.sparse.csr_array(
        (CSR.data, CSR.indices.astype(np.int64), CSR.indptr.astype(np.int64)), shape=(3, 4)
    ),
    "csc": scipy.sparse.csc_array(DENSE),
    "coo": scipy.sparse.coo_array(DENSE),
    "lil": scipy.sparse.lil_array(DENSE),
    "float32": CSR.astype(np.float32),
    "int": CSR.astype(np.int16),
    "dense": DENSE,
    "list": DENSE.tolist(),
    "frame": pd.DataFrame(DENSE),
    "unsorted": scipy.sparse.csr_array(([1.0, 2, -1, 3], [3, 1, 2, 0], [0, 2, 2, 4]), shape=(3, 4)),
    "duplicates": scipy.sparse.csr_array(
        ([1.0, 0.5, 1.5, -1, 3], [3, 1, 1, 2, 0], [0, 3, 3, 5]), shape=(3, 4)
    ),
    "explicit zeros": scipy.sparse.csr_array(
        ([0.0, 2, 1, 3, -1], [0, 1, 3, 0, 2], [0, 3, 3, 5]), shape=(3, 4)
    ),
}


def dense(entries, symbol):
    values, columns = (entries.arrays[s] for s in stored(symbol))
    shape = (len(entries), *symbol.shape)
    return scipy.sparse.csr_array((values, columns, entries.offsets), shape=shape).toarray()


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize("kind", GOOD)
def test_every_form_of_sparse_data(kind, dtype):
    given = GOOD[kind]
    before = given.copy() if scipy.sparse.issparse(given) else given
    entries = sparse_entries(given, X, dtype)
    np.testing.assert_array_equal(dense(entries, X), DENSE)
    values, columns = (entries.arrays[s] for s in stored(X))
    assert (values.dtype, columns.dtype, entries.offsets.dtype) == (dtype, np.int32, I64)
    assert entries.arrays[length(X)] is entries.offsets
    for row in np.split(columns, entries.offsets[1:-1]):
        assert len(set(row)) == len(row), "a column occurs once in a row"
    if scipy.sparse.issparse(given) and given.format == "csr":
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(given, part), getattr(before, part))


def test_what_is_right_already_is_not_copied():
    A = scipy.sparse.csr_array(DENSE)
    values, columns = (sparse_entries(A, X, F64).arrays[s] for s in stored(X))
    assert np.shares_memory(values, A.data) and np.shares_memory(columns, A.indices)


def test_empty_matrices_and_nan():
    entries = sparse_entries(scipy.sparse.csr_array((5, 4)), X, F64)
    assert len(entries) == 5 and entries.offsets.tolist() == [0] * 6
    assert len(sparse_entries(scipy.sparse.csr_array((0, 4)), X, F64)) == 0
    given = DENSE.copy()
    given[0, 1] = np.nan
    assert np.isnan(dense(sparse_entries(given, X, F64), X)[0, 1])


def broken(indices=(1, 3, 0, 2), indptr=(0, 2, 2, 4), data=(1.0, 2, 3, 4)):
    A = scipy.sparse.csr_array(([1.0, 2, 3, 4], [1, 3, 0, 2], [0, 2, 2, 4]), shape=(3, 4))
    A.indices, A.indptr = np.array(indices, np.int32), np.array(indptr, np.int32)
    A.data = np.array(data)
    return A


def test_what_scipy_remembers_of_changed_arrays_is_not_believed():
    """SciPy asks once whether columns rise; a column that then occurs twice is still summed."""
    A = broken()
    assert A.has_canonical_format
    A.indices[1] = 1
    entries = sparse_entries(A, X, F64)
    assert entries.offsets.tolist() == [0, 1, 1, 3] and A.indices.tolist() == [1, 1, 0, 2]
    np.testing.assert_array_equal(dense(entries, X), A.toarray())


def test_columns_are_integers():
    A = broken()
    A.indices = A.indices.astype(float)
    with pytest.raises(TypeError, match="'x': its columns are float64"):
        sparse_entries(A, X, F64)


BAD = {
    "columns": (CSR[:, :3], ValueError, r"shape \(3, 3\); expected \(N, 4\)"),
    "rank": (DENSE[0], ValueError, "expected"),
    "complex": (CSR.astype(complex), TypeError, "complex128; expected real"),
    "beyond": (broken(indices=(1, 3, 0, 9)), IndexError, "sample 2 has an entry in column 9"),
    "negative": (broken(indices=(1, -1, 0, 2)), IndexError, "sample 0 has an entry in column -1"),
    "falling": (
        broken(indptr=(0, 3, 2, 4)),
        ValueError,
        "rise from 0 .* falls to 2 after sample 1",
    ),
    "too long": (broken(indptr=(0, 2, 2, 9)), ValueError, "at most the 4 entries"),
    "no offsets": (broken(indptr=()), ValueError, "holds none"),
    "pandas": (pd.DataFrame(DENSE).astype(pd.SparseDtype(float, 0)), TypeError, "to_coo"),
    "text": (["a", "b"], TypeError, "strings"),
    "float32": (CSR * 1e300, ValueError, "sample 0 holds .*e.300, which float32 cannot hold"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_with_sparse_data_is_said(kind):
    given, error, text = BAD[kind]
    with pytest.raises(error, match=text) as raised:
        sparse_entries(given, X, F32)
    assert "'x'" in str(raised.value)


def test_a_sparse_matrix_for_dense_data():
    x, w = sg.data("x", shape=4), sg.parameter("w", shape=4)
    model = sg.compile(w @ x, sg.SGD(0.1), target="reference")
    with pytest.raises(TypeError, match="sparse=True"):
        model.step({"x": CSR})


RAGGED = {
    "lists": [[1, 2], [], [3]],
    "arrays": [np.array([1, 2]), np.array([]), np.array([3], np.int32)],
    "pair": ([1, 2, 3], [0, 2, 2, 3]),
    "arrays of a pair": (np.float64([1, 2, 3]), np.int32([0, 2, 2, 3])),
    "Series": pd.Series([[1, 2], [], [3]]),
    "objects": np.array([[1, 2], [], [3]], object),
}


@pytest.mark.parametrize("kind", RAGGED)
def test_every_form_of_ragged_data(kind):
    entries = ragged_entries(RAGGED[kind], BAG, I64, 4)
    assert entries.arrays[BAG].tolist() == [1, 2, 3] and entries.arrays[BAG].dtype == I64
    assert entries.offsets.tolist() == [0, 2, 2, 3] and len(entries) == 3


def test_equal_rows_are_lists():
    entries = ragged_entries(np.arange(6).reshape(3, 2), BAG, I64)
    assert entries.arrays[BAG].tolist() == list(range(6)) and entries.offsets[-1] == 6


WRONG = {
    "flat": (np.arange(3), ValueError, "give .values, offsets."),
    "torch's offsets": (([1, 2, 3], [0, 2]), ValueError, "the last one the number of values"),
    "beyond": (([1, 2], [0, 1, 3]), ValueError, "at most the 2 entries"),
    "falling": (([1, 2], [0, 2, 1, 2]), ValueError, "falls to 1 after sample 1"),
    "no offsets": (([], []), ValueError, "holds none"),
    "index": ([[1], [0, 4]], IndexError, "sample 1 holds 4, which is out of range"),
    "negative": (([0, -1], [0, 1, 1, 2]), IndexError, "sample 2 holds -1"),
    "fractions": (([0.5], [0, 1]), ValueError, "no 64-bit integer"),
    "nested": ([[[1]], [2]], ValueError, "expected a list of numbers"),
    "matrix": (CSR, TypeError, "A.indices, A.indptr"),
    "a number": (5, TypeError, "a list for each sample, not int"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_with_ragged_data_is_said(kind):
    given, error, text = WRONG[kind]
    with pytest.raises(error, match=text) as raised:
        ragged_entries(given, BAG, I64, 4)
    assert "'bag" in str(raised.value)


def test_lists_of_one_length_are_checked():
    wt = sg.data("wt", ragged=BAG)
    P = sg.parameter("P", shape=(4, 2), init=1)
    model = sg.compile(sg.sum(wt @ P[BAG]), sg.SGD(0.1), target="reference")
    data = {"bag": [[1, 2], [3]], "wt": [[0.5, 1.5], [2.0]]}
    assert model.loss(data) == 4
    with pytest.raises(ValueError, match="its lists have other lengths"):
        model.loss({**data, "wt": [[1.0], [2.0, 3.0]]})
    with pytest.raises(ValueError, match="'wt' 1, 'bag' 2"):
        model.loss({**data, "wt": [[1.0, 2, 3]]})
