"""Linear algebra by LAPACK in compiled kernels, beside NumPy: values, gradients and failures."""

import itertools

import numpy as np
import pytest

import symgrad as sg
from tests.selection import mostly_full

N = 5
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def outputs(A, b, W, S):
    """A, b: one sample's; W: the same for every sample; S: a sample's stack of matrices."""
    P = A @ A.T + np.eye(N)
    return {
        "det": sg.det(A),
        "det of W": sg.det(W),
        "inv": sg.inv(A),
        "logdet": sg.logdet(P),
        "cholesky": sg.cholesky(P),
        "eigenvalues": sg.eigvalsh(P),
        "solve": sg.solve(A, b),
        "solve with W": sg.solve(W, b),
        "solve for W": sg.solve(A, W),
        "stack": sg.inv(S),
        **{f"triangle {k} {t}": sg.triangular_solve(P, b, lower=k, transposed=t)
           for k in (True, False) for t in (True, False)},
    }  # fmt: skip


@pytest.mark.parametrize("dtype", mostly_full(TOLERANCE, ["float32"]))
def test_values_and_gradients_are_the_reference_targets(dtype, rng):
    A, b = sg.data("A", shape=(N, N)), sg.data("b", shape=(N, 2))
    W, S = sg.parameter("W", shape=(N, N), init=0), sg.data("S", shape=(3, N, N))
    near = 3 * np.eye(N)
    arrays = [rng.standard_normal(s) / 2 for s in ((4, N, N), (4, N, 2), (N, N), (4, 3, N, N))]
    arrays = [a + near if a.shape[-1] == N else a for a in arrays]
    values = outputs(A, b, W, S)
    total = sum(sg.sum(y**2) / 100 if sg.shape(y) else y / 100 for y in values.values())
    g = sg.gradient(total, [A, b, W, S])
    wanted, found = (
        sg.function([*values.values(), *g.values()], [A, b, W, S], target=t, dtype=d)(*arrays)
        for t, d in (("reference", "float64"), ("cpu", dtype))
    )
    labels = [*values, *(f"gradient {s}" for s in g)]
    for label, want, got in zip(labels, wanted, found, strict=True):
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, want, 0, TOLERANCE[dtype] * scale, err_msg=label)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_matrix_without_an_answer_is_nan_and_alone(target, rng):
    A = sg.data("A", shape=(N, N))
    f = sg.function([sg.inv(A), sg.cholesky(A), sg.solve(A, np.ones(N)), sg.triangular_solve(
        A, np.ones(N)), sg.eigvalsh(A), sg.det(A), sg.logdet(A)], [A], target=target)  # fmt: skip
    singular, infinite = np.zeros((N, N)), np.eye(N)
    infinite[1, 1] = np.inf
    *undefined, eigenvalues, det, logdet = f(np.array([singular, np.eye(N), infinite]))
    for y in undefined:
        assert np.isnan(y[0]).any() and np.isfinite(y[1]).all() and np.isnan(y[2]).any()
    np.testing.assert_array_equal(eigenvalues, [np.zeros(N), np.ones(N), np.full(N, np.nan)])
    np.testing.assert_array_equal(det, [0, 1, np.nan])
    np.testing.assert_array_equal(logdet, [-np.inf, 0, np.nan])


def minors(A):
    """The cofactors, from their definition."""
    n = len(A)
    rest = [[i for i in range(n) if i != k] for k in range(n)]
    return np.array([[(-1) ** (i + j) * np.linalg.det(A[np.ix_(rest[i], rest[j])])
                      for j in range(n)] for i in range(n)])  # fmt: skip


SIZES = (1, 2, 3, 4, 6)
COMPILED = [("cpu", 3), ("cpu", 6)]  # the largest that is written out, and one for LAPACK


