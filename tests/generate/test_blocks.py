"""Kernels whose mathematics is LLVM assembly: they compute what numba source computes."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.build import build
from symgrad.generate import blocks, ir_cut, ir_lanes, ir_rows
from symgrad.generate.cpu import generate
from symgrad.generate.cpu_operations import BETWEEN, CODE, PAIRWISE
from symgrad.generate.ir_operations import BY_RULE
from symgrad.generate.ir_operations import CODE as ASSEMBLY
from symgrad.generate.micro_machine import Machine
from symgrad.language.row import TABLE
from symgrad.lower import index as ix
from symgrad.lower import products
from symgrad.lower.driver import lower
from symgrad.lower.parallel import parallel
from tests.generate.test_cpu import test_compiled_models as test_compiled_models
from tests.generate.test_cpu import test_compiled_pointwise_rows as test_compiled_pointwise_rows
from tests.lower import test_bounds as bounds
from tests.lower.programs import agree, trained
from tests.lower.random_programs import LIMITS, agree_at_random
from tests.lower.test_driver import MODELS, RULES
from tests.lower.test_driver import test_networks as test_networks
from tests.lower.test_driver import test_training_steps as training_steps_hold
from tests.lower.test_table import test_row as row_holds
from tests.lower.test_table import uses_of
from tests.selection import mostly_full

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def by_blocks(monkeypatch):
    """Every kernel by blocks; every loop that allows it takes several samples at a time, and every
    row is a vector."""
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_rows, "LEAST", 2)
    monkeypatch.setattr(ir_lanes, "SHORTEST", 0)


@pytest.fixture(params=["in lanes", "in parts", "one at a time", "loop by loop"])
def lanes(request, monkeypatch):
    if request.param == "loop by loop":
        monkeypatch.setattr(blocks, "MOST_LOOPS", 0)
        monkeypatch.setattr(blocks, "LONG", 0)
    if request.param == "one at a time":
        monkeypatch.setattr(ir_lanes, "SHORTEST", 10**9)
    if request.param == "in parts":
        monkeypatch.setattr(ir_cut, "LARGEST", 3)


def test_no_operation_is_missing():
    printed = {name.split(",")[0] for name in (*CODE, *BETWEEN, *PAIRWISE)}  # without variants
    assert printed <= {*ASSEMBLY, *BY_RULE}


@pytest.mark.parametrize("products_wanted", [False, True])
@pytest.mark.parametrize("size", mostly_full([8, 20, 45], [8, 45]))
def test_random_programs(size, products_wanted, lanes, seed, share, monkeypatch):
    if products_wanted:
        monkeypatch.setattr(products, "SMALLEST_SIDE", 2)
        monkeypatch.setattr(products, "SMALLEST_WORK", 4)
    agree_at_random(share(5), size, seed, (1, 3, 11), samples=23)


RULES_IN_TURN = zip(MODELS, itertools.cycle(RULES), strict=False)


@pytest.mark.parametrize(
    ("model", "rule"), mostly_full(itertools.product(MODELS, RULES), RULES_IN_TURN)
)
def test_training_steps(model, rule, rng):
    training_steps_hold(model, rule, rng)


def network(layers, width):
    """The program of a network whose layers are alike."""
    x, y = sg.data("x", shape=(width,)), sg.data("y", shape=(width,))
    h, weights = x, []
    for k in range(layers):
        W = sg.parameter(f"W{k}", shape=(width, width), init="linear")
        b = sg.parameter(f"b{k}", shape=(width,))
        weights += [W, b]
        h = sg.let(f"h{k}", sp.tanh(W @ h + b))
    return trained(sg.sum((h - y) ** 2), weights, sg.SGD(0.01))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_that_are_alike_have_one_body(dtype, rng):
    """The blocks of a deeper network are more, and what they do is not."""
    texts = [generate(lower(network(n, 16), dtype, 8)).text for n in (6, 12)]
    blocks, bodies = (
        [len(re.findall(rf"define \w+ void @block_\d+{rest}\(", t)) for t in texts]
        for rest in ("", r"\.body")
    )
    assert blocks[1] >= blocks[0] + 12
    assert bodies[0] == bodies[1]
    calls = [t.count("call void @product") for t in texts]
    assert calls[1] == calls[0] + 3 * 6  # forward, the layer's gradient, the weights'
    drivers = [t[t.index("def run(") :].count("\n") for t in texts]
    assert drivers[0] == drivers[1]
    agree(network(6, 16), 8, rng, limits=LIMITS, samples=20)


def test_a_deeper_network_has_no_longer_bodies():
    """Of two threads: the biases' updates stand together at the end of a step."""
    lines = []
    for layers in (30, 45):
        kernel = parallel(lower(network(layers, 64), "float32", 64), 2)
        assert kernel.threads == 2
        bodies = re.findall(r"(?ms)^define \w+ void @block_\d+\.body.*?^}", generate(kernel).text)
        lines.append(sum(body.count("\n") for body in bodies))
    assert lines[0] == lines[1]


