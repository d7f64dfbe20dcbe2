"""What is tested of a chunk of programs: which targets, rewrites and dtypes are its turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from symgrad.calculus.stabilize import STABLE
from tests.fuzz import as_mpmath
from tests.fuzz.compare import Chunk, Expected, Mismatch, Variant, against_mpmath, check, expected
from tests.fuzz.draw import draw
from tests.fuzz.programs import Program
from tests.fuzz.public import through_the_model
from tests.fuzz.shrink import script, shrunk

SAMPLES = (3, 1, 3, 17, 3)  # by turns
REFUSED = (  # documented refusals, which SymPy's simplification can bring about
    "sg.batch stacks the mini-batch's values of something per sample",
    "derivatives of digamma are known up to order",
    "cannot be saved",  # a user's own derivative
)


@dataclass
class Report:
    """What came of some programs.  steep: drawn, and no test.  shown: failing ones as scripts."""

    tested: int = 0
    steep: int = 0
    scalar: int = 0
    steps: int = 0
    checks: Counter = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.tested += other.tested
        self.steep += other.steep
        self.scalar += other.scalar
        self.steps += other.steps
        self.checks += other.checks
        self.shown += other.shown


Tests = list[tuple[Program, Expected]]


def chunk(seed: int, number: int, count: int) -> list[Program]:
    samples = SAMPLES[number % len(SAMPLES)]
    return [draw((seed, number, k), samples) for k in range(count)]


def variants(number: int) -> list[Variant]:
    """The reference target always, with rewrites and without; the others by turns."""
    lowered = [Variant("interpreted")] if number % 3 == 0 else []
    compiled = [Variant("cpu")] if number % 8 == 5 else []
    off = Variant("reference", None if number % 3 else number)
    return [Variant("reference"), *lowered, *compiled, off]


def mismatches(tests: Tests, number: int) -> Iterator[Mismatch]:
    """What disagrees on a chunk, and on some of its programs alone."""
    yield from check(*zip(*tests, strict=True), variants(number))
    for program, e in tests:
        if as_mpmath.knows(program):
            yield from against_mpmath(program, e)
    if number % 4 == 1:  # small kernels are printed in another way than large ones
        for program, e in tests[:4]:
            yield from check([program], [e], [Variant("interpreted")])
    if number % 8 == 2:
        rough = [(p, expected(p, "float32")) for p, _ in tests]
        rough = [(p, e) for p, e in rough if e is not None]
        if rough:
            yield from check(*zip(*rough, strict=True), [Variant("interpreted", dtype="float32")])
    if number % 4 == 3:
        yield from through_the_model(*_with_a_table(tests))
    if number % 32 == 6:
        yield from through_the_model(*_with_a_table(tests), target="cpu")


def _with_a_table(tests: Tests) -> tuple[Program, Expected]:
    """The first program that looks rows up, else the first."""
    looks = (t for t in tests if any(s.operation == "lookup" for s in t[0].steps))
    return next(looks, tests[0])


def refused(program: Program) -> bool:
    """Whether symgrad refuses the program in words that are documented."""
    try:
        Chunk([program]).block(STABLE)
    except Exception as error:
        return any(text in str(error) for text in REFUSED)
    return False


def accepted(tests: Tests) -> Tests:
    """The programs that symgrad does not refuse; one by one only where a chunk fails."""
    try:
        Chunk([p for p, _ in tests]).block(STABLE)
    except Exception:
        return [(p, e) for p, e in tests if not refused(p)]
    return tests


def report_of(programs: Sequence[Program], number: int, shrink: bool = True) -> Report:
    pairs = [(p, expected(p)) for p in programs]
    known = [(p, e) for p, e in pairs if e is not None]
    tests = accepted(known)
    scalar = sum(as_mpmath.knows(p) for p, _ in tests)
    report = Report(len(tests), len(pairs) - len(known), scalar,
                    sum(len(p.steps) for p, _ in tests))  # fmt: skip
    if not tests:
        return report
    for v in variants(number):
        report.checks[f"{v.target}, rewrites {'all' if v.rewrites == 'all' else 'off'}"] += len(
            tests
        )
    report.checks += Counter({"mpmath": report.scalar, "refused": len(known) - len(tests)})
    seen: set = set()
    with np.errstate(all="ignore"):
        for m in mismatches(tests, number):
            if any(text in m.detail for text in REFUSED):
                report.checks["refused"] += 1
            elif m.program.seed not in seen:
                seen.add(m.program.seed)
                report.shown.append(script(shrunk(m) if shrink else m))
    return report
