"""Fully connected networks: the same training by us, by torch and by JAX, from equal numbers."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.bench.workload import Run

MOMENTUM, ADAM = 0.9, {"lr": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8}


@dataclass(frozen=True)
class Network:
    """Layers with one activation, none behind the last; float32.

    samples:    of one epoch, which are worked off in order, `batch` at a time
    labelled:   the targets are classes and the loss is cross-entropy; else squares, summed
    biased:     layers add a bias
    optimizer:  "sgd", "momentum" or "adam"
    epochs:     of one run
    """

    sizes: tuple[int, ...]
    batch: int
    samples: int
    activation: str
    labelled: bool = False
    biased: bool = True
    optimizer: str = "sgd"
    rate: float = 1e-3
    epochs: int = 1

    @property
    def steps(self) -> int:
        return self.epochs * (self.samples // self.batch)

    @property
    def flops(self) -> int:
        """Additions and multiplications of a step's products: nothing is faster than they are."""
        pairs = list(itertools.pairwise(self.sizes))
        return 2 * self.batch * (3 * sum(m * n for m, n in pairs) - pairs[0][0] * pairs[0][1])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.samples, self.sizes[0]), dtype=np.float32)
        if self.labelled:
            return x, rng.integers(0, self.sizes[-1], self.samples)
        return x, rng.standard_normal((self.samples, self.sizes[-1]), dtype=np.float32)

    def weights(self) -> list[list[np.ndarray]]:
        """(out, in) and, with biases, (out,), for every layer."""
        rng = np.random.default_rng(1)
        layers = []
        for m, n in itertools.pairwise(self.sizes):
            W = rng.standard_normal((n, m), dtype=np.float32) / np.float32(m) ** 0.5
            layers.append([W, np.zeros(n, "f4")] if self.biased else [W])
        return layers


def peers(network: Network) -> dict[str, Callable[[int], Run]]:
    """Everybody who trains it."""
    return {
        "symgrad": lambda cores: symgrad_fit(network),
        "torch eager": lambda cores: torch_fit(network, cores),
        "torch.compile": lambda cores: torch_fit(network, cores, compiled=True),
        "JAX scan": lambda cores: jax_scan(network),
        "JAX per step": lambda cores: jax_steps(network),
    }


# ---- ours


def symgrad_model(net: Network):
    import sympy as sp

    import symgrad as sg

    h = x = sg.data("x", shape=net.sizes[0])
    y = sg.data("y", dtype=int) if net.labelled else sg.data("y", shape=net.sizes[-1])
    activation = {"relu": sg.relu, "sigmoid": sg.sigmoid, "tanh": sp.tanh}[net.activation]
    for k, layer in enumerate(net.weights(), start=1):
        W, *b = (sg.parameter(f"p{k}_{i}", shape=p.shape, init=p) for i, p in enumerate(layer))
        z = sg.let(f"z{k}", W @ (x if k == 1 else h) + sum(b))
        h = sg.let(f"h{k}", activation(z))
    loss = sg.cross_entropy(z, y) if net.labelled else sg.sum((z - y) ** 2)
    return sg.compile(loss, optimizer=symgrad_optimizer(net))


def symgrad_optimizer(net: Network):
    import sympy as sp

    import symgrad as sg

    def adam(p, g, m, v, lr, b1, b2, eps):
        m, v, t = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2, sg.step + 1
        return p - lr * (m / (1 - b1**t)) / (sp.sqrt(v / (1 - b2**t)) + eps), m, v

    if net.optimizer == "adam":
        return sg.Rule(adam, ADAM, {"m": 0, "v": 0}, name="adam")
    return sg.SGD(lr=net.rate, momentum=MOMENTUM if net.optimizer == "momentum" else 0)


def symgrad_fit(net: Network) -> Run:
    model = symgrad_model(net)
    data = dict(zip("xy", net.data(), strict=True))

    def run() -> int:
        model.fit(data, epochs=net.epochs, batch_size=net.batch, shuffle=False, progress=False)
        return net.steps

    return run


# ---- torch


