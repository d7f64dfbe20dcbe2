"""Models on disk: one safetensors file, the arrays as tensors and the rest as JSON beside them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.asleep import Asleep
from symgrad.calculus.columns import read_by_columns
from symgrad.calculus.groups import groups_of, sum_of
from symgrad.calculus.ragged import by_entries
from symgrad.calculus.update import Applied
from symgrad.language.aligned import aligned_copy
from symgrad.language.symbols import TensorSymbol
from symgrad.optimize.rule import Rule
from symgrad.train.cast import Cast
from symgrad.train.groups import packed, unpacked
from symgrad.train.memory import by_columns, held_by_columns
from symgrad.train.model import Model
from symgrad.train.objective import Objective, check_loss, differentiate, over_the_batch
from symgrad.train.programs import Programs
from symgrad.train.record import Symbols, payload_array, read_block, read_symbol, write_block
from symgrad.train.settings import check_settings
from symgrad.train.targets import Executables

VERSION = 3
READ = (2, 3)  # those of version 2 held the sums of sparse gradients as whole tables


def save(model: Model, path: Any) -> None:
    """Write a model: its mathematics, arrays, optimiser state and the place in its training.

    The file appears whole or not at all.
    """
    path = _file(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r} to save a model in")
    data = as_bytes(model)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _file(path: Any) -> Path:
    """A path that has a file's name."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"a model's file is a path, not {path!r}")
    file = Path(path)
    if not file.name or file.is_dir():
        raise ValueError(f"a model is one file, and {str(path)!r} is none, or a folder")
    return file


def as_bytes(model: Model) -> bytes:
    """What `save` writes."""
    from safetensors.numpy import save as to_bytes

    with model.turns.turn():
        model.behind.settle()
        symbols, held = Symbols(), packed(model.programs.rule, model.arrays)
        record = json.dumps(_describe(model, symbols, held))
        arrays = {
            str(k): np.asarray(array, order="C")
            for k, s in enumerate(symbols.all)
            if (array := payload_array(s, held.get(s))) is not None
        }
        return to_bytes(arrays, {"symgrad": record})


def from_bytes(data: bytes) -> Model:
    """The model that `as_bytes` wrote, in this process or another one."""
    from safetensors.numpy import load as read_tensors

    length = int.from_bytes(data[:8], "little")  # of the JSON before the tensors
    record = json.loads(data[8 : 8 + length])["__metadata__"]["symgrad"]
    return _model(json.loads(record), read_tensors(data), None)


