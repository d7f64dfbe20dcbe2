"""What folding more into matrix products would save: updates and activations, weights in panels.

    taskset -c 1 python -m tests.bench.folding [--rounds 40]

Each row is a product of the network 784-512-256-10, batch 32, or of another layer, float32, and
what follows it: of the whole result, and in pieces of it, in turn.

    update       Adam's or momentum's after the whole gradient, or after each few rows of it, while
                 caches hold them; `taken` says how many rows kernels take (lower/folding.py)
    activation   bias and sigmoid of the whole result, as kernels do it, or of each few columns
    panels       weights row by row, as kernels do it, or as if they lay in memory in strips that
                 tiles like
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import itertools
import math
import statistics
import time
from functools import partial

import numba as nb
import numpy as np
from rich.console import Console
from rich.table import Table

from symgrad.generate.cpu import FASTMATH
from symgrad.generate.micro_kernels import matrix_product
from symgrad.generate.micro_machine import host
from symgrad.generate.native import maximum, pointer, square
from symgrad.generate.vector_math import exp
from symgrad.lower.folding import pays, rows_at_a_time
from tests.bench.matrix_products import aligned

jit = nb.njit(fastmath=set(FASTMATH), error_model="numpy")
ONE, ZERO, SMALL, MOST = map(np.float32, (1, 0, 1e-6, 0.9))
# samples, inputs, outputs
LAYERS = (
    (32, 784, 512), (32, 512, 256), (8, 2048, 2048), (128, 256, 256), (256, 1024, 1024),
)  # fmt: skip


def adam(samples, inputs, outputs, rows):
    """dW (outputs, inputs) = z' x, then W, m and v."""
    product = matrix_product(
        "float32", 1, 0, rows, inputs, samples, outputs, inputs, inputs, beta=0
    )  # fmt: skip

    @jit
    def run(z, x, gradient, weights, first, second):
        g, w, m, v = pointer(gradient), pointer(weights), pointer(first), pointer(second)
        for top in range(0, outputs, rows):
            product(0, ONE, z, top, x, 0, ZERO, gradient, 0)
            for i in range(rows):
                for j in range(inputs):
                    k = (top + i) * inputs + j
                    m[k] = SMALL * g[i * inputs + j] + MOST * m[k]
                    v[k] = SMALL * square(g[i * inputs + j]) + MOST * v[k]
                    w[k] -= SMALL * m[k] / (math.sqrt(v[k]) + SMALL)

    sizes = samples * outputs, samples * inputs, rows * inputs, *[outputs * inputs] * 3
    return run, sizes


def momentum(samples, inputs, outputs, rows):
    """m = z' x + 0.9 m, then W."""
    product = matrix_product("float32", 1, 0, rows, inputs, samples, outputs, inputs, inputs)

    @jit
    def run(z, x, weights, first):
        w, m = pointer(weights), pointer(first)
        for top in range(0, outputs, rows):
            product(0, ONE, z, top, x, 0, MOST, first, top * inputs)
            for i in range(rows):
                for j in range(inputs):
                    w[(top + i) * inputs + j] -= SMALL * m[(top + i) * inputs + j]

    return run, (samples * outputs, samples * inputs, outputs * inputs, outputs * inputs)


def activation(samples, inputs, outputs, columns, *, sigmoid):
    """h = sigmoid(x W + b), or relu."""
    product = matrix_product(
        "float32", 0, 0, samples, columns, inputs, inputs, outputs, outputs, beta=0
    )  # fmt: skip

    @jit
    def run(x, weights, bias, result):
        b, h = pointer(bias), pointer(result)
        for left in range(0, outputs, columns):
            product(0, ONE, x, 0, weights, left, ZERO, result, left)
            for i in range(samples):
                for j in range(left, left + columns):
                    z = h[i * outputs + j] + b[j]
                    h[i * outputs + j] = ONE / (ONE + exp(-z)) if sigmoid else maximum(ZERO, z)

    return run, (samples * inputs, inputs * outputs, outputs, samples * outputs)


def panels(samples, inputs, outputs, width, *, forward):
    """x W, or W + x' z, with W in strips of so many columns."""
    whole = width == outputs
    rows = (samples, width, inputs) if forward else (inputs, width, samples)
    steps = (inputs, width, outputs) if forward else (inputs, outputs, width)
    product = matrix_product("float32", int(not forward), 0, *rows, *steps, beta=int(not forward))

    @jit
    def run(x, weights, z):
        for left in range(0, outputs, width):
            at = left if whole else left * inputs
            if forward:
                product(0, ONE, x, 0, weights, at, ZERO, z, left)
            else:
                product(0, SMALL, x, 0, z, left, ONE, weights, at)

    return run, (samples * inputs, inputs * outputs, samples * outputs)


# what, how, and rows or columns of the pieces
WAYS = (
    ("update, Adam", adam, (8, 16, 32, 64)),
    ("update, momentum", momentum, (8, 16, 32, 64)),
    ("activation, relu", partial(activation, sigmoid=False), (32, 64, 128)),
    ("activation, sigmoid", partial(activation, sigmoid=True), (32, 64, 128)),
    ("panels, forward", partial(panels, forward=True), (16, 32, 64)),
    ("panels, update", partial(panels, forward=False), (16, 32, 64)),
)


def measured(make, layer, pieces, rounds):
    """Piece -> seconds of each round; the whole is the first piece."""
    rng = np.random.default_rng(0)
    found = {}
    for piece in (layer[2], *pieces):
        run, sizes = make(*layer, piece)
        arrays = [np.abs(aligned(rng, n, np.float32)) for n in sizes]
        run(*arrays)
        found[piece] = run, arrays, []
    for _, (run, arrays, times) in itertools.product(range(rounds), found.values()):
        start = time.perf_counter()
        run(*arrays)
        times.append(time.perf_counter() - start)
    return {piece: times for piece, (_, _, times) in found.items()}


def taken(what, samples, inputs, outputs):
    """How many rows of a gradient kernels make before they update these."""
    added = what.endswith("momentum")
    core = host().processor
    folded = what.startswith("update") and pays(outputs, inputs, samples, "float32", core, added)
    return str(rows_at_a_time(outputs)) if folded else "whole"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    columns = "what", "layer, batch", "whole, us", "pieces of", "folded, us", "of whole", "taken"
    table = Table(*columns)
    for (what, make, pieces), layer in itertools.product(WAYS, LAYERS):
        found = measured(make, layer, pieces, rounds)
        now, *others = (statistics.median(t) for t in found.values())
        best = min(others)
        samples, inputs, outputs = layer
        table.add_row(
            what,
            f"{inputs}-{outputs}, {samples}",
            f"{now * 1e6:.1f}",
            str(pieces[others.index(best)]),
            f"{best * 1e6:.1f}",
            f"{best / now:.2f}",
            taken(what, *layer),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
