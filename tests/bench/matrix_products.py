"""Matrix products of known shapes beside BLAS and beside the cost model's estimates.

    taskset -c 1 python -m tests.bench.matrix_products [--dtype float64] [--rounds 9] [name ...]

One thread.  Products run in turn; times are the thread's own (others on the machine do not count),
medians over the rounds.  The peak is that of multiply-adds on registers, measured in every round;
the model's times are for the clock that this peak says.  A row is a shape, the model's choice, and
what both ways take; the last line says how often the choice was the faster way.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
import time

import numba as nb
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from symgrad.build.blas import gemm
from symgrad.generate.micro_choice import choose
from symgrad.generate.micro_kernels import NUMBA, micro_kernel
from symgrad.generate.micro_machine import asked, host
from symgrad.generate.micro_plan import Shape
from symgrad.generate.micro_vectors import I32, ITEM_BYTES, Vectors, fold

# name: (ta, tb, m, n, k, beta)
PRODUCTS = {
    "784-512 forward": (0, 0, 32, 512, 784, 0),
    "784-512 update": (1, 0, 784, 512, 32, 1),
    "784-512 backward": (0, 1, 32, 784, 512, 0),
    "512-256 forward": (0, 0, 32, 256, 512, 0),
    "512-256 update": (1, 0, 512, 256, 32, 1),
    "512-256 backward": (0, 1, 32, 512, 256, 0),
    "256-10 forward": (0, 0, 32, 10, 256, 0),
    "256-10 update": (1, 0, 256, 10, 32, 1),
    "256-10 backward": (0, 1, 32, 256, 10, 0),
    "1000-100 forward": (0, 0, 64, 100, 1000, 0),
    "1000-100 update": (1, 0, 1000, 100, 64, 1),
    "100-10 forward": (0, 0, 64, 10, 100, 0),
    "100-10 update": (1, 0, 100, 10, 64, 1),
    "100-10 backward": (0, 1, 64, 100, 10, 0),
    "2-32 forward": (0, 0, 16, 32, 2, 0),
    "2-32 update": (1, 0, 2, 32, 16, 1),
    "32-32 forward": (0, 0, 16, 32, 32, 0),
    "32-32 update": (1, 0, 32, 32, 16, 1),
    "32-32 backward": (0, 1, 16, 32, 32, 0),
    "4-32 of 10000": (0, 0, 10000, 32, 4, 0),
    "32-16 of 10000": (0, 0, 10000, 16, 32, 0),
    "16-4 of 10000": (0, 0, 10000, 4, 16, 0),
    "32-16 of 10000 backward": (0, 1, 10000, 32, 16, 0),
    "16-4 of 10000 backward": (0, 1, 10000, 16, 4, 0),
    "4-32 of 10000 update": (1, 0, 4, 32, 10000, 1),
    "32-16 of 10000 update": (1, 0, 32, 16, 10000, 1),
    "16-4 of 10000 update": (1, 0, 16, 4, 10000, 1),
    "both transposed": (1, 1, 96, 80, 64, 0),
    "128": (0, 0, 128, 128, 128, 0),
    "256": (0, 0, 256, 256, 256, 0),
    "512": (0, 0, 512, 512, 512, 0),
    "512 backward": (0, 1, 512, 512, 512, 0),
    "512 update": (1, 0, 512, 512, 512, 1),
    "1024-1024 forward": (0, 0, 256, 1024, 1024, 0),
    "1024-1024 backward": (0, 1, 256, 1024, 1024, 0),
    "1024-1024 update": (1, 0, 1024, 1024, 256, 1),
    "1024": (0, 0, 1024, 1024, 1024, 0),
}
AIM = 2e-3  # seconds of work between two looks at the clock
CLOSE = 1.05  # ways whose times differ by less are as fast as each other


def shaped(dtype, ta, tb, m, n, k, beta):
    return Shape(dtype, ta, tb, m, n, k, m if ta else k, k if tb else n, n, beta=beta)


def by_kernel(shape, plan):
    product = micro_kernel(shape, plan)

    @nb.njit
    def run(times, alpha, a, b, beta, c):
        for _ in range(times):
            product(0, alpha, a, 0, b, 0, beta, c, 0)

    return run


def by_blas(shape):
    ta, tb, m, n, k = shape.ta, shape.tb, shape.m, shape.n, shape.k
    lda, ldb, ldc = shape.lda, shape.ldb, shape.ldc

    @nb.njit
    def run(times, alpha, a, b, beta, c):
        for _ in range(times):
            gemm(ta, tb, m, n, k, alpha, a, 0, lda, b, 0, ldb, beta, c, 0, ldc)

    return run


def aligned(rng, size, dtype):
    """Random numbers that begin at a cache line, as the executable's buffers do."""
    room = np.empty(size + 64, dtype)
    start = -room.ctypes.data % 64 // room.itemsize
    values = room[start : start + size]
    values[:] = rng.standard_normal(size) * 0.1
    return values