def load(path: Any, target: str | None = None) -> Model:
    """A model that `model.save` wrote; it goes on where that one was.

    target: another one than it was compiled for.  Nothing in the file is evaluated or unpickled.
    Raises ValueError for a file that is not a symgrad model.
    """
    from safetensors import SafetensorError, safe_open

    path = _file(path)
    try:
        with safe_open(str(path), framework="numpy") as file:
            record = json.loads((file.metadata() or {})["symgrad"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return _model(record, tensors, target)
    except (
        SafetensorError, AssertionError, LookupError, TypeError, AttributeError, ValueError,
        RecursionError,
    ) as error:  # fmt: skip
        raise ValueError(f"{path} is not a symgrad model that can be read here: {error}") from error


def _describe(model: Model, symbols: Symbols, arrays: Iterable[sp.Symbol]) -> dict[str, Any]:
    programs, settings = model.programs, model.settings
    record = {
        "version": VERSION,
        "settings": [settings.reduction, settings.dtype.name, settings.target, settings.seed],
        "training": [model.epoch, model.pending, model.every, model.position],
        "loss": write_block(programs.captured, symbols),
        "outputs": {k: write_block(b, symbols) for k, b in programs.predicted.items()},
        "trained": [symbols.number(p) for p in programs.trained],
        "rule": None if programs.rule is None else _describe_rule(programs.rule, symbols),
    }
    record["arrays"] = [symbols.number(s) for s in arrays]
    return record | {"symbols": symbols.write(model.cast.roles)}


def _describe_rule(applied: Applied, symbols: Symbols) -> dict[str, Any]:
    own = applied.hypers
    numbers = {
        k: [symbols.number(v), v in own] if getattr(v, "role", "") == "hyper" else str(v)
        for k, v in applied.numbers.items()
    }
    parameters = [
        {
            "block": write_block(block, symbols),
            "gradient": symbols.number(g),
            "states": {k: symbols.number(s) for k, s in applied.states[p].items()},
            "sparse": p in applied.sparse,
        }
        for p, (block, g) in applied.captured.items()
    ]
    absent = {k: float(v) for k, v in applied.rule.absent.items() if not isinstance(v, sp.Expr)}
    state = {k: float(v) for k, v in applied.rule.state.items()}
    asleep = applied.asleep and [
        write_block(applied.asleep.block, symbols),
        {k: symbols.number(s) for k, s in applied.asleep.symbols.items()},
    ]
    return {
        "name": applied.rule.name, "lazy": applied.rule.lazy, "numbers": numbers, "absent": absent,
        "state": state, "parameters": parameters, "asleep": asleep,
        "limits": {k: str(v) for k, v in applied.rule.limits.items()},
    }  # fmt: skip


def _model(record: dict[str, Any], tensors: dict[str, np.ndarray], target: str | None) -> Model:
    if record["version"] not in READ:
        raise ValueError(f"its version is {record['version']}, and this is version {VERSION}")
    reduction, dtype, saved_target, seed = record["settings"]
    settings = check_settings(reduction, dtype, target or saved_target, seed)
    symbols = Symbols(
        [read_symbol(r, tensors.get(str(k))) for k, r in enumerate(record["symbols"])]
    )
    for k in record.get("arrays", ()):  # files of version 2 do not list them
        if str(k) not in tensors:
            raise ValueError(f"the array of {symbols.all[k].name!r} is missing")
    roles = {s: r[1] for s, r in zip(symbols.all, record["symbols"], strict=True) if len(r) == 2}
    trained = [symbols.all[k] for k in record["trained"]]
    captured = check_loss(read_block(record["loss"], symbols))
    predicted = {k: read_block(b, symbols) for k, b in record["outputs"].items()}
    whole = over_the_batch(by_entries(captured), settings.reduction)
    objective = differentiate(whole, trained)
    rule = record["rule"] and _read_rule(record["rule"], symbols, objective)
    programs = Programs(
        captured, predicted, objective, rule, settings.reduction, settings.dtype.name
    )
    saved = {s: tensors[str(k)] for k, s in enumerate(symbols.all)
             if str(k) in tensors and getattr(s, "role", "") != "random"}  # fmt: skip
    training = list(map(int, record["training"]))
    groups = _groups(rule, saved, training[2], settings.dtype, record["version"])
    arrays = {s: groups[s] if s in groups else _array(s, tensor, settings.dtype)
              for s, tensor in {**saved, **groups}.items()}  # fmt: skip
    by_columns(arrays, read_by_columns([captured, *predicted.values()]), rule)
    executables = Executables(
        programs.make, settings.target, settings.dtype.name, turned=held_by_columns(arrays, rule)
    )
    model = Model(None, Cast(roles, tuple(trained), {}), programs, arrays, executables, settings)
    model.epoch, model.pending, model.every, *position = training
    model.position = sum(position)  # files of the first models have none
    return model


def _groups(
    rule: Applied | None, saved: dict[sp.Symbol, np.ndarray], every: int, dtype: np.dtype,
    version: int,
) -> dict[sp.Symbol, np.ndarray]:  # fmt: skip
    """What accumulation keeps of tables, where the last fit accumulated."""
    if every == 1 or rule is None or not rule.groups:
        return {}
    if version < VERSION:
        raise ValueError(
            f"it is of version {version}, saved while accumulate={every} summed the gradients of "
            "tables, which are held otherwise now: with the symgrad that wrote it, train one "
            "mini-batch with accumulate=1 and save it again"
        )
    return unpacked(rule, saved, dtype)


def _array(symbol: sp.Symbol, tensor: np.ndarray, dtype: np.dtype) -> np.ndarray:
    role = getattr(symbol, "role", "parameter")
    if getattr(symbol, "dtype", "float") == "int":
        dtype = np.dtype(np.int64)
    elif role == "hyper":
        dtype = np.dtype(np.float64)
    if tensor.shape != getattr(symbol, "shape", ()) or tensor.dtype.kind != dtype.kind:
        shape, kind = tensor.shape, tensor.dtype.name
        raise ValueError(f"the array of {symbol.name!r} has shape {shape} and dtype {kind}")
    return aligned_copy(tensor, dtype)


def _read_rule(record: dict[str, Any], symbols: Symbols, objective: Objective) -> Applied:
    """The rule as it was applied; its Python function is not there any more, nor needed."""
    trained, touched = list(objective.wrt), objective.touched
    numbers: dict[str, sp.Expr] = {}
    given: dict[str, Any] = {}
    for k, v in record["numbers"].items():
        numbers[k] = sp.Symbol(v) if isinstance(v, str) else symbols.all[v[0]]
        given[k] = 0.0 if isinstance(v, list) and v[1] else numbers[k]
    limits = {k: float(v) for k, v in record.get("limits", {}).items()}  # older files have none
    rule = Rule(_applied, given, record["state"], record["absent"], str(record["name"]),
                record["lazy"], limits=limits)  # fmt: skip
    parts = dict(zip(trained, record["parameters"], strict=True))
    states = {
        p: {k: symbols.all[n] for k, n in part["states"].items()} for p, part in parts.items()
    }
    captured = {
        p: (read_block(part["block"], symbols), symbols.all[part["gradient"]])
        for p, part in parts.items()
    }
    sparse = frozenset(p for p, part in parts.items() if part["sparse"])
    groups = groups_of([p for p in trained if p in sparse], touched)
    sums = {p: sum_of(p, groups.get(p)) for p in trained}
    asleep = None
    if record["asleep"]:
        block, own = record["asleep"]
        asleep = Asleep(read_block(block, symbols), {k: symbols.all[n] for k, n in own.items()})
    return Applied(rule, tuple(trained), numbers, states, sums, captured, sparse, groups, asleep)


def _applied(*_: Any, **__: Any) -> TensorSymbol:
    raise TypeError("the rule of a loaded model has been applied already")
