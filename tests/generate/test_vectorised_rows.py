"""Every pointwise row of the table becomes vectors inside loops, in both dtypes and both ways."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.build.compiler import _execute, kernel_library
from symgrad.build.entry import leading
from symgrad.calculus.builder import Builder
from symgrad.calculus.capture import capture
from symgrad.calculus.program import Program
from symgrad.generate import blocks, ir_lanes, ir_library
from symgrad.generate.cpu import generate
from symgrad.generate.ir_library import with_definitions
from symgrad.generate.micro_machine import host
from symgrad.language.row import TABLE
from symgrad.lower.driver import lower
from tests.language.rows import BOOLEAN, arity
from tests.selection import mostly_full

TYPES = {"float32": "float", "float64": "double"}
PARTS = 12  # kernels of each dtype
ROWS = [row for row in TABLE.values() if row.kind == "pointwise"]


def program_of(rows):
    """An output for each row, of data of its own."""
    builder, outputs = Builder(), {}
    for row in rows:
        wanted = BOOLEAN.get(row.name, ())
        x = []
        for k in range(2 if row.variadic else arity(row)):
            value = builder.value(builder.input(sg.data(f"{row.name}_{k}"), (), True))
            x.append(builder.apply("gt", value, 0) if wanted == "all" or k in wanted else value)
        y = builder.apply(row.name, *x)
        y = builder.apply("indicator", y) if y.operand.kind == "bool" else y
        outputs[row.name] = y.operand
    return Program(builder.block(outputs))


def optimised(program, dtype, name):
    """What LLVM makes of the program's kernel."""
    source = generate(lower(program, dtype, 1024))
    module = _execute(source.text, Path(f"{name}.py"), name)
    kinds = (*leading(source.threads), *source.kinds)
    assembly = getattr(module, "ASSEMBLY", "")
    return kernel_library(getattr(module, source.entry), name, kinds, assembly).get_llvm_str()


def stored_vectors(block):
    return len(re.findall(r"store <\d+ x \w+>", block))


IN_TURN = zip(range(PARTS), itertools.cycle(TYPES), strict=False)


@pytest.mark.parametrize(
    ("part", "dtype"), mostly_full(itertools.product(range(PARTS), TYPES), IN_TURN)
)
def test_llvm_vectorises_loops_with_the_row(part, dtype, monkeypatch):
    monkeypatch.setattr(blocks, "LARGEST", 10**9)
    rows = ROWS[part::PARTS]
    code = optimised(program_of(rows), dtype, f"rows_{part}_{dtype}")
    names = [row.name for row in rows]
    block = max(re.split(r"\n(?=[\w.]+:)|\n\}", code), key=stored_vectors)
    assert stored_vectors(block) >= len(rows), f"a loop with {names} stays as it is"
    single = rf"call [^<@\n]*\b{TYPES[dtype]} @(?!llvm)\S+\(|= frem "
    assert not re.search(single, block), f"one of {names} is computed a number at a time"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["amax", "amin", "sum", "prod"])
def test_llvm_vectorises_reductions_of_rows(name, dtype):
    builder = Builder()
    x = builder.value(builder.input(sg.data("x", shape=1000), (1000,), True))
    y = builder.apply(name, x, axes=(0,), keepdims=False)
    code = optimised(Program(builder.block({"y": y.operand})), dtype, f"{name}_{dtype}")
    assert re.search(rf"<\d+ x {TYPES[dtype]}>", code), "one number after the other"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("width", [16, 40])
def test_rows_are_read_as_they_lie_where_an_extreme_of_their_sums_is_found(width, dtype):
    c, x = sg.parameter("c", shape=(50, width), init=0), sg.data("x", shape=width)
    nearest = sg.min(sg.sum((x - c) ** 2, axis=1))
    code = optimised(Program(capture({"y": nearest})), dtype, f"nearest_{width}_{dtype}")
    assert "llvm.vector.reduce.fminimum" in code, "one sum after the other"
    assert "insertelement" not in code, "elements of many rows are put together"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("width", [8, 16, 48])
@pytest.mark.parametrize("rows", [1, 20])
def test_rows_are_read_and_stored_as_they_lie(rows, width, dtype):
    """LLVM is not to unroll the loop over a row, and make vectors of the loop around it."""
    x, v = sg.data("x", shape=(rows, width)), sg.parameter("v", shape=width)
    weights = sg.softmax(sp.tanh(x) @ v)
    loss = sg.sum((weights @ x) ** 2) + sp.exp(x[0] @ v)
    gradient = sg.gradient(loss, [x, v])
    outputs = {"x": gradient[x], "v": sg.expectation(gradient[v])}
    code = optimised(Program(capture(outputs)), dtype, f"pooled_{rows}_{width}_{dtype}")
    bodies = [b for b in re.split(r"\n(?=[\w.]+:)|\n\}", code) if b.startswith("vector.body")]
    for body in bodies:
        assert body.count("insertelement") < 8, "elements of many rows are put together"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("rows", "width"), [(8, 784), (8, 400)])
