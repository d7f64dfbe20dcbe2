"""The numbers that `sg.random` draws in a fuzzed program: the reference target's, torch's data."""

from __future__ import annotations

import numpy as np

from symgrad.calculus.capture import capture
from symgrad.calculus.draws import drawn, seed_word
from symgrad.calculus.reference import evaluate
from symgrad.language import symbols
from symgrad.train.memory import constants
from tests.fuzz import as_symgrad
from tests.fuzz.programs import Input

SOURCES = {symbols.seed: seed_word(0), symbols.step: np.zeros((), np.int64)}  # of a first step


def values(x: Input, samples: int) -> np.ndarray:
    """What the first step of a model draws for a random input: (samples, *shape)."""
    block = drawn(capture({"drawn": as_symgrad.symbol(x)}), "float64")
    fixed = [s for s in block.inputs if getattr(s, "role", "") == "constant"]
    arrays = SOURCES | constants(fixed, np.dtype(np.float64))
    return np.array(evaluate(block, arrays, n=samples)[block.outputs["drawn"]])
