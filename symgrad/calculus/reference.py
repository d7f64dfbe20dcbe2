"""The reference target: a block evaluated by NumPy, with the rows' own meanings.

No lowering and no compiler stand between the mathematics and its numbers here, so it is the oracle
for both.  Per-sample names hold (n, *shape) arrays; only the shape broadcasts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block, Equation, Name, Operand
from symgrad.calculus.padding import NEUTRAL, Sizes
from symgrad.calculus.program import Program
from symgrad.calculus.touched import in_rows, places
from symgrad.language.contractions import mean_einsum
from symgrad.language.epochs import stretches
from symgrad.language.ragged import entries_of, is_length
from symgrad.language.row import TABLE, kind_of
from symgrad.language.symbols import batch_size as BATCH_SIZE
from symgrad.language.symbols import position as POSITION
from symgrad.language.symbols import step as STEP

Arrays = Mapping[sp.Symbol, np.ndarray]
LARGE = 1024  # elements of one sample's value
ELEMENTWISE = ("pointwise", "random")
ALIGNED = (*ELEMENTWISE, "indexing")  # operands are brought to one rank behind the sample axis
LEADS = ("contraction", "indexing")  # the row is told which operands are per sample


class Reference:
    """The Executable that evaluates a program's blocks with NumPy."""

    def __init__(self, program: Program, dtype: str, batch_size: int) -> None:
        self.program, self.dtype, self.batch_size = program, np.dtype(dtype), batch_size

    @property
    def source(self) -> str:
        """The blocks as text: there is no other code."""
        from symgrad.show.text import block_text

        blocks = [self.program.step, self.program.update]
        return "\n\n".join(block_text(b) for b in blocks if b is not None)

    def run(
        self,
        arrays: Arrays,
        order: np.ndarray | None,
        first: int,
        last: int,
        every: int = 1,
        pending: int = 0,
        outputs: Mapping[str, np.ndarray] | None = None,
        epoch: int | None = None,
        made: list[int] | None = None,
    ) -> int:
        """Work through positions [first, last) in mini-batches; see `Executable`.

        Returns how many mini-batches have been accumulated since the last update.
        """
        batches = stretches(first, last, self.batch_size, epoch or last)
        for k, (start, stop) in enumerate(batches):
            rows = slice(start, stop) if order is None else order[start:stop]
            base = self.program.base(start, pending, self.batch_size)
            values = self._step(self.program.step, arrays, rows, stop - start, base)
            for label, name in self.program.step.outputs.items():
                if outputs and label in outputs:
                    at = slice(start - first, stop - first) if name.per_sample else k
                    _record(outputs[label], values[name], name, at)
            pending += 1
            if self.program.update is None:
                pending = 0
            elif pending >= every:
                self._step(self.program.update, arrays, rows, stop - start)
                pending = 0
        if made is not None:
            made.append(pending)
        return pending

    def _step(
        self, block: Block, arrays: Arrays, rows: Any, n: int, base: int = 0
    ) -> dict[Operand, Any]:
        program, sizes = self.program, Sizes(block, arrays, rows, n)
        sums = program.sums if block is program.update else {}
        read = {s: name for s, name in block.inputs.items() if s in sums}
        whole = {s: sums[s].whole(arrays, s, name.shape) for s, name in read.items()}
        values = evaluate(block, {**arrays, **whole}, rows, n, self.dtype, base=base)
        new = {symbol: np.array(values[name]) for symbol, name in block.writes.items()}
        for symbol in block.writes:
            lists, group = block.rows.get(symbol), program.groups.get(symbol)
            if lists and group:
                group.join(arrays, places(lists, values, sizes))
                group.add(arrays, symbol, new.pop(symbol))
            elif lists:
                new[symbol] = in_rows(arrays[symbol], new[symbol], lists, values, sizes)
            elif group:
                new[symbol] = group.renewed(arrays, arrays[symbol], new[symbol])
        for symbol, value in new.items():  # a value may be another one's array, as in a swap
            arrays[symbol][...] = value
        for group in dict.fromkeys(sums.values()):
            group.clear(arrays, [s for s in sums if sums[s] is group])
        return values


def _record(out: np.ndarray, value: Any, name: Name, at: Any) -> None:
    if name.per_sample or not name.shape:
        out[at] = value
    else:
        out[...] = value


