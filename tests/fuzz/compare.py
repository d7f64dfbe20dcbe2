"""Compares targets on many programs at once, and says which program disagrees.

Tolerances come from conditioning: torch runs again with every value and adjoint multiplied by
1 + noise r; what that moves a number by, times (rounding error/noise) and a margin, is what targets
may differ by.  A program that noise moves too far (a kink, a step or a cancellation is near) is no
test, and is not counted.  Nor is one whose numbers depend on what its roundings leave of a value
that cancels to 0, be it by the sign (noise and the opposite noise) or by being there (then it is
made 0): another order of additions leaves something else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
import torch
from mpmath import mp

from symgrad.calculus.block import Block, Name
from symgrad.calculus.builder import Builder
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.calculus.draws import drawn
from symgrad.calculus.program import Program as BlockProgram
from symgrad.calculus.rewrite import Rewrite
from symgrad.calculus.simplify import simplify
from symgrad.calculus.stabilize import STABLE
from symgrad.generate.cpu import generate
from symgrad.lower.driver import lower
from symgrad.train.evaluate import evaluate
from symgrad.train.memory import constants
from symgrad.train.targets import TARGETS
from tests.fuzz import as_mpmath, as_symgrad, draws, torch_run
from tests.fuzz.programs import Program
from tests.generate.interpreted import Interpreted

NOISE = {"float64": 1e-7, "float32": 3e-6}
MARGIN = 2000  # roundings that one step of a program may make
STEEPEST = 1e4  # times the noise that a number may move by, relative to its array's largest
EPSILON = {dtype: float(np.finfo(dtype).eps) for dtype in NOISE}


@dataclass(frozen=True)
class Expected:
    """What every target must give: an array and its tolerance by label, gradients as `d name`."""

    arrays: dict[str, np.ndarray]
    tolerance: dict[str, float]


@dataclass(frozen=True)
class Variant:
    """rewrites: None for no simplification, "all", or a seed that chooses half of them."""

    target: str
    rewrites: Any = "all"
    dtype: str = "float64"

    @property
    def chosen(self) -> Sequence[Rewrite] | None:
        if self.rewrites is None:
            return None
        if self.rewrites == "all":
            return STABLE
        rng = np.random.default_rng(self.rewrites)
        return [r for r in STABLE if rng.random() < 0.5]

    def __str__(self) -> str:
        return f"{self.target} {self.dtype}, rewrites {self.rewrites}"


@dataclass(frozen=True)
class Mismatch:
    """One program and what differs: a label, or an error's text."""

    program: Program
    variant: Variant
    label: str
    detail: str

    def __str__(self) -> str:
        return f"{self.program.seed} {self.variant}: {self.label}: {self.detail}"


# ---- what is expected


def expected(program: Program, dtype: str = "float64") -> Expected | None:
    """Torch's numbers with tolerances; None where the program is too steep to be a test.

    Numbers are torch's in float64 always; `dtype` says how targets may round.
    """
    noise, epsilon = NOISE[dtype], EPSILON[dtype]
    plain = torch_run.run(program)
    found = _flat(program, plain)
    if not all(np.isfinite(a).all() for a in found.values()):
        return None
    try:
        noisy = [torch_run.run(program, n, k) for n, k in ((noise, 1), (-noise, 1), (noise, 2))]
        moved = [_flat(program, r) for r in noisy]
    except torch.linalg.LinAlgError:  # with other rounding a matrix is not positive definite
        return None
    tolerance = {}
    for label, array in found.items():
        size = max(np.abs(array).max(initial=0), 1e-2)
        apart = max(np.abs(array * 1.0 - m[label]).max(initial=0) for m in moved)
        if not apart <= STEEPEST * noise * size:
            return None
        tolerance[label] = MARGIN * epsilon * (apart / noise + size)
    cancelled = _cancelled(program, plain, noisy, MARGIN * epsilon / noise)
    if cancelled:
        cleared = _flat(program, torch_run.run(program, zero=cancelled))
        if not all(np.abs(a * 1.0 - cleared[k]).max(initial=0) <= tolerance[k]
                   for k, a in found.items()):  # fmt: skip
            return None
    return Expected(found, tolerance)