def multiply_adds(dtype):
    """run(times): independent chains of multiply-adds on registers; flops of one time."""
    lanes = host().lanes(ITEM_BYTES[dtype])
    chains, number = min(host().registers * 3 // 4, 16), NUMBA[dtype]

    @intrinsic
    def chain(typing, times):
        def code(context, builder, signature, values):
            v = Vectors(builder, dtype, lanes)
            x, y = v.splat(builder.sitofp(values[0], v.type.element)), v.number(0.5)

            def body(i, *sums):
                return [v.fma(s, y, x) for s in sums]

            starts = [v.number(float(i)) for i in range(chains)]
            sums = fold(builder, values[0], body, starts)
            total = sums[0]
            for s in sums[1:]:
                total = builder.fadd(total, s)
            return context.cast(
                builder, builder.extract_element(total, I32(0)), number, types.float64
            )

        return types.float64(types.int64), code

    @nb.njit
    def run(times):
        return chain(times)

    return run, 2 * chains * lanes


def clocked(run):
    start = time.thread_time()
    run()
    return time.thread_time() - start


def measure(contenders, rounds):
    """Median seconds of one call of each of run(times), in turn."""
    repeats = {}
    for name, run in contenders.items():
        run(1)
        repeats[name] = max(1, int(AIM / max(clocked(lambda run=run: run(1)), 1e-7)))
        once = clocked(lambda run=run, n=repeats[name]: run(n)) / repeats[name]
        repeats[name] = max(1, int(AIM / once))
    seconds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            taken = clocked(lambda run=run, n=repeats[name]: run(n))
            seconds[name].append(taken / repeats[name])
    return {name: statistics.median(s) for name, s in seconds.items()}


def row(name, dtype, rounds, peak):
    """Print what one product takes; how much longer than the other way the chosen one takes."""
    shape = shaped(dtype, *PRODUCTS[name])
    choice = choose(shape, asked(host()))
    rng = np.random.default_rng(0)
    a, b, c = (aligned(rng, s, dtype) for s in (shape.m * shape.k, shape.k * shape.n,
                                                shape.m * shape.n))  # fmt: skip
    alpha, beta = np.dtype(dtype).type(1e-3), np.dtype(dtype).type(shape.beta or 0)
    kernels = {"ours": by_kernel(shape, choice.plan), "BLAS": by_blas(shape)}
    contenders = {
        key: (lambda n, run=run: run(n, alpha, a, b, beta, c)) for key, run in kernels.items()
    }
    flops = peak[1]
    found = measure(contenders | {"peak": lambda n: peak[0](1000 * n)}, rounds)
    rate = 1000 * flops / found["peak"]
    limit = 2 * shape.work / rate
    clock = rate / 2e9 / host().peak(ITEM_BYTES[dtype]) / host().gigahertz
    ours, theirs = found["ours"], found["BLAS"]
    print(
        f"{name:24} {shape.m:6}{shape.n:5}{shape.k:6} {ours * 1e6:10.2f} {limit / ours:6.1%} "
        f"{theirs * 1e6:10.2f} {limit / theirs:6.1%} {theirs / ours:6.2f} "
        f"{choice.seconds / clock / ours:8.2f} {choice.blas_seconds / clock / theirs:6.2f}  "
        f"{'BLAS' if choice.library else choice.plan}",
        flush=True,
    )
    return theirs / ours if choice.library else ours / theirs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PRODUCTS))
    parser.add_argument("--dtype", default="float32", choices=list(ITEM_BYTES))
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    print(asked(host()))
    print(
        f"{'':24} {'m':>6}{'n':>5}{'k':>6} {'ours us':>10} {'peak':>6} {'BLAS us':>10} {'peak':>6} "
        f"{'BLAS/ours':>6} model/ours /BLAS  plan"
    )
    peak = multiply_adds(given.dtype)
    found = {name: row(name, given.dtype, given.rounds, peak) for name in given.names}
    wrong = [f"{name} ({ratio:.2f}x)" for name, ratio in found.items() if ratio > CLOSE]
    print(
        f"the faster way was chosen for {len(found) - len(wrong)} of {len(found)} products", *wrong
    )


if __name__ == "__main__":
    main()