def evaluate(
    block: Block,
    arrays: Arrays,
    rows: Any = slice(None),
    n: int | None = None,
    dtype: Any = np.float64,
    nan: str = "pass",
    base: int = 0,
) -> dict[Operand, Any]:
    """The value of every name in a block: (n, *shape) where it is per sample.

    rows selects the samples of the data; nan="raise" raises FloatingPointError at the first
    equation that makes a NaN of operands without one; base: the position of the first sample.
    """
    n = _samples(block, arrays, rows) if n is None else n
    values: dict[Operand, Any] = {}
    sizes = Sizes(block, arrays, rows, n)
    for symbol, name in block.inputs.items():
        if symbol == POSITION:
            values[name] = np.arange(base, base + n)
            continue
        array = _input(symbol, arrays, n)
        values[name] = sizes.value_of(symbol, array) if name.per_sample else array
    precise, averaged = _step_scalars(block), _only_averaged(block, sizes)
    with np.errstate(all="ignore"):
        for e in block.equations:
            if e.name in averaged:
                continue
            if e.operation == "expectation" and e.operands[0] in averaged:
                averaged_one = averaged[e.operands[0]]
                values[e.name] = _mean_contraction(averaged_one, values, sizes, dtype)
                continue
            value = _evaluate(e, values, sizes, dtype, e.name in precise)
            values[e.name] = sizes.masked(e.name, value)
            if nan == "raise":
                _refuse_nan(e, values)
    return values


def _samples(block: Block, arrays: Arrays, rows: Any) -> int:
    """How many samples the data hold; 1 where there are no data."""
    for symbol, name in block.inputs.items():
        if name.per_sample and symbol != POSITION:
            size = symbol if is_length(symbol) else entries_of(symbol)
            array = arrays[symbol] if size is None else arrays[size][1:]
            return len(np.asarray(array)[rows])
    return 1


def _input(symbol: sp.Symbol, arrays: Arrays, n: int) -> Any:
    if symbol == BATCH_SIZE:
        return np.float64(n)
    if symbol == STEP:
        return np.asarray(arrays[symbol]).copy()
    if is_length(symbol):
        return arrays[symbol]
    if getattr(symbol, "role", "") == "constant" and symbol not in arrays:
        return symbol.value
    return np.asarray(arrays[symbol])


def _evaluate(e: Equation, values: dict, sizes: Sizes, dtype: Any, precise: bool) -> Any:
    row = TABLE[e.operation]
    attributes = {k: sized(v, sizes) for k, v in e.attributes}
    operands = list(_prepared(e, values, sizes))
    if row.kind in LEADS:
        _check_indices(e, operands, sizes)
        leads = tuple(int(_sampled(x)) for x in e.operands)
        result = row.numpy(leads, *operands, **attributes)
    elif row.kind in ELEMENTWISE:
        result = row.numpy(*operands)
    else:
        result = _structured(e, operands, attributes, sizes)
    if e.name.kind != "float" or precise:
        return np.asarray(result)
    return np.asarray(result, np.float64 if _is_mean_scalar(e) else dtype)


def _structured(e: Equation, operands: list, attributes: dict, sizes: Sizes) -> Any:
    """A reduction, a view or a composite operation."""
    row, lead = TABLE[e.operation], int(any(map(_sampled, e.operands)))
    count = sizes.counted(e) if e.operation == "mean" and e.names else None
    if count is not None:
        return TABLE["sum"].numpy(lead, *operands, **attributes) / count
    result = row.numpy(lead, *map(np.asarray, operands), **attributes)
    if e.name.per_sample and not lead and row.kind == "view":  # a number for entries of each sample
        result = np.broadcast_to(result, (sizes.samples, *np.shape(result)))
    return result


def _only_averaged(block: Block, sizes: Sizes) -> dict[Operand, Equation]:
    """Large contractions of samples that nothing but E reads: they are never held for each sample,
    for that would take as much memory as the mini-batch times a weight matrix."""
    large = {
        e.name: e
        for e in block.equations
        if e.operation == "einsum"
        and e.name.per_sample
        and math.prod(sized(e.name.shape, sizes)) >= LARGE
    }
    others = (e for e in block.equations if e.operation != "expectation")
    for x in {*block.outputs.values(), *(x for e in others for x in e.names)}:
        large.pop(x, None)
    return dict(large)


