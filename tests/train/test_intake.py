"""What users have, as arrays that kernels read; and what cannot become one."""

import numpy as np
import pandas as pd
import pytest

from symgrad.train.intake import as_array, check_range

F32, F64, I64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)

GOOD = {
    "list": [1, 2, 3],
    "tuple": (1.0, 2.0, 3.0),
    "int8": np.int8([1, 2, 3]),
    "uint64": np.uint64([1, 2, 3]),
    "float16": np.float16([1, 2, 3]),
    "longdouble": np.longdouble([1, 2, 3]),
    "big-endian": np.array([1, 2, 3], ">f8"),
    "strided": np.arange(1.0, 7.0)[::2] * 0.5 + 0.5,
    "reversed": np.array([3.0, 2.0, 1.0])[::-1],
    "Series": pd.Series([1, 2, 3]),
    "nullable Series": pd.Series([1, 2, 3], dtype="Int32"),
    "unmasked": np.ma.array([1, 2, 3]),
}


@pytest.mark.parametrize("dtype", [F32, F64, I64], ids=str)
@pytest.mark.parametrize("kind", GOOD)
def test_what_simply_works(kind, dtype):
    array = as_array(GOOD[kind], "x", (), dtype)
    assert type(array) is np.ndarray
    assert array.dtype == dtype and array.tolist() == [1, 2, 3]
    assert array.flags.c_contiguous and array.flags.aligned


def test_truth_values_are_numbers():
    assert as_array([True, False], "x", (), F32).tolist() == [1, 0]
    assert as_array([True, False], "x", (), I64).tolist() == [1, 0]
    assert as_array(pd.Series([True, False], dtype="boolean"), "x", (), I64).tolist() == [1, 0]


def test_a_frame_of_columns_is_a_matrix():
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert as_array(frame, "x", (2,), F64).tolist() == [[1, 3], [2, 4]]


def test_missing_values_become_nan_for_floats_only():
    series = pd.Series([1, None], dtype="Int64")
    assert np.isnan(as_array(series, "x", (), F64)[1])
    with pytest.raises(ValueError, match="sample 1 holds nan, which is no 64-bit integer"):
        as_array(series, "x", (), I64)


def test_what_is_right_is_not_copied(tmp_path):
    array = np.ones((5, 2), np.float32)
    assert np.shares_memory(array, as_array(array, "x", (2,), F32))
    array.setflags(write=False)
    assert np.shares_memory(array, as_array(array, "x", (2,), F32))
    array.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", np.float32, "r", shape=(5, 2))
    assert np.shares_memory(mapped, as_array(mapped, "x", (2,), F32))


def test_a_misaligned_array_is_copied():
    raw = np.zeros(33, np.uint8)[1:].view(np.float32)
    assert not raw.flags.aligned
    assert as_array(raw, "x", (), F32).flags.aligned


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (["a", "b"], TypeError, "data 'x' holds strings (<U1); expected real numbers"),
        ([b"a"], TypeError, "holds bytes"),
        ([1, None], TypeError, "holds None (element 1) in an array of objects"),
        (None, TypeError, "holds None; expected"),
        ([1, "a"], TypeError, "holds strings"),
        (np.array([1, {}], object), TypeError, "holds a dict (element 1)"),
        (np.array([1, 2.5], object), TypeError, "use .astype(float)"),
        (np.array([1, np.int32(2), True], object), TypeError, "use .astype(int)"),
        (
            [1, 10**400],
            TypeError,
            "whole numbers beyond 64 bits (dtype object; use .astype(float))",
        ),
        ([1j, 2], TypeError, "holds complex numbers"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, "holds dates"),
        (np.zeros(2, [("a", float)]), TypeError, "holds records"),
        ([[1, 2], [3]], TypeError, "is not a regular array of numbers"),
        (pd.Series(["a", "b"], dtype="category"), TypeError, "holds a str (element 0)"),
        (np.ma.array([1, 2], mask=[0, 1]), ValueError, "masked values"),
        (
            3.0,
            ValueError,
            "has shape (); expected (N,), the N samples first; one sample is x[None]",
        ),
        (np.zeros((4, 1)), ValueError, "has shape (4, 1); expected (N,)"),
        (np.zeros((4, 1)), ValueError, "x[:, 0] has it"),
        (np.zeros((4, 2)), ValueError, "has shape (4, 2); expected (N,)"),
        ([1.0, 1e300], ValueError, "sample 1 holds 1e+300, which float32 cannot hold"),
    ],
)
def test_what_cannot_be_data(given, error, words):
    with pytest.raises(error) as raised:
        as_array(given, "x", (), F32)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("shape", "given", "hint"),
    [
        ((3,), (3,), "; one sample is x[None]"),
        ((3,), (5, 1, 3), "; x[:, 0] has it"),
        ((784,), (5, 28, 28), "; x.reshape(-1, 784) has it"),
        ((2, 2), (5, 4), "; x.reshape(-1, 2, 2) has it"),
        ((3,), (5, 4), "the N samples first"),
    ],
)
def test_a_wrong_shape_is_told_what_would_be_right(shape, given, hint):
    with pytest.raises(ValueError, match="expected") as raised:
        as_array(np.zeros(given), "x", shape, F64)
    assert str(raised.value).endswith(hint)


@pytest.mark.parametrize(
    ("given", "first"),
    [
        ([0, 1.5], "sample 1 holds 1.5"),
        ([0, 1, np.nan], "sample 2 holds nan"),
        ([np.inf], "sample 0 holds inf"),
        ([1e19], "sample 0 holds 1e+19"),
        (np.uint64([0, 2**63]), "sample 1 holds 9223372036854775808"),
    ],
)
def test_what_is_no_integer(given, first):
    with pytest.raises(ValueError) as raised:
        as_array(given, "label", (), I64)
    assert first in str(raised.value) and "'label' is declared dtype=int" in str(raised.value)


def test_the_first_bad_sample_of_a_matrix():
    given = np.zeros((4, 2))
    given[2] = 0, 0.5
    with pytest.raises(ValueError, match=r"sample 2 holds 0\.5"):
        as_array(given, "pairs", (2,), I64)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([0, 9, 10], "sample 2 holds 10, which is out of range: it indexes 10 entries, 0 to 9"),
        ([0, -1], "sample 1 holds -1, which is out of range"),
        ([-1], "(negative indices do not wrap)"),
        ([[0, 0], [3, 77]], "sample 1 holds 77"),
    ],
)
def test_an_index_out_of_range_names_the_first_sample(given, words):
    with pytest.raises(IndexError) as raised:
        check_range(np.array(given), "label", 10)
    assert words in str(raised.value) and str(raised.value).startswith("data 'label'")


def test_indices_in_range_pass():
    check_range(np.array([0, 9]), "label", 10)
    check_range(np.zeros((3, 0), np.int64), "label", 10)
