"""Demo 5's epoch: 784-512-256-10 with sigmoid, batch 32, SGD with momentum, shuffled."""

import functools
import itertools
import sys
from pathlib import Path

import numpy as np

from tests.bench.workload import Run, Workload

SIZES, BATCH, RATE, MOMENTUM = (784, 512, 256, 10), 32, 0.01, 0.5
DEMOS = Path(__file__).parents[3] / "demos"


@functools.cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """MNIST's training set where it is found, random pixels of its shape elsewhere."""
    sys.path.insert(0, str(DEMOS))
    import digits

    directory = digits.found_mnist()
    if directory:
        train = digits.idx_pair(directory, "train")
        return train["image"], train["label"]
    rng = np.random.default_rng(0)
    return rng.random((60_000, SIZES[0]), dtype=np.float32), rng.integers(0, SIZES[-1], 60_000)


def weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Equal initial weights for everybody, (out, in) and (out,), float32."""
    rng = np.random.default_rng(0)
    return [
        (rng.uniform(-1, 1, (n, m)).astype(np.float32) / np.float32(m) ** 0.5, np.zeros(n, "f4"))
        for m, n in itertools.pairwise(SIZES)
    ]


def orders():
    """A new order of the samples for every epoch, (mini-batches, 32)."""
    rng = np.random.default_rng(0)
    while True:
        yield rng.permutation(len(images()[0])).reshape(-1, BATCH)


def symgrad_fit(cores: int) -> Run:
    import symgrad as sg

    image, label = sg.data("image", shape=SIZES[0]), sg.data("label", dtype=int)
    h = image
    for k, (W, b) in enumerate(weights(), start=1):
        W = sg.parameter(f"W{k}", shape=W.shape, init=W)
        z = sg.let(f"z{k}", W @ h + sg.parameter(f"b{k}", shape=b.shape, init=b))
        h = sg.let(f"h{k}", sg.sigmoid(z))
    optimizer = sg.SGD(lr=RATE, momentum=MOMENTUM)
    model = sg.compile(sg.cross_entropy(z, label), optimizer=optimizer)
    data = dict(zip(("image", "label"), images(), strict=True))

    def run() -> int:
        model.fit(data, epochs=1, batch_size=BATCH, progress=False)
        return 1

    return run


def torch_eager(cores: int) -> Run:
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(cores)
    X, y = map(torch.from_numpy, images())
    parameters = [torch.from_numpy(p).requires_grad_() for layer in weights() for p in layer]
    W1, b1, W2, b2, W3, b3 = parameters
    optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, fused=True)
    epochs = orders()

    def run() -> int:
        for batch in torch.from_numpy(next(epochs)):
            h = torch.sigmoid(F.linear(X[batch], W1, b1))
            h = torch.sigmoid(F.linear(h, W2, b2))
            optimizer.zero_grad()
            F.cross_entropy(F.linear(h, W3, b3), y[batch]).backward()
            optimizer.step()
        return 1

    return run


def jax_parts():
    """Data, first state, and one step of the training in JAX."""
    import jax
    import jax.numpy as jnp

    X, y = jnp.asarray(images()[0]), jnp.asarray(images()[1], dtype=jnp.int32)
    parameters = jax.tree.map(jnp.asarray, weights())
    state = parameters, jax.tree.map(jnp.zeros_like, parameters)

    def loss(parameters, x, label):
        *hidden, (W, b) = parameters
        for V, c in hidden:
            x = jax.nn.sigmoid(x @ V.T + c)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(x @ W.T + b), label[:, None], 1)
        return -chosen.mean()

    def step(state, X, y, batch):
        p, v = state
        g = jax.grad(loss)(p, X[batch], y[batch])
        v = jax.tree.map(lambda v, g: MOMENTUM * v + g, v, g)
        return jax.tree.map(lambda p, v: p - RATE * v, p, v), v

    return X, y, state, step


def jax_scan(cores: int) -> Run:
    import jax

    X, y, state, step = jax_parts()

    def epoch(state, X, y, order):
        return jax.lax.scan(lambda s, batch: (step(s, X, y, batch), None), state, order)[0]

    epoch, epochs = jax.jit(epoch, donate_argnums=0), orders()

    def run() -> int:
        nonlocal state
        state = jax.block_until_ready(epoch(state, X, y, next(epochs)))
        return 1

    return run


def jax_steps(cores: int) -> Run:
    import jax

    X, y, state, step = jax_parts()
    step, epochs = jax.jit(step, donate_argnums=0), orders()

    def run() -> int:
        nonlocal state
        for batch in next(epochs):
            state = step(state, X, y, batch)
        jax.block_until_ready(state)
        return 1

    return run


EPOCH = Workload(
    title="MNIST 784-512-256-10, sigmoid, batch 32, momentum, float32",
    unit="epoch",
    scale="s",
    aim="faster than torch",
    peers={
        "symgrad": symgrad_fit,
        "torch eager, fused": torch_eager,
        "JAX scan": jax_scan,
        "JAX per step": jax_steps,
    },
)

ROWS = {"mnist": EPOCH}
