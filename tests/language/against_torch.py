"""Values, first and second derivatives of an operation of ours beside torch's, in float64."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import symgrad as sg
from symgrad.calculus.block import Block, Equation
from symgrad.calculus.builder import Builder
from symgrad.calculus.capture import capture_into
from symgrad.calculus.derive import derive_into
from symgrad.calculus.reference import evaluate
from symgrad.language.row import TABLE

TOLERANCE = {"rtol": 1e-10, "atol": 1e-11}


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., torch.Tensor],
    arrays: Sequence[np.ndarray],
    order: int = 2,
    expand: bool = True,
    **tolerance: float,
) -> None:
    """Compare f(*arrays), and the derivatives of its weighted sum, with torch's.

    Integer arrays are indices and have no derivatives.  With `expand` the block is also evaluated
    after every operation has been written out as the compiled targets want it.
    """
    tolerance = {**TOLERANCE, **tolerance}
    expected = _torch_values(theirs, arrays, order)
    block, names, inputs = _our_block(ours, arrays, order, expected[0].shape)
    for variant in (block, expanded(block)) if expand else (block,):
        values = evaluate(variant, inputs)
        for label, want in zip(names, expected, strict=True):
            got = values[variant.outputs[label]]
            assert got.shape == want.shape, f"{label}: shape {got.shape}, torch's {want.shape}"
            np.testing.assert_allclose(got, want, err_msg=label, **tolerance)


def expansion(e: Equation) -> Callable[..., Any] | None:
    """What the compiled targets have instead of an operation; matrices may be too large for it."""
    row = TABLE[e.operation]
    fits = row.kind != "library" or e.operands[0].shape[-1] <= row.small
    return row.expand if fits else None


def expanded(block: Block) -> Block:
    """The block with every operation that has an expansion written out."""
    while any(expansion(e) for e in block.equations):
        builder, known = Builder(block.inputs), {}
        for e in block.equations:
            operands = [builder.value(known.get(x, x)) for x in e.operands]
            expand = expansion(e)
            apply = expand or functools.partial(builder.apply, e.operation)
            value = builder.value(apply(*operands, **dict(e.attributes)))
            if value.shape != e.name.shape:
                value = builder.apply("broadcast_to", value, shape=e.name.shape)
            known[e.name] = value.operand
        named = {k: known.get(n, n) for k, n in block.outputs.items()}
        named = {k: n if _is_name(n) else builder.constant(n) for k, n in named.items()}
        block = builder.block(named)
    return block


def weights(shape: tuple[int, ...], k: int) -> np.ndarray:
    """Fixed weights that tell the elements of a value apart."""
    size = int(np.prod(shape))
    return (np.cos(np.arange(size) * 1.7 + k) + 0.3).reshape(shape)


def _torch_values(f: Callable, arrays: Sequence[np.ndarray], order: int) -> list[np.ndarray]:
    x = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    y = f(*x)
    floats = [v for v in x if v.requires_grad]
    values, root = [y], y
    for k in range(order):
        if k:
            root = sum(
                (g * torch.tensor(weights(g.shape, 7 + i))).sum() for i, g in enumerate(root)
            )
        else:
            root = (root * torch.tensor(weights(root.shape, 0))).sum()
        if not root.requires_grad:
            root = [torch.zeros_like(v) for v in floats]
        else:
            found = torch.autograd.grad(root, floats, create_graph=True, allow_unused=True)
            pairs = zip(found, floats, strict=True)
            root = [torch.zeros_like(v) if g is None else g for g, v in pairs]
        values += root
    return [v.detach().numpy(force=True) for v in values]


def _our_block(f: Callable, arrays: Sequence[np.ndarray], order: int, shape: tuple) -> tuple:
    symbols = [_symbol(k, a) for k, a in enumerate(arrays)]
    inputs = dict(zip(symbols, arrays, strict=True))
    builder = Builder()
    y = f(*symbols)
    scale = sg.hyper("scale0", weights(shape, 0))
    root = sg.sum(y * scale) if shape else y * scale
    y_name, name = capture_into(builder, [y, root], {})
    inputs[scale] = scale.value
    floats = [builder.input(s, s.shape, False) for s in symbols if s.dtype == "float"]
    outputs: dict[str, Any] = {"y": y_name}
    for k in range(order):
        found = (
            derive_into(builder, builder.value(name).operand, floats)
            if _is_name(name)
            else ([builder.apply("broadcast_to", 0, shape=x.shape).operand for x in floats])
        )
        outputs |= {f"d{k + 1}_{i}": g for i, g in enumerate(found)}
        parts = []
        for i, g in enumerate(found):
            s = sg.hyper(f"scale{7 + i}", weights(floats[i].shape, 7 + i))
            inputs[s] = s.value
            part = builder.value(g) * builder.input(s, s.shape, False)
            axes = tuple(range(len(part.shape)))
            parts.append(builder.apply("sum", part, axes=axes, keepdims=False) if axes else part)
        name = builder.apply("add", *parts, 0).operand
    named = {k: v if _is_name(v) else builder.constant(v) for k, v in outputs.items()}
    return builder.block(named).check(), list(named), inputs


def _is_name(x: Any) -> bool:
    return hasattr(x, "per_sample")


def _symbol(k: int, array: np.ndarray) -> Any:
    if array.dtype.kind == "i":
        return sg.constant(array)
    return sg.parameter(f"x{k}", shape=array.shape, init=0)
