"""A model described: what it holds, and what every stage made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symgrad.language.ragged import entries_of, is_sparse, length
from symgrad.show.text import block_text, printable
from symgrad.train.batches import at_least_one
from symgrad.train.groups import held, in_use, sums_to_come

if TYPE_CHECKING:
    from symgrad.train.model import Model


def summary(model: Model, batch_size: int, accumulate: int | None = None) -> str:
    """A table of the parameters, then counts and bytes."""
    size = at_least_one(batch_size, "batch_size")
    every = model.every if accumulate is None else at_least_one(accumulate, "accumulate")
    rows = [["parameter", "shape", "numbers", "bytes", ""]]
    trained = {p.name for p in model.programs.trained}
    for name, array in model.parameters.items():
        frozen = "" if name in trained else "not trained"
        shape = str(array.shape) if array.shape else "scalar"
        rows.append([printable(name), shape, f"{array.size:,}", f"{array.nbytes:,}", frozen])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, "", *_totals(model, size, every)])


def _totals(model: Model, batch_size: int, every: int) -> list[str]:
    parameters = model.parameters.values()
    rule = model.programs.rule
    states = [model.arrays[s] for s in (rule.initial if rule else ())]
    rows, taken = in_use(rule, model.arrays)
    sums = f"sums        of gradients in {rows:,} rows of tables, {taken:,} bytes"
    return [
        f"parameters  {sum(a.size for a in parameters):,} numbers, "
        f"{sum(a.nbytes for a in parameters):,} bytes",
        f"optimiser   {rule.rule.name if rule else 'none'}, state "
        f"{sum(a.nbytes for a in states):,} bytes",
        *([sums] if model.every > 1 and rule and rule.groups else []),
        f"activations {_activations(model, batch_size, every)}",
        f"data        {', '.join(_typed(s) for s in model.data) or 'none'}",
        f"dtype       {model.settings.dtype}, target {model.settings.target}",
        f"trained     {model.epoch} epochs, {model.steps} updates",
    ]


def _activations(model: Model, batch_size: int, every: int) -> str:
    """The bytes of what a step computes in between, and of all that the model holds then."""
    rule, size = model.programs.rule, (batch_size if model.data else 1)
    key = "loss" if rule is None else "step" if every == 1 else "accumulate"
    scratch = model.executables.scratch_bytes(key, size)
    if scratch is None:
        return "arrays that NumPy makes and lets go"
    samples = f" with {size:,} samples{_entries(model)}" if model.data else ""
    peak = scratch + held(rule, model.arrays)
    if every > 1:
        peak += sums_to_come(rule, model.arrays)
    return f"{scratch:,} bytes in a step{samples}, peak {peak:,} bytes beside the data"


def _entries(model: Model) -> str:
    """For how long lists there is room: a guess, until there were data."""
    sizes = [length(s) if is_sparse(s) else entries_of(s) for s in model.data]
    entries = model.executables.layout().entries
    most = max((entries(size) for size in sizes if size is not None), default=0)
    return f" of up to {most:,} entries" if most else ""


def _typed(symbol: object) -> str:
    name, shape = printable(getattr(symbol, "name", "")), getattr(symbol, "shape", ())
    kind = getattr(symbol, "dtype", "float")
    return f"{name} {kind} {shape or 'scalar'}"


def explain(model: Model) -> str:
    """The model after every stage, from the expression to the code."""
    programs, key = model.programs, "step" if model.programs.rule else "loss"
    stages = [
        ("expression", str(model)),
        ("capture: an equation for each operation", block_text(programs.captured)),
        ("derive: the adjoint equations", block_text(programs.minimised.gradients)),
        ("update: the optimiser's rule", block_text(programs.appended(key).step)),
        ("simplify", block_text(model.executables.program(key).step)),
        (f"source for the target {model.settings.target}", model.source),
    ]
    return "\n\n".join(f"--- {title} ---\n{text}" for title, text in stages)