def _cancelled(
    program: Program, plain: torch_run.Result, noisy: Sequence[torch_run.Result], share: float
) -> dict[str, np.ndarray]:
    """Where steps have values of which no digit is known: no more than a share of the noise's."""
    masks = {}
    for s in program.steps:
        if s.kind == "float":
            v = plain.values[s.name]
            apart = np.max([np.abs(r.values[s.name] - v) for r in noisy], axis=0)
            masks[s.name] = (v != 0) & (np.abs(v) <= share * apart)
    return {name: mask for name, mask in masks.items() if mask.any()}


def _flat(program: Program, r: torch_run.Result) -> dict[str, np.ndarray]:
    arrays = {s.name: r.values[s.name] for s in outputs(program)}
    arrays["loss"] = np.array(r.loss)
    return arrays | {f"d {k}": g for k, g in r.gradients.items()}


def outputs(program: Program) -> list[Any]:
    """The steps whose values are compared: those that nothing else reads, and every fourth."""
    chosen = {s.name for s in program.sinks} | {s.name for s in program.steps[::4]}
    return [s for s in program.steps if s.name in chosen and s.shape[:1] != ("B",)]


# ---- symgrad's blocks of many programs


@dataclass
class Chunk:
    """Programs that run together, in one block: labels are `number name`."""

    programs: Sequence[Program]
    arrays: dict[sp.Symbol, np.ndarray] = field(default_factory=dict)
    wrt: dict[str, sp.Symbol] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        return self.programs[0].samples

    @cached_property
    def captured(self) -> Block:
        """The block of all values and losses, before anything is rewritten."""
        wanted: dict[str, sp.Basic] = {}
        for k, program in enumerate(self.programs):
            made = as_symgrad.expressions(program, f"q{k}_")
            for x in program.inputs:
                if not x.random:
                    self.arrays[made[x.name]] = program.values[x.name]
                if not x.sampled:
                    self.wrt[f"{k} d {x.name}"] = made[x.name]
            wanted |= {f"{k} {s.name}": sp.sympify(made[s.name]) for s in outputs(program)}
            wanted[f"{k} loss"] = sp.sympify(made["loss"])
        return capture(wanted)

    def block(self, rewrites: Sequence[Rewrite] | None) -> Block:
        """With the gradients of all losses; None for no simplification at all."""
        captured = _averaged(self.captured)
        if rewrites is not None:
            captured = simplify(captured, rewrites)
        losses = [captured.outputs[f"{k} loss"] for k in range(len(self.programs))]
        builder = Builder.of(captured)
        total = builder.apply("add", *losses, 0.0)
        known = {label: s for label, s in self.wrt.items() if s in captured.inputs}
        if isinstance(total.operand, Name):
            block = builder.block({**captured.outputs, "total": total.operand})
            block, gradients = derive(
                block, block.outputs["total"], [block.inputs[s] for s in known.values()]
            )
        else:
            block, gradients = captured, [sp.S.Zero] * len(known)
        builder = Builder.of(block)
        found = dict(block.outputs)
        for label, g in zip(known, gradients, strict=True):
            found[label] = g if isinstance(g, Name) else builder.constant(g)
        found.pop("total", None)
        block = builder.block(found)
        return (block if rewrites is None else simplify(block, rewrites)).check()


def _averaged(block: Block) -> Block:
    builder, found = Builder.of(block), dict(block.outputs)
    for label, name in block.outputs.items():
        if label.endswith(" loss") and name.per_sample:
            found[label] = builder.apply("expectation", name).operand
    return builder.block(found)


# ---- running


def interpreted(program: BlockProgram, dtype: str, batch: int, *_: Any) -> Any:
    """The cpu target's source, run by Python: lowering and printing without a compiler."""
    return Interpreted(generate(lower(program, dtype, batch)))