def test_loops_around_long_rows_are_not_unrolled(rows, width, dtype):
    """A copy of the row's vectors for each turn would be code without end, and no faster."""
    W, v = sg.parameter("W", shape=(rows, width), init=0), sg.parameter("v", shape=(width,))
    code = optimised(Program(capture({"new": 0.5 * W + v})), dtype, f"long_{rows}_{width}_{dtype}")
    stores = len(re.findall(r"store <\d+ x", code))
    assert 0 < stores <= 2 * math.ceil(width / 8), "the loop around the rows is unrolled"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("powers", [4, 7, 17])
def test_samples_are_vectors_where_their_rows_are_of_numbers_just_made(powers, dtype):
    """Nothing of such a row is read from memory: what is, one number a sample, lies together."""
    x, w = sg.data("x"), sg.parameter("w", shape=powers)
    z = w @ sg.stack([x**k for k in range(1, powers + 1)])
    gradient = sg.expectation(sg.gradient(z**2, w))
    source = generate(lower(Program(capture({"w": gradient})), dtype, 1024))
    assert "apart()" not in source.text


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [24, 28])
def test_sums_side_by_side_are_sums_of_vectors_in_every_piece(size, dtype):
    """A convolution's: LLVM is not to unroll the pieces of a row, and then to find no vectors."""
    x = sg.data("x", shape=(3, size + 4))
    K = [sg.parameter(f"K{k}", shape=(16, 3)) for k in range(5)]
    z = sum(K[k] @ x[:, k : k + size] for k in range(5))
    found = sg.gradient(sg.sum(sg.relu(z)), K)
    outputs = {f"K{k}": sg.expectation(found[p]) for k, p in enumerate(K)}
    code = optimised(Program(capture(outputs)), dtype, f"convolved_{size}_{dtype}")
    assert len(re.findall(rf"= fmul [a-z ]*{TYPES[dtype]} ", code)) < 40, "single numbers"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_assembly_in_lanes_has_no_single_numbers(row, dtype, monkeypatch):
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_lanes, "SHORTEST", 0)
    space: dict = {}
    text = generate(lower(program_of([row]), dtype, 1024)).text
    exec(text[text.index("ASSEMBLY") : text.rindex('"""') + 3], space)
    kind, lanes = TYPES[dtype], host().lanes({"float32": 4, "float64": 8}[dtype])
    assert f"<{lanes} x {kind}>" in space["ASSEMBLY"]
    single = rf"= f\w+ [a-z ]*{kind} |call [^<@\n]*\b{kind} @"
    for line in with_definitions(space["ASSEMBLY"]).splitlines():
        assert not re.search(single, line) or "frem" in line, line


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [10, 24])
def test_functions_that_are_not_put_in_place_are_called_on_vectors(size, dtype, monkeypatch):
    """LLVM is not to unroll the short loops that call them, and then to find no loop."""
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_library, "MOST_INLINED", 0)
    z, W = sg.data("z", shape=(size, size)), sg.constant(np.eye(size) + 0.1)
    h = sg.logsumexp(W + sg.reshape(sp.tanh(z @ W[0]), (size, 1)), axis=0)
    code = optimised(Program(capture({"h": h})), dtype, f"short_loops_{size}_{dtype}")
    assert re.search(r"call (fastcc )?<\d+ x \w+> @symgrad\.exp", code)
    assert re.search(r"call (fastcc )?<\d+ x \w+> @symgrad\.log1p", code)
    assert not re.search(r"call (fastcc )?\w+ @symgrad\.(exp|log1p)", code)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_short_rows_in_assembly_become_vectors(size, dtype, monkeypatch):
    """LLVM is not to unroll them first, and knows what looks for an extreme."""
    monkeypatch.setattr(blocks, "LARGEST", -1)
    scores = 3 * sg.data("x", shape=(4, size)) + 1
    code = optimised(Program(capture({"y": sg.softmax(scores)})), dtype, f"rows_{size}_{dtype}")
    assert "llvm.vector.reduce.fmaximum" in code
    assert not re.search(rf"= fmul [a-z ]*{TYPES[dtype]} ", code)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_several_functions_with_branches_in_one_kernel(dtype, rng):
    """LLVM is told of all of them that they are in use: one list, which has one name."""
    x, y = sg.data("x y")
    terms = sp.gamma(x) + sp.loggamma(y) + sp.Mod(y, x) + sp.beta(x, y)
    a = rng.uniform(0.5, 3, (2, 50))
    (found,) = sg.function([terms], [x, y], dtype=dtype)(*a)
    gamma, loggamma = np.vectorize(math.gamma), np.vectorize(math.lgamma)
    wanted = gamma(a[0]) + loggamma(a[1]) + np.mod(a[1], a[0])
    wanted += gamma(a[0]) * gamma(a[1]) / gamma(a[0] + a[1])
    np.testing.assert_allclose(found, wanted, rtol={"float64": 1e-13, "float32": 2e-5}[dtype])


def test_functions_on_vectors_for_loops():
    """LLVM is told of a function on vectors where a loop calls it, and only there."""
    call = "  %y = call double @symgrad.sin.float64(double %x)"
    loop = f"loop:\nloop.body:\n{call}\n  br label %loop\nloop.end:\n"
    assert "vector-function-abi-variant" in with_definitions(loop)
    assert "vector-function-abi-variant" not in with_definitions(f"{loop[:10]}{call}\n")