def test_numba_gets_none_of_many_parameters():
    """Of samples in tiles: each array that it gets costs it a millisecond."""
    a, b, (x, y) = *([sg.parameter(f"{n}{k}") for k in range(40)] for n in "ab"), sg.data("x y")
    model = sum(p * sp.sin(q * x) for p, q in zip(a, b, strict=True))
    source = generate(lower(trained((model - y) ** 2, [*a, *b], sg.SGD(0.01)), "float32", 10_000))
    driver = source.text[source.text.index("def run(") :]
    assert "for tile in range" in driver and "a7" not in driver and "_array" not in driver


@pytest.mark.parametrize("threads", [1, 2])
def test_how_many_rows_are_collected_is_read_from_where_blocks_left_it(threads):
    """Of samples in tiles: the last one has fewer."""
    x, y = sg.data("x", shape=4), sg.data("y")
    W, w = sg.parameter("W", shape=(32, 4), init=0), sg.parameter("w", shape=32, init=0)
    program = trained((w @ sp.tanh(W @ x) - y) ** 2, [W, w], sg.SGD(0.01))
    source = generate(parallel(lower(program, "float32", 8192), threads))
    driver = source.text[source.text.index("def run(") :]
    assert "for tile in range" in driver and "rows of d" in driver
    for cells in set(re.findall(r"\w*cells", driver)):
        assert f"{cells.removesuffix('_array')}_array," in driver, "numba is not given it"


