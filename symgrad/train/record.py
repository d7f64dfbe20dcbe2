"""Blocks as JSON and back: names by number.

Nothing that is read is evaluated: constants, operations, kinds and roles are looked up in tables,
and what is not there is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block, Equation, Name
from symgrad.language.ragged import is_length, is_sparse
from symgrad.language.random import DRAWN, Draw, checked
from symgrad.language.row import TABLE
from symgrad.language.symbols import SPARSE, TensorSymbol, batch_size, position, seed, step

CONSTANTS = {
    "pi": sp.pi, "E": sp.E, "EulerGamma": sp.EulerGamma, "GoldenRatio": sp.GoldenRatio,
    "nan": sp.nan, "oo": sp.oo, "-oo": -sp.oo, "true": sp.true, "false": sp.false,
}  # fmt: skip
SPELLED = {value: name for name, value in CONSTANTS.items()}
SINGLE = {s.role: s for s in (step, batch_size, seed, position)}
ROLES = ("data", "length", "parameter", "hyper", "state", "constant", "random")
KINDS = ("float", "int", "bool")


def write_number(x: sp.Basic) -> Any:
    """A SymPy number as JSON: rationals and floats exactly, others (sqrt(2)) to 17 digits."""
    if x in SPELLED:
        return SPELLED[x]
    if isinstance(x, sp.Rational):
        return [str(x.p), str(x.q)]
    value = x if isinstance(x, sp.Float) else x.evalf(17)
    exact = sp.Rational(value)
    return [str(exact.p), str(exact.q), int(value._prec)]


def read_number(record: Any) -> sp.Basic:
    if isinstance(record, str):
        return CONSTANTS[record]
    exact = sp.Rational(int(record[0]), int(record[1]))
    return exact if len(record) == 2 else sp.Float(exact, precision=int(record[2]))


def write_attribute(value: Any) -> Any:
    """An attribute: texts, whole numbers, truth values, symbolic sizes, and tuples."""
    if isinstance(value, tuple):
        return [write_attribute(v) for v in value]
    if value == batch_size:
        return {"size": "batch"}
    if is_length(value):
        return {"size": "length", "name": value.name, "key": value.structure}
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a model with the attribute {value!r} cannot be saved")


def read_attribute(record: Any) -> Any:
    if isinstance(record, list):
        return tuple(read_attribute(r) for r in record)
    if isinstance(record, dict):
        return SIZES[record["size"]](record)
    return record


def _read_length(record: Mapping[str, Any]) -> TensorSymbol:
    key = str(record["key"])
    return TensorSymbol(str(record["name"]), (), "int", "length", key, key)


SIZES: dict[str, Callable[[Any], TensorSymbol]] = {
    "batch": lambda _: batch_size,
    "length": _read_length,
}


class Symbols:
    """The symbols of a model by number."""

    def __init__(self, symbols: Sequence[sp.Symbol] = ()) -> None:
        self.all = list(symbols)

    def number(self, symbol: sp.Symbol) -> int:
        if symbol not in self.all:
            self.all.append(symbol)
        return self.all.index(symbol)

    def write(self, roles: Mapping[sp.Symbol, str]) -> list[Any]:
        return [
            [s.name, write_attribute(s.shape), s.dtype, s.role, s.structure, s.identity]
            + ([SPARSE] if is_sparse(s) else [*_distribution(s)])
            if isinstance(s, TensorSymbol)
            else [s.name, roles.get(s, "data")]
            for s in self.all
        ]


def payload_array(symbol: sp.Symbol, value: np.ndarray | None) -> np.ndarray | None:
    """What is stored of a symbol: its value, a constant's array, a draw's parameter."""
    role = getattr(symbol, "role", "")
    if role == "random":
        return symbol.payload.parameter
    return symbol.value if role == "constant" else value


def _distribution(symbol: TensorSymbol) -> list[str]:
    return [symbol.payload.distribution] if symbol.role == "random" else []


def _read_draw(record: Any, parameter: Any) -> Draw:
    """The distribution of a random symbol, checked as when it was made."""
    distribution, kind = str(record[6]), record[2]
    if DRAWN.get(distribution) != kind:
        raise ValueError(f"there are no draws {distribution!r} of the kind {kind!r}")
    return checked(str(record[0]), distribution, parameter)


def read_symbol(record: Any, payload: Any) -> sp.Symbol:
    """A symbol; payload: a constant's array, a hyper's value, a draw's parameter."""
    name = str(record[0])
    if len(record) == 2:
        return sp.Symbol(name)
    shape, dtype, role = read_attribute(record[1]), record[2], record[3]
    if role in SINGLE:
        return SINGLE[role]
    sizes = [s for s in shape if not is_length(s)]
    if role not in ROLES or dtype not in KINDS or not all(isinstance(s, int) for s in sizes):
        raise ValueError(f"no symbol has the role {role!r}, dtype {dtype!r} and shape {shape}")
    payload = SPARSE if record[6:] == [SPARSE] and role == "data" else payload
    if min(sizes, default=0) < 0:
        raise ValueError(f"no symbol has the role {role!r}, dtype {dtype!r} and shape {shape}")
    if role == "random":
        payload = _read_draw(record, payload)
    return TensorSymbol(name, shape, dtype, role, str(record[4]), str(record[5]), payload)


def write_block(block: Block, symbols: Symbols) -> dict[str, Any]:
    """A block that writes nothing, as JSON."""
    names = [*block.inputs.values(), *(e.name for e in block.equations)]
    at = {name: k for k, name in enumerate(names)}
    return {
        "names": [[n.label, write_attribute(n.shape), n.kind, n.per_sample] for n in names],
        "inputs": [symbols.number(s) for s in block.inputs],
        "equations": [
            [
                e.operation,
                [at[x] if isinstance(x, Name) else write_number(x) for x in e.operands],
                [[k, write_attribute(v)] for k, v in e.attributes],
            ]
            for e in block.equations
        ],
        "outputs": {label: at[name] for label, name in block.outputs.items()},
    }


def read_block(record: Any, symbols: Symbols) -> Block:
    """The block, checked: known operations, names defined before they are used, fitting shapes."""
    names = [
        Name(str(label), read_attribute(shape), kind, bool(sampled))
        for label, shape, kind, sampled in record["names"]
    ]
    inputs = {symbols.all[k]: name for k, name in zip(record["inputs"], names, strict=False)}
    made = names[len(inputs) :]
    equations = [
        Equation(
            name, known_operation(operation),
            tuple(names[x] if isinstance(x, int) else read_number(x) for x in operands),
            tuple((str(k), read_attribute(v)) for k, v in attributes),
        )
        for name, (operation, operands, attributes) in zip(made, record["equations"], strict=True)
    ]  # fmt: skip
    outputs = {str(label): names[k] for label, k in record["outputs"].items()}
    return Block(inputs, tuple(equations), outputs).check()


def known_operation(operation: Any) -> str:
    if operation not in TABLE:
        raise ValueError(
            f"there is no operation {operation!r} here; one made by sg.custom must be made again "
            "before a model with it is loaded"
        )
    return operation
