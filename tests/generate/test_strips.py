"""Long chains: several vectors of samples at a time, sums early, values computed once more."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.build import build
from symgrad.generate import blocks, ir_cut, ir_lanes, ir_parts, micro_machine
from symgrad.generate.cpu import generate
from symgrad.generate.ir_again import computed_again
from symgrad.generate.ir_cut import cut
from symgrad.generate.ir_depth import side_by_side
from symgrad.generate.ir_divisions import divided_first
from symgrad.generate.ir_late import late
from symgrad.generate.ir_order import TERMS, early
from symgrad.generate.ir_ready import apart
from symgrad.lower import index as ix
from symgrad.lower.driver import lower
from symgrad.lower.expressions import accesses
from symgrad.lower.kernel import Apply, Buffer, Load, Number, Store, Update
from tests.lower.programs import agree, trained

LANES = 4


def strips_like(monkeypatch, **changes):
    """Every processor likes strips so."""
    changed = {kind: replace(strip, **changes) for kind, strip in ir_parts.STRIPS.items()}
    monkeypatch.setattr(ir_parts, "STRIPS", changed)


@pytest.fixture(autouse=True)
def in_small_strips(monkeypatch):
    """Parts of a few operations, strips of three vectors of four samples."""
    monkeypatch.setattr(blocks, "LARGEST", -1)
    monkeypatch.setattr(ir_lanes, "SHORTEST", 0)
    monkeypatch.setattr(ir_cut, "LARGEST", 12)
    strips_like(monkeypatch, vectors=3)
    given = ir_lanes.lanes_of
    monkeypatch.setattr(ir_lanes, "lanes_of", lambda s, known, _: given(s, known, LANES))


def chain(links):
    """The step of an orbit, whose every position is compared with one value."""
    x, y = sg.data("x y")
    s, r = sg.parameter("s"), sg.parameter("r")
    a, b, loss = x, y, 0
    for i in range(links):
        a, b = (
            sg.let(f"a{i}", a + s * (b - a)),
            sg.let(f"b{i}", b + a * (r - b) * sp.Rational(1, 8)),
        )
        loss += (a - 2 * b) ** 2
    return trained(loss, [s, r], sg.SGD(0.01), outputs={"a": a})


SIZES = [1, 3, 4, 5, 11, 12, 13, 16, 24, 27, 50]  # no vector, one, a strip, two, and some more


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("samples", SIZES)
def test_every_number_of_samples(samples, ordered, rng):
    """One kernel for up to 50, so that its strips are full or not."""
    agree(chain(6), 50, rng, samples=samples, make=build, ordered=ordered)


def test_smaller_last_mini_batches(rng):
    agree(chain(6), 26, rng, samples=70, make=build)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_mini_batches(dtype, rng):
    """Those of float32 are worked off in tiles."""
    tolerance = {"float32": 1e-4, "float64": 1e-12}[dtype]
    agree(chain(6), 3000, rng, samples=3000, dtype=dtype, make=build, tolerance=tolerance)


def frames(links):
    """The copies of each place, and the bytes of all."""
    text = generate(lower(chain(links), "float64", 1000)).text
    ((size,),) = [re.findall(r"%frame = alloca \[(\d+) x i8\]", text)]
    offsets = {int(x) for x in re.findall(r"getelementptr i8, ptr %frame, i64 (\d+)", text)}
    return math.gcd(*offsets) // (8 * LANES), int(size)


def test_large_frames_hold_fewer_vectors(monkeypatch):
    """Of two vectors' places there are three copies, so that no two are a page apart."""
    copies, size = frames(12)
    assert copies == 3
    strips_like(monkeypatch, vectors=9, frames=size)
    assert frames(12) == (3, size)
    strips_like(monkeypatch, frames=2 * size // 3)
    assert frames(12) == (3, size)
    strips_like(monkeypatch, frames=1)
    assert frames(12)[0] == 1


def test_an_order_that_is_not_there_is_masked_out_at_its_first_place():
    """Further on there may be no memory, and a load that is masked out takes long to see that."""
    text = generate(lower(chain(6), "float64", 50)).text
    (place,) = re.findall(r"@llvm\.masked\.load\.v4i64\.p0\(ptr (%\w+), ", text)
    assert re.search(rf"{place} = select i1 %ordered, ptr %\w+, ptr %order$", text, re.M)


def test_what_does_not_wait_needs_no_strips(monkeypatch):
    assert " %strip = phi " in generate(lower(chain(6), "float64", 50)).text
    monkeypatch.setattr(ir_cut, "FEW", 0)
    text = generate(lower(chain(6), "float64", 50)).text
    assert 'asm ""' not in text
    agree(chain(6), 50, np.random.default_rng(0), samples=27, make=build)


def test_parts_that_read_no_arrays_and_call_nothing_are_ready():
    """The first reads data, the last writes an output; LLVM's passes leave the others out."""
    text = generate(lower(chain(12), "float64", 50)).text
    first, *others, last = re.findall(r"^define .*part_\d+\(.*$", text, re.M)
    rest, ready = apart(text)
    assert first in rest and last in rest
    assert len(re.findall("^define hidden .*part_", ready, re.M)) == len(others) > 0
    assert not apart(rest)[1]


def test_sums_of_a_strip_are_variables_of_a_part():
    ready = apart(generate(lower(chain(12), "float64", 50)).text)[1]
    loops = re.findall(r"^loop\.body:$.*?^loop\.end:$", ready, re.M | re.S)
    assert re.search(r"load <4 x double>, ptr %[\w.]+\.lanes", "".join(loops))


def test_sums_of_a_kind_are_finished_in_a_loop():
    """The code does not grow with the parameters, whose gradients each are a sum."""
    text = generate(lower(chain(12), "float64", 50)).text
    assert text.count("call double @total.add.float64x4") == 1


# ---- statements


def local(name):
    return Buffer("scratch", name, (), "float64")


def load(buffer):
    return Load(buffer, (), "float64")


def apply(operation, *operands):
    return Apply(operation, tuple(map(given, operands)), "float64")


def given(x):
    return load(x) if isinstance(x, Buffer) else Number(x, "float64") if isinstance(x, float) else x


def store(buffer, operation, *operands):
    return Store(buffer, (), apply(operation, *operands))


def test_operations_side_by_side():
    a, b, c, d = map(local, "abcd")
    long = [store(b, "mul", a, a), store(c, "mul", b, b), store(d, "mul", c, c)]
    assert side_by_side(long) == 1
    assert side_by_side([store(x, "mul", a, a) for x in (b, c, d)]) == 3


def test_cheap_values_are_computed_again():
    """s and r from what is kept anyway; not the sine, and not what would have to be kept for it."""
    x, i, s, r, f, z, w = map(local, "xisrfzw")
    first = [store(i, "sin", x), store(s, "mul", 1.5, i), store(r, "add", s, x), store(f, "sin", r),
             store(z, "mul", 2.0, 3.0), store(w, "mul", z, z)]  # fmt: skip
    second = [store(local(""), "mul", y, y) for y in (i, r, f, w)]
    last = dict.fromkeys((x, i, r, f, w), 1) | {s: 0, z: 0}
    assert not computed_again([first, second], last, 4)
    last[s] = 1
    assert set(computed_again([first, second], last, 1)) == {s}
    assert set(computed_again([first, second], last, 2)) == {s, r}
    assert last[i] == last[x] == 1


def test_divisions_come_first():
    """w with the z that it divides by; not r, which divides by a sum that changes, nor u."""
    x, z, w, r, u, total = map(local, ("x", "z", "w", "r", "u", "total"))
    add = Update(total, (), "add", load(x))
    body = [store(u, "mul", x, x), add, store(z, "sin", x), store(r, "pow", total, -1.0),
            add, store(w, "pow", z, -1.0)]  # fmt: skip
    assert divided_first(body) == [body[2], body[5], *body[:2], *body[3:5]]


def test_divisions_that_come_first(monkeypatch):
    """Where they take longer."""
    x, y = sg.data("x y")
    s = sg.parameter("s", init=0.5)
    a, loss = 2 + x**2, 0
    for i in range(8):
        a = sg.let(f"a{i}", 1 + s * a + y / (3 + a**2))
        loss += a**2
    program = trained(loss, [s], sg.SGD(1e-3))
    texts = set()
    for longer in (False, True):
        machine = replace(micro_machine.host(), registers=32, estimates=longer)
        monkeypatch.setattr(blocks, "host", lambda machine=machine: machine)
        texts.add(generate(lower(program, "float64", 50)).text)
    assert len(texts) == 2
    agree(program, 50, np.random.default_rng(0), samples=27, make=build)


def test_sums_are_added_to_early():
    a, b, c, total = map(local, ("a", "b", "c", "total"))
    add = Update(total, (), "add", apply("mul", a, a))
    body = [store(a, "sin", 1.0), store(b, "sin", a), store(c, "sin", b), add]
    assert early(body, {total}) == [body[0], add, *body[1:3]]
    assert early(body, ()) == body


def test_what_is_stored_in_an_array_is_added_afterwards():
    a, total, array = local("a"), local("total"), Buffer("scratch", "", (3,), "float64")
    add = Update(total, (), "add", Load(array, (ix.ZERO,), "float64"))
    body = [
        store(a, "sin", 1.0),
        Store(array, (ix.ZERO,), load(a)),
        store(local("b"), "sin", a),
        add,
    ]
    assert early(body, {total}) == [*body[:2], add, body[2]]


def test_long_sums_are_added_to_in_parts():
    values, total = [local(f"v{i}") for i in range(2 * TERMS + 1)], local("total")
    body = [store(v, "sin", float(i)) for i, v in enumerate(values)]
    found = early([*body, Update(total, (), "add", apply("add", *values[::-1]))], {total})
    parts = [k for k, s in enumerate(found) if s not in body]
    assert parts == [TERMS, 2 * TERMS + 1, 2 * TERMS + 3]
    assert {b for b, _ in accesses(found[parts[0]])} == {*values[:TERMS]}
    assert {b for b, _ in accesses(found[parts[-1]])} == {values[-1]}
    most = Update(total, (), "max", apply("add", *values))
    assert early([*body, most], {total}) == [*body, most]


def test_residuals_are_made_where_they_are_read():
    """r is no longer kept, s neither: x and z are read later anyway; but not what would keep two
    for one, and not what changes."""
    x, z, u, s, r, far, total, g = map(local, ("x", "z", "u", "s", "r", "far", "total", "g"))
    forward = [store(s, "div", 1.5, z), Store(r, (), apply("sub", apply("mul", x, s), u))]
    square = Update(total, (), "add", apply("mul", r, r))
    later = [store(far, "sin", x), store(local(""), "mul", far, z)]
    backward = [store(g, "mul", r, s)]
    made = [store(b, "sin", 1.0) for b in (x, z)]
    body = [*made, *forward, square, *later, *backward]
    assert late(body, {total}) == [*made, *later, *forward, *backward, square]
    assert late(body, ()) == body  # somebody may read the total
    changes = Store(Buffer("scratch", "", (3,), "float64"), (ix.ZERO,), load(x))
    taken = Store(r, (), Load(changes.buffer, (ix.ZERO,), "float64"))
    found = late([*made, taken, changes, *backward], ())
    assert found.index(taken) < found.index(changes)
    both = [*made, store(r, "mul", x, z), store(far, "sin", 1.0), store(g, "mul", r, far)]
    assert late(both, ()) == both


def test_parts_end_where_little_is_kept(monkeypatch):
    """After the sum of four, not before it."""
    a, b, c, d, e, f = map(local, "abcdef")
    body = [store(v, "sin", 1.0) for v in (a, b, c, d)]
    body += [store(e, "add", a, b, c, d), store(f, "sin", e), store(local(""), "mul", e, f)]
    assert [len(p) for p in cut(body, 16)] == [7]
    monkeypatch.setattr(ir_cut, "LARGEST", 8)
    assert [len(p) for p in cut(body, 16)] == [5, 2]


def test_parts_that_wait_read_few_given_values(monkeypatch):
    """A chain of eight products, each by a number of its own that needs a register."""
    given, turned = ([local(f"{stem}{k}") for k in range(8)] for stem in "pv")
    body = [store(turned[0], "sin", given[0])]
    body += [store(turned[k], "mul", turned[k - 1], given[k]) for k in range(1, 8)]
    monkeypatch.setattr(ir_cut, "LARGEST", 400)
    assert [len(p) for p in cut(body, 32)] == [8]
    monkeypatch.setattr(ir_cut, "STEADY", 4)
    assert [len(p) for p in cut(body, 32)] == [4, 4]
    monkeypatch.setattr(ir_cut, "FEW", 0)  # nothing waits
    assert [len(p) for p in cut(body, 32)] == [8]


def test_parts_have_few_sums(monkeypatch):
    """LLVM's time for a part grows with the square of its sums."""
    a, *sums = (local(str(k)) for k in range(12))
    body = [store(a, "sin", 1.0)]
    body += [Update(x, (), "add", load(a)) for x in sums]
    assert [len(p) for p in cut(body, 16)] == [12]
    monkeypatch.setattr(ir_cut, "SUMS", 4)
    assert [len(p) for p in cut(body, 16)] == [5, 4, 3]
