"""What tests of tables share."""

import pytest
import torch

from tests.optimize.tables import ITEMS, NEGATIVES, RANK, USERS, N


@pytest.fixture(autouse=True, scope="package")
def torch_as_it_is():
    """Its sparse tensors unchecked."""
    torch.sparse.check_sparse_tensor_invariants.disable()


@pytest.fixture
def numbers(rng):
    """Ratings, and the tables' first values."""
    data = {
        "u": rng.integers(0, USERS, N), "i": rng.integers(0, ITEMS, N),
        "n": rng.integers(0, ITEMS, (N, NEGATIVES)), "y": rng.normal(size=N),
    }  # fmt: skip
    data["n"][:, 1] = data["n"][:, 0]  # the same row twice in a sample
    tables = {"P": rng.normal(size=(USERS, RANK)) / 2, "Q": rng.normal(size=(ITEMS, RANK)) / 2,
              "b": rng.normal(size=USERS) / 2}  # fmt: skip
    return data, tables