def torch_fit(net: Network, cores: int, compiled: bool = False) -> Run:
    """With a fused optimiser; the loss and its gradient as torch.compile makes them, or eager."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(cores)
    X, y = map(torch.from_numpy, net.data())
    layers = [[torch.from_numpy(p).requires_grad_() for p in layer] for layer in net.weights()]
    parameters = [p for layer in layers for p in layer]
    activation = getattr(torch, net.activation)
    if net.optimizer == "adam":
        optimizer = torch.optim.Adam(parameters, lr=ADAM["lr"], fused=True)
    else:
        momentum = MOMENTUM if net.optimizer == "momentum" else 0
        optimizer = torch.optim.SGD(parameters, lr=net.rate, momentum=momentum, fused=True)

    def loss(x, target) -> torch.Tensor:
        for layer in layers[:-1]:
            x = activation(F.linear(x, *layer))
        z = F.linear(x, *layers[-1])
        return F.cross_entropy(z, target) if net.labelled else ((z - target) ** 2).sum(1).mean()

    if compiled:
        loss = torch.compile(loss)

    def step(x, target) -> None:
        optimizer.zero_grad()
        loss(x, target).backward()
        optimizer.step()

    def run() -> int:
        for _ in range(net.epochs):
            for pair in zip(X.split(net.batch), y.split(net.batch), strict=True):
                step(*pair)
        return net.steps

    return run


# ---- JAX


def jax_parts(net: Network):
    """Data in mini-batches, first state, and one step in JAX."""
    import jax
    import jax.numpy as jnp

    X, y = net.data()
    X = jnp.asarray(X.reshape(-1, net.batch, net.sizes[0]))
    y = jnp.asarray(y.reshape(X.shape[0], net.batch, *y.shape[1:]))
    layers = [[jnp.asarray(W.T), *map(jnp.asarray, b)] for W, *b in net.weights()]
    zeros = [jax.tree.map(jnp.zeros_like, layers) for _ in range(2)]
    activation = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}[net.activation]

    def loss(layers, x, target):
        for W, *b in layers[:-1]:
            x = activation(x @ W + sum(b))
        W, *b = layers[-1]
        z = x @ W + sum(b)
        if net.labelled:
            return -jnp.take_along_axis(jax.nn.log_softmax(z), target[:, None], 1).mean()
        return ((z - target) ** 2).sum(1).mean()

    update = {"sgd": jax_sgd, "momentum": jax_momentum, "adam": jax_adam}[net.optimizer]

    def step(state, pair):
        p, *more, t = state
        g = jax.grad(loss)(p, *pair)
        return (*update(jax.tree.map, net.rate, p, g, *more, t), t + 1)

    return (X, y), (layers, *zeros, jnp.float32(0)), step


def jax_sgd(each, rate, p, g, m, v, t):
    return each(lambda p, g: p - rate * g, p, g), m, v


def jax_momentum(each, rate, p, g, m, v, t):
    m = each(lambda m, g: MOMENTUM * m + g, m, g)
    return each(lambda p, m: p - rate * m, p, m), m, v


def jax_adam(each, rate, p, g, m, v, t):
    import jax.numpy as jnp

    lr, b1, b2, eps = ADAM.values()
    m = each(lambda m, g: b1 * m + (1 - b1) * g, m, g)
    v = each(lambda v, g: b2 * v + (1 - b2) * g**2, v, g)
    first, second = 1 - b1 ** (t + 1), 1 - b2 ** (t + 1)
    new = lambda p, m, v: p - lr * (m / first) / (jnp.sqrt(v / second) + eps)  # noqa: E731
    return each(new, p, m, v), m, v


def jax_scan(net: Network) -> Run:
    import jax

    pairs, state, step = jax_parts(net)

    def epoch(state, pairs):
        return jax.lax.scan(lambda s, pair: (step(s, pair), None), state, pairs)[0]

    def whole(state, pairs):
        if net.epochs == 1:
            return epoch(state, pairs)
        return jax.lax.fori_loop(0, net.epochs, lambda _, s: epoch(s, pairs), state)

    trained = jax.jit(whole, donate_argnums=0)

    def run() -> int:
        nonlocal state
        state = jax.block_until_ready(trained(state, pairs))
        return net.steps

    return run


def jax_steps(net: Network) -> Run:
    import jax

    (X, y), state, step = jax_parts(net)
    step = jax.jit(step, donate_argnums=0)
    pairs = list(zip(X, y, strict=True))

    def run() -> int:
        nonlocal state
        for _ in range(net.epochs):
            for pair in pairs:
                state = step(state, pair)
        jax.block_until_ready(state)
        return net.steps

    return run
