"""Our operations beside torch's on the sample inputs that torch tests its own with."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

import symgrad as sg
from tests.language.against_torch import compare
from tests.language.torch_operations import OPERATIONS

FEW = 3  # samples of an operation in an ordinary run
WITHOUT_DERIVATIVE = {"floor_divide", "heaviside"}  # in torch; ours is 0, as elsewhere at steps
FIXED = {"nn.functional.cross_entropy": "weight",  # options without a derivative in torch
         "nn.functional.binary_cross_entropy_with_logits": "pos_weight"}  # fmt: skip


def operations() -> dict[str, list]:
    """torch's entries for each operation, one a variant."""
    from torch.testing._internal.common_methods_invocations import op_db

    return {name: [op for op in op_db if op.name == name] for name in OPERATIONS}


@pytest.fixture(scope="module")
def database() -> dict[str, list]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return operations()


def samples(variants: list) -> Iterator[tuple[Any, Any]]:
    torch.manual_seed(0)
    for operation in variants:
        for sample in operation.sample_inputs("cpu", torch.float64, requires_grad=False):
            yield operation, sample


def checked(operation: Any, sample: Any) -> bool:
    """Compare one sample; False where the use has no counterpart in our language."""
    leaves, form = tree_flatten((sample.input, sample.args, sample.kwargs))
    fixed = sample.kwargs.get(FIXED.get(operation.name))
    places = [k for k, leaf in enumerate(leaves)
              if isinstance(leaf, torch.Tensor) and leaf is not fixed]  # fmt: skip
    tensors = [leaves[k] for k in places]
    if any(t.dtype not in (torch.float64, torch.int64) or t.is_sparse for t in tensors):
        return False
    if any(isinstance(leaf, torch.dtype | complex) for leaf in leaves):
        return False

    def filled(values: Any) -> Any:
        full = list(leaves)
        for k, v in zip(places, values, strict=True):
            full[k] = v
        return tree_unflatten(full, form)

    def ours(*symbols: Any) -> Any:
        first, args, kwargs = filled(symbols)
        if fixed is not None:
            kwargs = {**kwargs, FIXED[operation.name]: fixed.numpy()}
        return OPERATIONS[operation.name](first, *args, **kwargs)

    def theirs(*values: torch.Tensor) -> torch.Tensor:
        first, args, kwargs = filled(values)
        return operation.op(first, *args, **kwargs)

    arrays = [t.detach().numpy().copy() for t in tensors]
    trial = [sg.parameter(f"x{k}", shape=a.shape, init=0) if a.dtype.kind == "f"
             else sg.constant(a) for k, a in enumerate(arrays)]  # fmt: skip
    if ours(*trial) is NotImplemented:
        return False
    order = int(operation.name not in WITHOUT_DERIVATIVE)
    compare(ours, theirs, arrays, order=order, expand=False, rtol=1e-8, atol=1e-9)
    return True


def check(name: str, database: dict[str, list], most: int | None) -> None:
    count = 0
    for operation, sample in samples(database[name]):
        try:
            count += checked(operation, sample)
        except Exception as error:
            error.add_note(f"the sample of {name}: {sample.summary()}"[:2000])
            raise
        if count == most:
            break
    assert count, f"no sample of {name} has a counterpart"


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_torchs_on_some_samples(name, database):
    check(name, database, FEW)


@pytest.mark.full
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_torchs_on_all_samples(name, database):
    check(name, database, None)
