"""Random programs over the whole operation table: every target against torch and mpmath."""

from dataclasses import replace

import numpy as np
import pytest

from symgrad.language.row import TABLE
from tests.fuzz import as_mpmath, as_symgrad, as_torch, torch_run
from tests.fuzz.__main__ import main
from tests.fuzz.compare import Chunk, Mismatch, Variant, check, expected
from tests.fuzz.draw import Drawing, draw
from tests.fuzz.operations import OPERATIONS, POINTWISE
from tests.fuzz.programs import Input, Program, Step
from tests.fuzz.session import chunk, report_of
from tests.fuzz.shrink import fails, script, shrunk

UNDRAWN = {  # rows that one operation alone need not have in its value or gradient
    **dict.fromkeys(
        ("mixed", "unit", "below", "either"), "what draws are made of: inputs until then"
    ),
    "whole_quotient": "what floor_divide of integers becomes when it is lowered",
    **dict.fromkeys(("scaled_sigmoid", "unscaled"), "what silu becomes when it is lowered"),
    "cofactor_along": "the derivative of cofactor: in a second derivative of det",
    "pentagamma": "the derivative of polygamma(2, x): where x depends on a parameter",
    "converse": "of a product of the mini-batch with itself, where its transpose is needed too",
    "own": "arises where an adjoint of the whole mini-batch meets a sample: in longer programs",
}


MORE = 6 * (
    "polygamma",
    "not",
    "or",
    "det",
    "prod",
    "gelu",
    "silu",
)  # where operands decide which row is met


def drawn_once(at, name):
    """A program whose last step is this operation, and what torch says of it."""
    for attempt in range(200):
        d = Drawing(np.random.default_rng((at, attempt)), 3, scalar=False)
        d.step()
        d.step(name)
        if d.steps and d.steps[-1].operation == name:
            program = leading_to(d.steps[-1].name, d.program())
            e = expected(program)
            if e is not None:
                return program, e
    raise AssertionError(f"no program with {name} is found")


def leading_to(name, program):
    """The program without the steps that this one does not depend on."""
    needed = {name}
    for s in reversed(program.steps):
        needed.update(s.operands if s.name in needed else ())
    steps = tuple(s for s in program.steps if s.name in needed)
    return replace(program, steps=steps).without_dead_steps()


def test_every_operation_is_what_torch_says():
    """And every row of the table stands in their blocks, or in UNDRAWN."""
    tests = [drawn_once(at, name) for at, name in enumerate((*OPERATIONS, *MORE))]
    programs, known = zip(*tests, strict=True)
    found = check(programs, known, [Variant("reference"), Variant("interpreted")])
    assert list(map(str, found)) == []
    rows = {e.operation for rewrites in (None, "all")
            for e in Chunk(programs).block(Variant("", rewrites).chosen).equations}  # fmt: skip
    assert set(TABLE) - rows <= set(UNDRAWN)


def test_every_operation_has_its_texts():
    values = set(OPERATIONS) - set(torch_run.DERIVATIVES)
    assert set(as_symgrad.TEXT) == set(OPERATIONS)
    assert set(as_torch.TEXT) == values
    assert set(as_mpmath.TEXT) <= values


@pytest.mark.parametrize("number", [0, 1])
def test_programs(number):
    report = report_of(chunk(1, number, 24), number)
    assert report.shown == []
    assert report.tested > 12


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_thousand_programs(request):
    """Others than those of `test_programs`; many more are a command's: `python -m tests.fuzz`."""
    seed = request.config.getoption("--seed") or 1
    assert main(["--programs", "1000", "--seed", str(seed), "--first", "2"]) == 0


def test_a_program_is_the_same_for_the_same_seed():
    first, second = (draw((5, 0, 3), 3) for _ in range(2))
    assert as_symgrad.lines(first) == as_symgrad.lines(second)


def test_a_wrong_text_is_found_and_shrunk(monkeypatch):
    """A mistake planted in one operation's text, in a program of many."""
    long = [p for p in (draw((6, 0, k), 3) for k in range(120))
            if any(s.operation == "tanh" for s in p.steps) and len(p.steps) > 8]  # fmt: skip
    planted = {**as_symgrad.TEXT, "tanh": "sp.tanh(1.001*{a})"}
    with monkeypatch.context() as patched:
        patched.setattr(as_symgrad, "TEXT", planted)
        like = [Mismatch(p, Variant("reference"), "loss", "") for p in long]
        found = next(m for m in map(fails, long, like) if m)
        small = shrunk(found)
        assert [s.operation for s in small.program.steps] == ["tanh"]
        space: dict = {}
        exec(script(small).replace('("reference", "cpu")', '("reference",)'), space)
        assert not np.allclose(space["found"], space["w"], rtol=1e-6, atol=0)
    assert fails(found.program, found) is None


CANCELLED = (
    Step("a", "add", ("x", "y")),
    Step("b", "sub", ("a", "x")),
    Step("c", "sub", ("b", "y")),
)
LEFT = {  # what is made of the 2.2e-16 that rounding leaves of 0.9 - 1.93 - 0.9 + 1.93
    "its presence": (*CANCELLED, Step("z", "abs", ("c",))),
    "its sign": (*CANCELLED, Step("z", "neg", ("c",))),
    "of one sample's mean": (Step("n", "normalized", ("x",)), Step("z", "square", ("n",))),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_rounding_leaves_is_no_test(name):
    inputs = Input("x", "data", ()), Input("y", "data", ())
    values = {"x": np.array([0.9]), "y": np.array([-1.93])}
    program = Program(inputs, LEFT[name], values, 1)
    assert expected(program) is not None
    asked = Step("asked", "gt_number", ("z",), {"number": 0}, (), "bool")
    assert expected(replace(program, steps=(*program.steps, asked))) is None


def test_pointwise_operations_are_known_to_torch_as_such():
    assert set(POINTWISE) & as_torch.WHOLE <= {"times_batch_size"}