def test_a_program_has_one_text(monkeypatch):
    """Else no later process would find the kernel that an earlier one has kept."""
    monkeypatch.setattr(ir_cut, "LARGEST", 3)
    x, w = sg.data("x"), sg.parameter("w")
    chain = [sg.let("a", sp.sin(w * x))]
    for i in range(60):
        chain.append(sg.let(f"a{i}", sp.tanh(chain[-1] * chain[i // 2] + w)))
    model = sg.compile(chain[-1] ** 2 + chain[-2], sg.SGD(lr=0.1))
    program = model.executables.program("step")
    kernels = [parallel(lower(program, "float32", 1024), n) for n in (1, 1, 1, 2, 2, 2)]
    texts = [generate(kernel).text for kernel in kernels]
    assert kernels[-1].threads == 2
    assert len(set(texts[:3])) == 1
    assert len(set(texts[3:])) == 1


EXPANDED = [pytest.param(n, marks=pytest.mark.full) for n in TABLE if TABLE[n].expand]


@pytest.mark.parametrize("name", [*(n for n in TABLE if not TABLE[n].expand), *EXPANDED])
def test_rows_of_the_table(name, rng):
    """One sample a step, where nothing has lanes, and mini-batches."""
    row_holds(name, uses_of, (1, 2), rng)


def test_loops_with_bounds():
    _, task = bounds.csr_task(
        lambda i: bounds.at(bounds.INDPTR, i),
        lambda i: bounds.at(bounds.INDPTR, ix.linear([(i, 1)], 1)),
    )
    A, x = bounds.matrix()
    arrays = bounds.arrays(A, x)
    given = [bounds.INDPTR, bounds.INDICES, bounds.VALUES, bounds.X, bounds.Y]
    build(generate(bounds.kernel([task], given))).run(arrays, None, 0, 1)
    np.testing.assert_allclose(arrays[sp.Symbol("y")], A @ x, rtol=1e-14, atol=1e-14)


def model():
    x, y = sg.data("x y")
    a, b = sg.parameter("a b")
    h = sg.let("h", sp.tanh(a * x))
    return trained((h + b - y) ** 2, [a, b], sg.SGD(0.01))


@pytest.mark.parametrize("name", ["blocks", "stages"])
def test_golden_file(name, update_golden, monkeypatch):
    """Of a model in scalars, and of a network."""
    monkeypatch.setattr(blocks, "host", lambda: Machine(64, 32, True, True, 64))
    program, dtype = {"blocks": (model(), "float64"), "stages": (network(2, 16), "float32")}[name]
    text, file = generate(lower(program, dtype, 64)).text, GOLDEN / f"{name}.txt"
    if update_golden:
        file.write_text(text)
    assert text == file.read_text(), "run pytest with --update-golden if the change is meant"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_over_lanes_have_one_order(dtype, rng):
    """The same run gives the same bits; what lies beyond the last sample adds nothing."""
    x, w = sg.data("x"), sg.parameter("w")
    program = trained(sp.exp(w * x), [w], sg.SGD(0.1))
    compiled = build(generate(lower(program, dtype, 1000)))
    values, found = rng.normal(size=1000).astype(dtype), set()
    (symbol,) = (s for s in program.step.inputs if s.name == "x")
    for _ in range(3):
        arrays = {s: np.array(getattr(s, "value", 0) or 0, "float64" if s.role == "hyper" else
                              "int64" if s.role == "step" else dtype)
                  for s in program.step.inputs if s.role != "batch_size"}  # fmt: skip
        loss = np.zeros(1)
        compiled.run(arrays | {symbol: values}, None, 0, 997, outputs={"loss": loss})
        found.add((float(arrays[next(s for s in arrays if s.name == "w")]), loss[0]))
    assert len(found) == 1
    assert loss[0] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("factor", ["its data too", "shared"])
def test_products_of_each_sample_read_its_data(factor, ordered, rng):
    x, W = sg.data("x", shape=(6, 16)), sg.parameter("W", shape=(6, 6), init=0)
    product = W @ x if factor == "shared" else x @ sg.transpose(x) - W
    loss = sg.mean(sp.tanh(product) ** 2)
    program = trained(loss, [W], sg.SGD(0.1))
    text = agree(program, 8, rng, samples=12, make=build, ordered=ordered)
    assert "block_0" in text and "product_0" in text


@pytest.mark.parametrize("ordered", [True, False])
def test_a_product_of_two_mini_batches_reads_collected_rows(ordered, rng):
    x, y = sg.data("x", shape=5), sg.data("y", shape=5)
    w = sg.parameter("w", shape=5, init=0)
    loss = sg.logsumexp(sg.batch(x * w) @ y) + sp.sin(w @ y)
    program = trained(loss, [w], sg.SGD(0.1))
    text = agree(program, 8, rng, samples=12, make=build, ordered=ordered)
    assert "gemm(" in text and "block_0" in text


def test_products_alone_in_a_loop_over_tiles_know_how_many_samples_it_has(rng):
    """Four steps of long short-term memory: a loop whose other statements are all products."""
    sizes = {"A": (32, 1), "U": (32, 8), "o": (8,)}
    p = {k: sg.parameter(k, shape=n, init=rng.normal(size=n) / 3) for k, n in sizes.items()}
    x, h, c = sg.data("x", shape=(4, 1)), sg.constant(np.zeros(8)), sg.constant(np.zeros(8))
    for t in range(4):
        kept, new, given, out = sg.split(sg.let("z", p["A"] @ x[t] + p["U"] @ h), 8)
        c = sg.let("c", sg.sigmoid(kept) * c + sg.sigmoid(new) * sp.tanh(given))
        h = sg.let("h", sg.sigmoid(out) * sp.tanh(c))
    found = {}
    for target in ("cpu", "reference"):
        model = sg.compile(sg.dot(p["o"], h) ** 2, dtype="float64", target=target)
        found[target] = model.gradients({"x": np.linspace(-1, 1, 520).reshape(130, 4, 1)})
    for name, g in found["reference"].items():
        np.testing.assert_allclose(found["cpu"][name], g, rtol=1e-11, atol=1e-13)


def test_numbers_of_the_run_are_loaded_where_they_are_read(monkeypatch):
    """For hundreds of parameters at a time there are no registers."""
    monkeypatch.setattr(ir_lanes, "SHORTEST", 10**6)
    x, ps = sg.data("x"), [sg.parameter(f"p{k}") for k in range(30)]
    loss = sum(p * sp.sin(k * x) for k, p in enumerate(ps, 1)) ** 2
    text = generate(lower(trained(loss, ps, sg.SGD(0.1)), "float64", 8)).text
    update = text[text.rindex("define internal void @block") :]
    loads = [m.start() for m in re.finditer(r"%p\d+_p\d+ = load", update)]
    stores = [m.start() for m in re.finditer("store volatile", update)]
    assert len(loads) >= 30 and stores[0] < loads[-1]