@pytest.mark.parametrize(("target", "n"), mostly_full(
    itertools.product(("reference", "cpu"), SIZES), [*(("reference", n) for n in SIZES), *COMPILED]
))  # fmt: skip
def test_a_singular_matrix_has_both_derivatives_of_its_determinant(target, n, rng):
    A, H = sg.data("A", shape=(n, n)), sg.data("H", shape=(n, n))
    f = sg.function(
        [sg.gradient(sg.det(A), A), sg.hvp(sg.det(A), A, H)], [A, H], target=target, dtype="float64"
    )
    a, h = rng.standard_normal((2, 3, n, n))
    a[0, -1] = a[0, 0] if n > 1 else 0  # of rank n - 1
    a[1, 1:] = a[1, :1]  # of rank 1
    first, second = f(a, h)
    step = 1e-2  # the cofactors along a line are a polynomial: Richardson's limit is exact enough
    for k in range(3):
        np.testing.assert_allclose(first[k], minors(a[k]), rtol=1e-10, atol=1e-12)
        want = sum(
            w * (minors(a[k] + s * step * h[k]) - minors(a[k] - s * step * h[k])) / (2 * s * step)
            for w, s in ((1.5, 1), (-0.6, 2), (0.1, 3))
        )
        np.testing.assert_allclose(second[k], want, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_no_rows_at_all(target):
    A = sg.data("A", shape=(0, 0))
    f = sg.function([sg.det(A), sg.inv(A), sg.eigvalsh(A)], [A], target=target)
    det, inv, eigenvalues = f(np.zeros((2, 0, 0)))
    assert (det == 1).all() and inv.shape == (2, 0, 0) and eigenvalues.shape == (2, 0)


def calls(model, name):
    """Calls of a routine: before the mini-batches, and for each of them."""
    parts = model.source.split("# ---- the mini-batches")
    return [sum(line.strip().startswith(f"{name}(") for line in p.splitlines()) for p in parts]


def test_a_matrix_is_factorised_once_for_all_that_needs_its_factors(rng):
    A, y = sg.data("A", shape=(6, 6)), sg.data("y", shape=6)
    w = sg.parameter("w", shape=6, init="normal")
    loss = sg.dot(y, sg.solve(A, w)) ** 2 + sg.logdet(A.T @ A) + sg.sum(sg.inv(A) @ w)
    model = sg.compile(loss, optimizer=sg.SGD(lr=0.1))
    model.fit({"A": rng.standard_normal((8, 6, 6)), "y": rng.standard_normal((8, 6))},
              epochs=1, batch_size=4)  # fmt: skip
    assert calls(model, "factors") == [0, 2]  # of A and of A'A
    assert calls(model, "solve") == [0, 2] and calls(model, "inv") == [0, 1]


def test_the_factors_of_a_constant_matrix_are_computed_once_in_a_run(rng):
    K, y = sg.constant(rng.standard_normal((6, 6))), sg.data("y", shape=6)
    w = sg.parameter("w", shape=6, init="normal")
    model = sg.compile(sg.mse(sg.solve(K, w), y), optimizer=sg.SGD(lr=0.1))
    model.fit({"y": rng.standard_normal((8, 6))}, epochs=1, batch_size=4)
    assert calls(model, "factors") == [1, 0] and calls(model, "solve") == [0, 2]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_from_shared_factors(dtype, rng):
    A, b = sg.data("A", shape=(2, N, N)), sg.data("b", shape=(2, N, 3))
    turned = sg.transpose(A, (0, 2, 1))
    outputs = [sg.solve(A, b), sg.solve(turned, b), sg.inv(A), sg.inv(turned), sg.det(turned)]
    a, right = rng.standard_normal((4, 2, N, N)) + 3 * np.eye(N), rng.standard_normal((4, 2, N, 3))
    found = sg.function(outputs, [A, b], dtype=dtype)(a, right)
    at = a.swapaxes(-1, -2)
    wanted = (np.linalg.solve(a, right), np.linalg.solve(at, right), np.linalg.inv(a),
              np.linalg.inv(at), np.linalg.det(a))  # fmt: skip
    for want, got in zip(wanted, found, strict=True):
        np.testing.assert_allclose(got, want, 0, TOLERANCE[dtype] * np.abs(want).max())


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_the_mini_batchs_matrices_as_a_stack(target, rng):
    A = sg.data("A", shape=(4, 4))
    loss = sg.expectation(sg.sum(sg.logdet(sg.batch(A @ A.T)))) / sg.batch_size
    f = sg.function([loss], [A], target=target, dtype="float64")
    a = rng.standard_normal((3, 4, 4))
    np.testing.assert_allclose(f(a)[0], np.log(np.linalg.det(a) ** 2).mean(), rtol=1e-12)


def test_a_matrix_that_grows_with_the_mini_batch_is_refused():
    x = sg.data("x", shape=2)
    with pytest.raises(ValueError, match="grows with B"):
        sg.logdet(sg.batch(x) @ sg.batch(x).T)
