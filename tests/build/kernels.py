"""A small kernel written by hand, as the generator would write it."""

import numpy as np

from symgrad.generate.source import Source
from symgrad.language.symbols import data, hyper, parameter
from symgrad.lower.kernel import Buffer

TEXT = '''
import math
import numba as nb
from symgrad.build.blas import gemm
from symgrad.generate.native import minimum

@nb.njit(fastmath={"contract", "reassoc"}, error_model="numpy")
def run(
    order, ordered, recorded, first, last, epoch, every, pending,
    x, w, rate, z, loss, each, positive, sums,
):
    """w += rate * sum of tanh(x @ w); loses 1e3 as an index beyond the end."""
    k = 0
    at = first
    while at < last:
        n = minimum(BATCH, minimum(last - at, epoch - at % epoch))
        total = 0.0
        for b in range(n):
            s = order[at + b] if ordered else (at + b) % epoch
            gemm(0, 0, 1, 1, 3, 1.0, x, s * 3, 3, w, 0, 1, 0.0, z, b, 1)
            if z[b] > 1e3:
                return -1
            total += math.tanh(z[b])
            if recorded:
                each[at - first + b] = z[b]
                positive[at - first + b] = z[b] > 0
        for i in range(3):
            w[i] += rate[0] * total
        if recorded:
            loss[k] = total
            sums[0] = total
        k += 1
        at += n
        pending = (pending + 1) % every
    return pending
'''


class Example:
    """Its symbols, its source, arrays for it, and what it computes, by NumPy."""

    def __init__(self, dtype: str = "float64", batch_size: int = 4) -> None:
        self.x, self.w, self.rate = data("x", 3), parameter("w", 3), hyper("rate", 0.1)
        buffers = (
            Buffer("data", "x", (3,), dtype, self.x),
            Buffer("parameter", "w", (3,), dtype, self.w),
            Buffer("hyper", "rate", (), "float64", self.rate),
            Buffer("scratch", "z", (batch_size,), dtype),
            Buffer("output", "loss", (), "float64"),
            Buffer("output", "each", (batch_size,), dtype, per_sample=True),
            Buffer("output", "positive", (batch_size,), "int8", per_sample=True),
            Buffer("output", "sums", (1,), "float64"),
        )
        text = TEXT.replace("BATCH", str(batch_size))
        modules = ("symgrad.build.blas",)
        self.source = Source(text, "run", buffers, modules, dtype, batch_size)

    def arrays(self, rng: np.random.Generator, samples: int = 10) -> dict:
        dtype = self.source.dtype
        return {
            self.x: rng.standard_normal((samples, 3)).astype(dtype),
            self.w: rng.standard_normal(3).astype(dtype),
            self.rate: np.array(0.1),
        }

    def expected(self, arrays: dict, rows: np.ndarray) -> tuple[np.ndarray, list, list]:
        """Weights after the mini-batches of these samples, their losses, and x @ w of each."""
        w, losses, each = arrays[self.w].copy(), [], []
        for start in range(0, len(rows), self.source.batch_size):
            z = arrays[self.x][rows[start : start + self.source.batch_size]] @ w
            losses.append(np.tanh(z).sum())
            each.extend(z)
            w = (w + 0.1 * losses[-1]).astype(w.dtype)
        return w, losses, each