MAKERS = {**TARGETS, "interpreted": interpreted}


def run(chunk: Chunk, block: Block, target: str, dtype: str = "float64") -> dict[str, Any]:
    """Every output of the block on a target."""
    n, kind = chunk.samples, np.dtype(dtype)
    block = drawn(block, dtype)
    executable = MAKERS[target](BlockProgram(block).check(), dtype, n, {}, 1)
    fixed = [s for s in block.inputs if getattr(s, "role", "") == "constant"]
    arrays = {
        s: np.asarray(a, np.int64 if a.dtype.kind == "i" else
                      np.float64 if s.role == "hyper" else kind)
        for s, a in chunk.arrays.items()
    }  # fmt: skip
    with np.errstate(all="ignore"):
        arrays |= constants(fixed, kind) | draws.SOURCES
        return evaluate(executable, arrays, n, n, block.outputs, kind)


def differences(
    chunk: Chunk, known: Sequence[Expected], found: dict[str, Any], variant: Variant
) -> Iterator[Mismatch]:  # fmt: skip
    """Where a target's outputs are not what is expected."""
    for k, (program, e) in enumerate(zip(chunk.programs, known, strict=True)):
        for label, array in e.arrays.items():
            got = found.get(f"{k} {label}")
            got = np.zeros(array.shape) if got is None else np.asarray(got)
            text = _difference(got, array, e.tolerance[label])
            if text:
                yield Mismatch(program, variant, label, text)


def _difference(got: np.ndarray, array: np.ndarray, tolerance: float) -> str:
    try:
        apart = np.abs(np.broadcast_to(got, array.shape) * 1.0 - array)
    except ValueError:
        return f"shape {got.shape}, expected {array.shape}"
    worst = apart.max(initial=0)
    if worst <= tolerance:
        return ""
    return f"apart by {worst:.3g}, tolerance {tolerance:.3g}; largest {np.abs(array).max():.3g}"


def check(
    programs: Sequence[Program], known: Sequence[Expected], variants: Sequence[Variant]
) -> Iterator[Mismatch]:
    """Every mismatch of the programs, found on single programs where a chunk disagrees."""
    chunk = Chunk(programs)
    for _, group in itertools.groupby(variants, lambda v: v.rewrites):
        listed = list(group)
        try:
            block = chunk.block(listed[0].chosen)
        except Exception as error:
            yield from _singly(programs, known, listed, error)
            continue
        for v in listed:
            try:
                found = run(chunk, block, v.target, v.dtype)
                bad = list(differences(chunk, known, found, v))
            except Exception as error:
                yield from _singly(programs, known, [v], error)
            else:
                yield from bad


def _singly(
    programs: Sequence[Program], known: Sequence[Expected], variants: list[Variant],
    error: Exception,
) -> Iterator[Mismatch]:  # fmt: skip
    """The programs of a chunk that raised, by halves."""
    if len(programs) == 1:
        text = f"{type(error).__name__}: {str(error)[:300]}"
        yield Mismatch(programs[0], variants[0], "error", text)
        return
    half, before = len(programs) // 2, 0
    for part in (slice(half), slice(half, None)):
        for m in check(programs[part], known[part], variants):
            before += 1
            yield m
    if not before:
        text = f"only together: {type(error).__name__}: {str(error)[:300]}"
        yield Mismatch(programs[0], variants[0], "error", text)


def against_mpmath(program: Program, e: Expected) -> Iterator[Mismatch]:
    """A scalar program's numbers of 50 digits against torch's, which the targets meet."""
    values, total, slopes = as_mpmath.run(program)
    digits = {s.name: np.array([float(x) for x in values[s.name]]) for s in outputs(program)}
    digits |= {"loss": np.array(float(total)), **{f"d {k}": np.array(float(g))
                                                   for k, g in slopes.items()}}  # fmt: skip
    for label, array in digits.items():
        text = _difference(array, e.arrays[label], e.tolerance[label])
        if text:
            yield Mismatch(program, Variant("mpmath"), label, text)


mp.dps = 50