def _mean_contraction(e: Equation, values: dict, sizes: Sizes, dtype: Any) -> Any:
    leads = tuple(int(_sampled(x)) for x in e.operands)
    operands = [np.asarray(x) for x in _prepared(e, values, sizes)]
    return np.asarray(mean_einsum(sizes.samples, leads, *operands, **dict(e.attributes)), dtype)


def _is_mean_scalar(e: Equation) -> bool:
    """Sums of losses are float64 in every dtype."""
    return e.operation == "expectation" and e.name.shape == ()


def _prepared(e: Equation, values: dict, sizes: Sizes) -> Iterator[Any]:
    """The operands as arrays that the row's NumPy meaning can take."""
    row, n = TABLE[e.operation], sizes.samples
    sampled = any(map(_sampled, e.operands))
    index = e.operands[1:] if row.kind == "indexing" else e.operands
    rank = max((len(x.shape) for x in index if isinstance(x, Name)), default=0)
    for k, x in enumerate(e.operands):
        value = values[x] if isinstance(x, Name) else _number(x)
        if isinstance(x, Name) and e.operation in NEUTRAL:
            value = sizes.masked(x, value, NEUTRAL[e.operation])
        if isinstance(x, Name) and x.kind == "int" and _is_of_floats(e):
            value = np.asarray(value, float)
        is_table = row.kind == "indexing" and k == 0
        if row.kind in ALIGNED and not is_table and _sampled(x):
            value = value.reshape(n, *(1,) * (rank - len(x.shape)), *value.shape[1:])
        elif row.kind not in (*ELEMENTWISE, *LEADS) and sampled and not _sampled(x):
            value = np.broadcast_to(value, (n, *np.shape(value)))
        yield value


def _is_of_floats(e: Equation) -> bool:
    """Whether a sum, product or contraction is a float: its integers are floats before they meet,
    where integers alone wrap at 2**63."""
    row = TABLE[e.operation]
    kept = row.kind == "contraction" or (row.kind == "pointwise" and row.result == "same")
    return kept and e.name.kind == "float"


def _check_indices(e: Equation, operands: list, sizes: Sizes) -> None:
    """Never an out-of-bounds read: NumPy would take negative indices from the end."""
    if TABLE[e.operation].kind != "indexing":
        return
    target = e.operands[0].shape if e.operation == "gather" else e.attribute("shape")
    for size, index in zip(target, operands[1:], strict=False):
        index = np.asarray(index)
        bad = (index < 0) | (index >= sized(size, sizes))
        if bad.any():
            raise IndexError(
                f"an index of {e.name.label or e.operation} is {index[bad].flat[0]}; the axis that "
                f"it selects from has the size {sized(size, sizes)}"
            )


def _number(x: Any) -> Any:
    if x in (sp.true, sp.false):
        return bool(x)
    return int(x) if kind_of(x) == "int" else float(x)


def _sampled(x: Operand) -> bool:
    return isinstance(x, Name) and x.per_sample


def sized(attribute: Any, sizes: Sizes) -> Any:
    """An attribute with the mini-batch's sizes in place of their symbols."""
    if isinstance(attribute, tuple):
        return tuple(sized(a, sizes) for a in attribute)
    if isinstance(attribute, sp.Expr):
        return int(attribute.xreplace({s: sp.Integer(k) for s, k in sizes.numbers.items()}))
    return attribute


def _step_scalars(block: Block) -> set[Operand]:
    """Names computed from hypers, counted steps and numbers alone: float64 in every dtype."""
    scalars = {
        name
        for symbol, name in block.inputs.items()
        if (getattr(symbol, "role", "") in ("hyper", "step", "batch_size") and name.shape == ())
        or (getattr(symbol, "role", "") == "state" and name.kind == "int")
    }
    for e in block.equations:
        if e.operation != "broadcast_to" and all(x in scalars for x in e.names):
            scalars.add(e.name)
    return scalars


def _refuse_nan(e: Equation, values: dict) -> None:
    def has_nan(x: Operand) -> bool:
        array = np.asarray(values[x]) if isinstance(x, Name) else np.asarray(_number(x))
        return array.dtype.kind == "f" and bool(np.isnan(array).any())

    if has_nan(e.name) and not any(map(has_nan, e.operands)):
        raise FloatingPointError(f"NaN first appears in {e.name!r} = {e.operation}{e.operands}")
