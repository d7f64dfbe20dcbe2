"""Loops whose bounds are integers of the run: the rows of a sparse matrix, a count."""

import re

import numpy as np
import pytest
import scipy.sparse
import sympy as sp

from symgrad.build import build
from symgrad.generate.cpu import generate
from symgrad.lower import index as ix
from symgrad.lower.contract import contracted
from symgrad.lower.kernel import Apply, Axis, Buffer, Kernel, Load, Loop, Number, Store, Update
from symgrad.lower.registers import in_registers
from symgrad.lower.schedule import linked, merged, ordered
from symgrad.lower.share import shared
from symgrad.lower.tasks import Task
from tests.generate.interpreted import Interpreted

ROWS, MOST = 5, 64
ZERO = Number(0.0, "float64")


def given(name, size, dtype="float64"):
    return Buffer("parameter", name, (size,), dtype, sp.Symbol(name))


INDPTR, INDICES = given("indptr", ROWS + 1, "int64"), given("indices", MOST, "int64")
VALUES, X, Y = given("values", MOST), given("x", 4), given("y", ROWS)


def at(buffer, index):
    return Load(buffer, (index,), buffer.dtype, 3)


def csr_task(start, stop):
    """for i: for j in range(start, stop): y[i] += values[j] * x[indices[j]]"""
    i = Axis(ROWS, ROWS, 0)
    bounds = (f(ix.of(i)) for f in (start, stop))
    j = Axis(MOST, MOST, 1, *bounds)
    column = ix.of(at(INDICES, ix.of(j)))
    value = Apply("mul", (at(VALUES, ix.of(j)), at(X, column)), "float64")
    task = Task(Update(Y, (ix.of(i),), "add", value), (i, j), 1, ZERO)
    return i, task


def kernel(tasks, buffers):
    linked(tasks)
    (nest,) = contracted([merged(ordered(tasks))])
    _, (step,) = shared([], [in_registers(nest)])
    return Kernel("float64", 1, tuple(buffers), (), tuple(step), None, frozenset({Y})).check()


def matrix():
    seed = np.random.SeedSequence().entropy
    print("seed", seed)
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(ROWS, 4)) * (rng.random((ROWS, 4)) < 0.4)
    dense[2] = 0  # an empty row
    return scipy.sparse.csr_array(dense), rng.normal(size=4)


def arrays(A, x):
    padded = {
        "indptr": A.indptr.astype(np.int64),
        "indices": np.pad(A.indices.astype(np.int64), (0, MOST - A.nnz)),
        "values": np.pad(A.data, (0, MOST - A.nnz)),
        "x": x, "y": np.full(ROWS, np.nan),
    }  # fmt: skip
    return {sp.Symbol(k): v for k, v in padded.items()}


@pytest.mark.parametrize("run", [Interpreted, build])
def test_rows_of_a_sparse_matrix(run):
    _, task = csr_task(lambda i: at(INDPTR, i), lambda i: at(INDPTR, ix.linear([(i, 1)], 1)))
    k = kernel([task], [INDPTR, INDICES, VALUES, X, Y])
    source = generate(k)
    assert "for j in range(indptr[i], indptr[i + 1]):" in _plain(source.text)
    A, x = matrix()
    memory = arrays(A, x)
    run(source).run(memory, None, 0, 1)
    np.testing.assert_allclose(memory[sp.Symbol("y")], A @ x, rtol=1e-14, atol=1e-14)


def test_a_computed_bound_is_shared_contracted_and_comes_first():
    """The lengths of the rows are computed by another task, in memory that becomes a variable."""
    length = Buffer("scratch", "length", (ROWS,), "int64")
    i, task = csr_task(lambda i: at(INDPTR, i), lambda i: at(length, i))
    task.reads = [(b, (ix.of(i),)) for b in (INDPTR, length)]
    end = at(INDPTR, ix.linear([(ix.of(i), 1)], 1))
    first = Task(Store(length, (ix.of(i),), end), (i,), 1)
    first.reads = [(INDPTR, end.index)]
    k = kernel([task, first], [INDPTR, INDICES, VALUES, X, Y])
    (outer,) = k.step
    inner = next(s for s in outer.body if isinstance(s, Loop))
    assert inner.stop.buffer.is_local, "the lengths live within one row"
    A, x = matrix()
    memory = arrays(A, x)
    Interpreted(generate(k)).run(memory, None, 0, 1)
    np.testing.assert_allclose(memory[sp.Symbol("y")], A @ x, rtol=1e-14, atol=1e-14)


def test_a_sum_that_bounds_a_loop_inside_stays_in_memory():
    """for i: count[0] += 1; for j in range(count[0]): y[i] += 1"""
    count = Buffer("scratch", "count", (1,), "int64")
    i = Axis(ROWS, ROWS, 0)
    j = Axis(MOST, MOST, 1, None, at(count, ix.ZERO))
    counting = Update(count, (ix.ZERO,), "add", Number(1, "int64"))
    inner = Loop(j, (Update(Y, (ix.of(i),), "add", Number(1.0, "float64")),))
    (outer,) = in_registers([Loop(i, (counting, inner))])
    assert outer.body[0].buffer is count


def test_bounds_are_whole_numbers():
    _, task = csr_task(lambda i: at(Y, i), lambda i: at(Y, i))
    with pytest.raises(AssertionError, match="bound is float64"):
        kernel([task], [INDPTR, INDICES, VALUES, X, Y])


def _plain(text):
    """The text with the generator's numbers taken from its names."""
    return re.sub(r"\b[vp]\d+_", "", text)
