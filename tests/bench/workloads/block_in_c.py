"""A step's Block as C, equation by equation: what a generator of C would make of it.

    void step(long n, const T *const *data, T *state, T *loss)

`state` holds what is not per sample, parameters among it, in the order of the block's inputs.
"""

import ctypes
from collections.abc import Callable, Mapping

import numpy as np

from symgrad.calculus.block import Block, Equation, Name, Operand
from tests.bench.workloads.gcc import library

TYPES = {"float64": "double", "float32": "float"}
SUFFIXES = {"float64": "", "float32": "f"}  # of C's functions
Label = Callable[[Operand], str]  # a name in C, or a number


def compiled(block: Block, dtype: str) -> Callable[[Mapping, np.ndarray], float]:
    """(data, state) -> loss; the state is replaced by the new one."""
    step = library(c_code(block, dtype)).step
    names = [symbol.name for symbol, name in block.inputs.items() if name.per_sample]
    loss = np.zeros(1, dtype)

    def run(data: Mapping[str, np.ndarray], state: np.ndarray) -> float:
        columns = [data[name].ctypes.data for name in names]
        pointers = (ctypes.c_void_p * len(columns))(*columns)
        addresses = (ctypes.c_void_p(array.ctypes.data) for array in (state, loss))
        step(ctypes.c_long(len(data[names[0]])), pointers, *addresses)
        return loss[0].item()

    return run


def c_code(block: Block, dtype: str) -> str:
    """What is one value for the step stands before the loop over the samples, or after it."""
    T, known = TYPES[dtype], {}

    def label(x: Operand) -> str:
        if isinstance(x, Name):
            return known.setdefault(x, f"v{len(known)}")
        return f"(({T}){float(x)!r})"

    state = [(s, name) for s, name in block.inputs.items() if not name.per_sample]
    data = [name for name in block.inputs.values() if name.per_sample]
    before, inside, totals, after = placed(block, label, dtype)
    lines = [
        "#include <math.h>",
        f"void step(long n, const {T} *const *data, {T} *restrict state, {T} *restrict loss) {{",
        *(f"const {T} *restrict d{i} = data[{i}];" for i in range(len(data))),
        *(f"{T} {label(name)} = state[{i}];" for i, (_, name) in enumerate(state)),
        *before,
        "for (long k = 0; k < n; k++) {",
        *(f"{T} {label(name)} = d{i}[k];" for i, name in enumerate(data)),
        *inside,
        "}",
        *totals,
        *after,
        *(f"state[{i}] = {label(block.writes[s])};" for i, (s, _) in enumerate(state)
          if s in block.writes),
        f"*loss = {label(block.outputs['loss'])};",
        "}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def placed(block: Block, label: Label, dtype: str) -> tuple[list[str], ...]:
    """The equations before the loop, in it, those that make means of its sums, and after it."""
    T = TYPES[dtype]
    before, inside, totals, after = [], [], [], []
    late: set[Name] = set()  # what depends on all samples
    for equation in block.equations:
        left = label(equation.name)
        if equation.operation == "expectation":
            before.append(f"{T} {left} = 0;")
            inside.append(f"{left} += {label(equation.operands[0])};")
            totals.append(f"{left} /= n;")
            late.add(equation.name)
            continue
        line = f"{T} {left} = {expression(equation, label, dtype)};"
        if equation.name.per_sample:
            inside.append(line)
        elif late.isdisjoint(equation.names):
            before.append(line)
        else:
            after.append(line)
            late.add(equation.name)
    return before, inside, totals, after


def expression(equation: Equation, label: Label, dtype: str) -> str:
    """The right-hand side; a power is a whole number here."""
    operands = [label(x) for x in equation.operands]
    match equation.operation:
        case "add":
            return " + ".join(operands)
        case "mul":
            return " * ".join(operands)
        case "pow":
            exponent = int(equation.operands[1])
            product = " * ".join(operands[:1] * abs(exponent))
            return product if exponent > 0 else f"1 / ({product})"
        case "sin" | "cos" as function:
            return f"{function}{SUFFIXES[dtype]}({operands[0]})"
    raise ValueError(f"{equation.operation} has no C code here")
