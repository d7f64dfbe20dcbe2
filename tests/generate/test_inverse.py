"""1/x by estimates: to the last bit but one, and with the infinities of a division."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.build import build
from symgrad.generate import blocks, ir_lanes
from symgrad.generate.cpu import generate
from symgrad.generate.ir_inverse import ESTIMATES, inverse
from symgrad.generate.ir_text import Lines, Value
from symgrad.generate.micro_machine import Machine
from symgrad.lower.driver import lower
from tests.lower.programs import agree, trained

has_estimates = pytest.mark.skipif(
    not llvm.get_host_cpu_features().get("avx512f"), reason="the processor has no such estimates"
)


def compiled(dtype, lanes):
    """1/x of the vectors of an array, in place; and what keeps the code alive."""
    x = Value("%x", dtype, lanes)
    lines = Lines()
    result = inverse(lines, x)
    text = "\n".join([
        "define void @run(ptr %at) {", f"  %x = load {x.type}, ptr %at, align 4", *lines.body,
        f"  store {result.typed}, ptr %at, align 4", "  ret void", "}",
    ])  # fmt: skip
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    engine.finalize_object()
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address("run")), engine


@has_estimates
@pytest.mark.parametrize(("dtype", "lanes"), ESTIMATES)
def test_estimates(dtype, lanes, rng):
    limits = np.finfo(dtype)
    ends = [0.0, np.inf, np.nan, limits.max, limits.tiny, limits.smallest_subnormal,
            4 * limits.tiny, limits.max / 4, 1.0, 3.0, 1 + limits.eps, 2 - limits.eps,
            limits.tiny / 4, limits.tiny / 8]  # fmt: skip
    exponents = np.linspace(limits.minexp, limits.maxexp - 1, 10_000).astype(int)
    sizes = np.ldexp(rng.uniform(1, 2, len(exponents)), exponents)
    x = np.array([*ends, *sizes, *rng.uniform(1, 2, 40_000)], dtype)
    x = np.concatenate([x, -x])
    x = np.resize(x, -(-len(x) // lanes) * lanes)
    found, (run, _engine) = x.copy(), compiled(dtype, lanes)
    for at in range(0, len(x), lanes):
        run(found.ctypes.data + at * x.itemsize)
    with np.errstate(all="ignore"):
        exact = 1 / x
    normal = np.isfinite(exact) & (abs(exact) >= limits.tiny)
    np.testing.assert_array_equal(found[~np.isfinite(exact)], exact[~np.isfinite(exact)])
    np.testing.assert_array_equal(found[exact == 0], exact[exact == 0])
    assert (abs(found[normal] - exact[normal]) <= np.spacing(abs(exact[normal]))).all()
    small = abs(exact) < limits.tiny
    assert (abs(found[small] - exact[small]) <= 2 * limits.smallest_subnormal).all()


X, Y = sg.data("x y")
A, B = sg.parameter("a"), sg.parameter("b")


def quotients(links):
    """The step of a chain with a division in each link."""
    x, y, loss = X, Y, 0
    for i in range(links):
        z = sg.let(f"z{i}", x**2 + y**2 + A + 3)
        x, y = sg.let(f"x{i}", sp.sin(B) * x / z - y), sg.let(f"y{i}", y / z + x)
        loss += (x - y) ** 2
    return trained(loss, [A, B], sg.SGD(0.01))


@pytest.fixture
def in_lanes(monkeypatch):
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_lanes, "SHORTEST", 0)


@pytest.mark.parametrize("estimates", [False, True])
def test_some_divisions_are_done_by_estimates(in_lanes, estimates, monkeypatch):
    machine = Machine(64, 32, True, True, 128, estimates=estimates)
    monkeypatch.setattr(blocks, "host", lambda: machine)
    text = generate(lower(quotients(6), "float64", 1000)).text
    divisions, found = text.count("= fdiv"), text.count("@llvm.x86.avx512.rcp14.pd.512")
    assert divisions
    assert bool(found) == estimates


def test_functions_keep_the_units_busy(in_lanes, monkeypatch):
    """Their formulas take as long as a divider that works meanwhile."""
    machine = Machine(64, 32, True, True, 128, estimates=True)
    monkeypatch.setattr(blocks, "host", lambda: machine)
    a, b = sg.parameter("a", shape=(9,)), sg.parameter("b", shape=(9,))
    waves = [sp.exp(-b[i] * X) * sp.cos(b[i] * X) for i in range(9)]
    terms = [a[i] * wave / (1 + (b[i] * X) ** 2) for i, wave in enumerate(waves)]
    program = trained((sum(terms) - Y) ** 2, [a, b], sg.SGD(0.01))
    text = generate(lower(program, "float64", 1000)).text
    assert "= fdiv" in text
    assert "rcp14" not in text


@has_estimates
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_quotients_with_all_estimates(dtype, in_lanes, rng, monkeypatch):
    machine = Machine(64, 32, True, True, 128, estimates=True)
    monkeypatch.setattr(blocks, "host", lambda: machine)
    monkeypatch.setattr("symgrad.generate.ir_inverse.share", lambda way, size, n: n)
    tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
    agree(quotients(6), 50, rng, samples=77, dtype=dtype, make=build, tolerance=tolerance)
