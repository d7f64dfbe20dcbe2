"""Logistic regression by one-sample steps in shuffled order, over dense rows and CSR rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.bench.workload import Run, Workload, of_size

RATE = 0.01
PARSED = 50_000  # examples of Vowpal Wabbit: 65 MB, whose weights still have all columns


@dataclass(frozen=True)
class Size:
    """Samples, columns, and in how many of them a sample has a value (all where `filled` is 0)."""

    samples: int
    columns: int
    filled: int
    dtype: str

    def data(self) -> tuple[Any, np.ndarray]:
        """X and labels 0 or 1; of a sparse X the columns of each row rise, as in real data."""
        rng = np.random.default_rng(0)
        label = rng.integers(0, 2, self.samples)
        shape = (self.samples, self.filled or self.columns)
        values = rng.normal(size=shape).astype(self.dtype)
        if not self.filled:
            return values, label
        from scipy.sparse import csr_array

        width = self.columns // self.filled
        columns = rng.integers(0, width, shape, np.int32) + np.arange(0, width * self.filled, width,
                                                                      np.int32)  # fmt: skip
        offsets = np.arange(0, values.size + 1, self.filled, np.int32)
        X = csr_array(
            (values.ravel(), columns.ravel(), offsets), shape=(self.samples, self.columns)
        )
        return X, label


def symgrad_fit(size: Size, cores: int) -> Run:
    import symgrad as sg

    x = sg.data("x", shape=size.columns, sparse=size.filled > 0)
    w, b = sg.parameter("w", shape=size.columns), sg.parameter("b")
    loss = sg.binary_cross_entropy_with_logits(w @ x + b, sg.data("label"))
    model = sg.compile(loss, optimizer=sg.SGD(lr=RATE), dtype=size.dtype)
    X, label = size.data()
    data = {"x": X, "label": label.astype(size.dtype)}

    def run() -> int:
        model.fit(data, epochs=1, batch_size=1, progress=False)
        return size.samples

    return run


def sgd_classifier(size: Size, cores: int) -> Run:
    """scikit-learn; it shuffles the order, too.  `partial_fit` is one epoch over the samples."""
    from sklearn.linear_model import SGDClassifier

    X, label = size.data()
    model = SGDClassifier("log_loss", alpha=0, learning_rate="constant", eta0=RATE)

    def run() -> int:
        model.partial_fit(X, label, classes=[0, 1])
        return size.samples

    return run


def vowpal_wabbit(size: Size, cores: int) -> Run:
    """Vowpal Wabbit on examples that it has parsed already, the first PARSED of them: plain SGD
    like everybody's, a random order, float32 as always there."""
    from vowpalwabbit import LabelType, Workspace

    options = f"--sgd --power_t 0 -l {RATE} --loss_function logistic --quiet"
    model = Workspace(f"{options} -b {(size.columns - 1).bit_length()}")
    X, label = size.data()
    parsed = []
    for values, columns, one in zip(
        *(np.split(a[: PARSED * size.filled], PARSED) for a in (X.data, X.indices)),
        label, strict=False,
    ):  # fmt: skip
        example = model.example({"x": list(zip(columns.tolist(), values.tolist(), strict=True))},
                                labelType=LabelType.SIMPLE)  # fmt: skip
        example.set_label_string("1" if one else "-1")
        parsed.append(example)
    rng = np.random.default_rng(0)

    def run() -> int:
        for s in rng.permutation(PARSED).tolist():
            model.learn(parsed[s])
        return PARSED

    return run


def numba_dense(size: Size, cores: int) -> Run:
    """What a user would write by hand."""
    from numba import njit

    @njit(fastmath={"contract", "reassoc", "arcp", "nsz"})
    def descend(order, X, label, w, b, rate):
        for s in order:
            z = b
            for k in range(X.shape[1]):
                z += w[k] * X[s, k]
            g = rate * (label[s] - 1 / (1 + np.exp(-z)))
            b += g
            for k in range(X.shape[1]):
                w[k] += g * X[s, k]
        return b

    return _by_hand(size, descend, lambda X: (X,))


def numba_sparse(size: Size, cores: int) -> Run:
    """The same over the rows of a CSR matrix."""
    from numba import njit

    @njit(fastmath={"contract", "reassoc", "arcp", "nsz"})
    def descend(order, values, columns, offsets, label, w, b, rate):
        for s in order:
            z = b
            for k in range(offsets[s], offsets[s + 1]):
                z += w[columns[k]] * values[k]
            g = rate * (label[s] - 1 / (1 + np.exp(-z)))
            b += g
            for k in range(offsets[s], offsets[s + 1]):
                w[columns[k]] += g * values[k]
        return b

    return _by_hand(size, descend, lambda X: (X.data, X.indices, X.indptr))


def _by_hand(size: Size, descend: Callable, parts: Callable) -> Run:
    number = np.dtype(size.dtype).type
    X, label = size.data()
    label, w = label.astype(size.dtype), np.zeros(size.columns, size.dtype)
    rng = np.random.default_rng(0)
    b = [number(0)]

    def run() -> int:
        order = rng.permutation(size.samples)
        b[0] = number(descend(order, *parts(X), label, w, b[0], number(RATE)))
        return size.samples

    return run


def _row(size: Size, by_hand: Callable[[Size, int], Run], aim: str) -> Workload:
    what = f"CSR, {size.filled} non-zeros a row" if size.filled else "dense"
    return Workload(
        title=f"logistic regression, {size.samples:,} x {size.columns:,} {what}, one sample a "
              f"step, shuffled, {size.dtype}",
        unit="sample", scale="ns", cores=(1,), aim=aim,
        peers=of_size({
            "symgrad": symgrad_fit, "by hand, numba": by_hand,
            "scikit-learn SGDClassifier": sgd_classifier,
            **({"Vowpal Wabbit, parsed": vowpal_wabbit} if size.filled else {}),
        }, size),
    )  # fmt: skip


ROWS = {
    **{
        f"logistic_dense_{dtype}": _row(
            Size(200_000, 30, 0, dtype), numba_dense, "0.6x of scikit-learn's time"
        )
        for dtype in ("float32", "float64")
    },
    **{
        f"logistic_csr_{dtype}": _row(
            Size(1_000_000, 2**20, 40, dtype), numba_sparse, "0.8x of the better one's time"
        )
        for dtype in ("float32", "float64")
    },
}
