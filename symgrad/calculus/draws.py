"""Random symbols become equations over the seed, the step and the sample's position.

stream = mixed(seed, the name's number)      once
origin = mixed(stream, step)                 each step
bits   = mixed(origin, position)             each sample, and each element of its shape
n      = below(bits, high)                   and so on, by the distribution
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
import sympy as sp

from symgrad.calculus.block import Block, Equation, Name
from symgrad.calculus.bounds import index_bounds
from symgrad.calculus.builder import Builder, Value
from symgrad.calculus.simplify import renamed
from symgrad.language import counters  # noqa: F401  (its rows)
from symgrad.language.alias import alias_table
from symgrad.language.random import Draw
from symgrad.language.row import op
from symgrad.language.symbols import TensorSymbol, position, seed, step

PRECISION = {"float32": 24, "float64": 53}  # binary digits


def drawn(block: Block, dtype: str) -> Block:
    """The block with its random inputs computed."""
    random = {s: x for s, x in block.inputs.items() if is_random(s)}
    if not random:
        return block
    builder = Builder({s: x for s, x in block.inputs.items() if s not in random})
    made = {x: _draw(builder, s, PRECISION[dtype]) for s, x in random.items()}
    for old, new in made.items():
        new.label = old.label
    rest = (
        Equation(e.name, e.operation, tuple(made.get(x, x) for x in e.operands), e.attributes)
        for e in block.equations
    )
    outputs, writes = (
        {k: made.get(x, x) for k, x in names.items()} for names in (block.outputs, block.writes)
    )
    rows = {s: renamed(lists, made) for s, lists in block.rows.items()}
    return Block(builder.inputs, (*builder.equations, *rest), outputs, writes, rows)


def is_random(symbol: sp.Symbol) -> bool:
    return getattr(symbol, "role", "") == "random"


def check_draws(block: Block) -> Block:
    """The block, unless a draw may leave the axis that it indexes: IndexError."""
    for symbol, size in index_bounds(block).items():
        if is_random(symbol) and symbol.payload.outcomes > size:
            most = symbol.payload.outcomes - 1
            raise IndexError(
                f"the draw {symbol.name!r} takes values from 0 to {most}, and it indexes an axis "
                f"of {size} entries"
            )
    return block


def seed_word(number: int) -> np.ndarray:
    """The array that holds a model's seed: any whole number from 0 as 64 bits."""
    return np.random.SeedSequence(number).generate_state(1, np.uint64).view(np.int64).reshape(())


def _name_word(name: str) -> sp.Integer:
    """The number of a name's stream."""
    digest = hashlib.sha256(name.encode()).digest()
    return sp.Integer(int.from_bytes(digest[:8], "little", signed=True))


def _draw(builder: Builder, symbol: TensorSymbol, precision: int) -> Name:
    """The equations of one random symbol."""
    stream = op.mixed(builder.value(builder.input(seed, (), False)), _name_word(symbol.name))
    origin = op.mixed(stream, builder.value(builder.input(step, (), False)))
    size = math.prod(symbol.shape)
    element = builder.value(builder.input(position, (), per_sample=True))
    if symbol.shape:
        lanes = builder.array(np.arange(size).reshape(symbol.shape))
        element = element * size + lanes

    def bits(of: int = 1, k: int = 0) -> Value:
        """The k-th of so many independent integers for each element."""
        return op.mixed(origin, element * of + k)

    operand = DISTRIBUTIONS[symbol.payload.distribution](bits, symbol.payload, precision).operand
    assert isinstance(operand, Name)
    return operand


def _integers(bits: Callable[..., Value], draw: Draw, precision: int) -> Value:
    return op.below(bits(), draw.outcomes)


def _categorical(bits: Callable[..., Value], draw: Draw, precision: int) -> Value:
    """One integer gives the column, and what that leaves over decides within it."""
    table, word = alias_table(draw.parameter), bits()
    column = op.below(word, draw.outcomes)
    entry = op.gather(word.builder.array(table.entries), column)
    return op.either(word, draw.outcomes, entry)


def _normal(bits: Callable[..., Value], draw: Draw, precision: int) -> Value:
    """sqrt(-2 log u) cos(2 pi v), with digits enough in u for tails up to 8.6."""
    u, v = (op.unit(bits(2, k), PRECISION["float64"]) for k in range(2))
    return (-2 * op.log(u)) ** sp.Rational(1, 2) * op.cos(2 * sp.pi * v)


def _uniform(bits: Callable[..., Value], draw: Draw, precision: int) -> Value:
    return op.unit(bits(), precision)


DISTRIBUTIONS: dict[str, Callable[..., Value]] = {
    "integers": _integers, "categorical": _categorical, "normal": _normal, "uniform": _uniform,
}  # fmt: skip
