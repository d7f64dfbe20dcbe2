"""Linear algebra beside torch's: values, first and second derivatives."""

import numpy as np
import pytest
import torch

import symgrad as sg
from tests.language.against_torch import compare


def spread(x):
    """A matrix near the identity: far from singular."""
    n = x.shape[-1]
    return x / 3 + np.eye(n)


def positive_ours(x):
    return x @ sg.transpose(x, (*range(len(x.shape) - 2), -1, -2)) + np.eye(x.shape[-1])


def positive_theirs(x):
    return x @ x.mT + torch.eye(x.shape[-1], dtype=x.dtype)


GENERAL = {"det": torch.linalg.det, "inv": torch.linalg.inv}
POSITIVE = {
    "logdet": torch.logdet,
    "cholesky": torch.linalg.cholesky,
    "eigvalsh": torch.linalg.eigvalsh,
    "inv": torch.linalg.inv,
}


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 3, 3)])
@pytest.mark.parametrize("name", GENERAL)
def test_function_of_a_matrix_is_torchs(name, shape, rng):
    x = spread(rng.standard_normal(shape))
    compare(getattr(sg, name), GENERAL[name], [x])


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 3, 3)])
@pytest.mark.parametrize("name", POSITIVE)
def test_function_of_a_positive_matrix_is_torchs(name, shape, rng):
    x = rng.standard_normal(shape)
    compare(
        lambda x: getattr(sg, name)(positive_ours(x)),
        lambda x: POSITIVE[name](positive_theirs(x)),
        [x],
        rtol=1e-8,
    )


@pytest.mark.parametrize("shapes", [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1))])
def test_solve_is_torchs(shapes, rng):
    A, b = spread(rng.standard_normal(shapes[0])), rng.standard_normal(shapes[1])
    compare(sg.solve, torch.linalg.solve, [A, b])


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
def test_triangular_solve_is_torchs(lower, transposed, rng):
    A, b = spread(rng.standard_normal((4, 4))), rng.standard_normal((4, 2))

    def theirs(A, b):
        T = torch.tril(A) if lower else torch.triu(A)
        return torch.linalg.solve(T.mT if transposed else T, b)

    compare(
        lambda A, b: sg.triangular_solve(A, b, lower=lower, transposed=transposed), theirs, [A, b]
    )


def test_a_singular_matrix_has_the_derivative_of_its_determinant():
    A = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]])

    def expanded(A):
        return sum(A[0, k] * torch.linalg.cross(A[1], A[2])[k] for k in range(3))

    compare(sg.det, expanded, [A], order=1)


def test_what_has_no_inverse_is_nan_alone():
    from symgrad.calculus.capture import capture
    from symgrad.calculus.reference import evaluate

    A = sg.data("A", shape=(2, 2))
    block = capture({"y": sg.inv(A)})
    value = evaluate(block, {A: np.array([np.zeros((2, 2)), np.eye(2)])})[block.outputs["y"]]
    assert np.isnan(value[0]).all()
    np.testing.assert_array_equal(value[1], np.eye(2))


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_matrices_are_square(shape):
    with pytest.raises(ValueError, match="square"):
        sg.det(sg.data("A", shape=shape))
    with pytest.raises(ValueError, match="square"):
        sg.solve(sg.data("A", shape=shape), sg.data("b", shape=5))
