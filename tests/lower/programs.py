"""Running a program on the reference target and on lowered code, side by side."""

import itertools
import math

import numpy as np

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.calculus.program import Program
from symgrad.calculus.reference import Reference, evaluate
from symgrad.calculus.simplify import simplify
from symgrad.calculus.update import accumulate, apply_rule, update
from symgrad.generate.cpu import generate
from symgrad.lower.driver import lower
from symgrad.train.programs import STABLE
from tests.generate.interpreted import Interpreted

KINDS = {"int": "int64", "bool": "int8"}


class Snapshot(Reference):
    """The reference target on copies: an output that is a view of a parameter stays old."""

    def _step(self, block, arrays, rows, n, base=0):
        old = {s: a.copy() for s, a in arrays.items()}
        values = evaluate(block, old, rows, n, self.dtype, base=base)
        for symbol, name in block.writes.items():
            arrays[symbol][...] = values[name]
        return values


def initial(program, dtype, samples, rng, limits=None):
    """Arrays for every input; `limits` says below what integer data stay."""
    arrays = {}
    for block in program.blocks:
        for symbol, name in block.inputs.items():
            role = getattr(symbol, "role", "data" if name.per_sample else "parameter")
            if symbol in arrays or role == "batch_size":
                continue
            lead = (samples,) if name.per_sample else ()
            if role in ("hyper", "constant"):
                values = symbol.value
            elif role == "step":
                values = 0
            elif name.kind == "int":
                values = rng.integers(0, (limits or {}).get(symbol.name, 3), lead + name.shape)
            else:
                values = rng.uniform(-1, 1, lead + name.shape)
            kind = "float64" if role == "hyper" else dtype
            arrays[symbol] = np.array(values, "int64" if name.kind == "int" else kind)
    return arrays


def room(program: Program, dtype, samples, batch):
    """Arrays for every output."""
    found = {}
    for label, name in program.step.outputs.items():
        shape = tuple(s if isinstance(s, int) else batch for s in name.shape)
        if not name.per_sample and not shape:
            found[label] = np.full(math.ceil(samples / batch), np.nan)
        else:
            full = ((samples,) if name.per_sample else ()) + shape
            found[label] = np.zeros(full, KINDS.get(name.kind, dtype))
    return found


def agree(program, batch, rng, *, samples=7, dtype="float64", make=Interpreted, limits=None,
          every=1, ordered=True, tolerance=1e-9, values=None, lowered=lower):  # fmt: skip
    """Assert that lowered code gives what the reference target gives; return the code's text.

    lowered: makes the kernel, as `lower` does
    """
    program.check()
    order = rng.permutation(samples) if ordered else None
    start = initial(program, dtype, samples, rng, limits)
    start |= {s: np.array(a, dtype) for s, a in (values or {}).items()}
    source = generate(lowered(program, dtype, batch))
    found = []
    for target in (Snapshot(program, dtype, batch), make(source)):
        arrays = {s: a.copy() for s, a in start.items()}
        outputs = room(program, dtype, samples, batch)
        with np.errstate(all="ignore"):
            pending = target.run(arrays, order, 0, samples, every, 0, outputs)
        found.append((pending, arrays, outputs))
    (pending, arrays, outputs), (pending_, arrays_, outputs_) = found
    assert pending == pending_
    for known, new in ((arrays, arrays_), (outputs, outputs_)):
        for key, value in known.items():
            scale = max(np.abs(value[np.isfinite(value)]).max(initial=0), 1e-3)
            np.testing.assert_allclose(
                new[key], value, rtol=0, atol=tolerance * scale, err_msg=f"{key}\n{source.text}"
            )
    return source.text


def trained(loss, parameters, rule, *, accumulated=False, outputs=None):
    """A training step of E[loss] for the parameters."""
    block = capture({"loss": sg.expectation(loss), **(outputs or {})})
    block, gradients = derive(block, block.outputs["loss"], [block.inputs[p] for p in parameters])
    make = accumulate if accumulated else update
    program = make(
        block, dict(zip(parameters, gradients, strict=True)), apply_rule(rule, parameters)
    )
    return Program(*(simplify(b, STABLE) for b in program.blocks))


def network(widths, activation, rule, **options):
    """Dense layers with a cross-entropy; biases after every product."""
    x, label = sg.data("x", shape=widths[0]), sg.data("label", dtype=int)
    h, parameters = x, []
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        W = sg.parameter(f"W{i}", shape=(after, before), init="linear")
        b = sg.parameter(f"b{i}", shape=after)
        parameters += [W, b]
        h = W @ h + b if i == len(widths) - 2 else sg.let(f"h{i}", activation(W @ h + b))
    return trained(sg.cross_entropy(h, label), parameters, rule, **options)
