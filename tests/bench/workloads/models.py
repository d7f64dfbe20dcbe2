"""Models that are no plain networks: the same training by us and by JAX, from equal numbers.

A model is a loss in both languages, the shapes of its parameters and of a sample's data, and a
mini-batch.  SGD in float32, samples in order, a whole number of mini-batches an epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tests.bench.workload import Run, Workload

RATE = 1e-3
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Model:
    """symgrad, jax: the loss, of (module, parameters, data); symgrad's is a sample's, JAX's is the
    mini-batch's mean.  classes: data that are labels, and how many there are"""

    title: str
    parameters: Shapes
    data: Shapes
    batch: int
    steps: int
    symgrad: Callable[..., Any]
    jax: Callable[..., Any]
    classes: tuple[tuple[str, int], ...] = ()

    def weights(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(1)
        return {
            k: rng.standard_normal(s, np.float32) / np.float32(np.prod(s[-1:])) ** 0.5
            for k, s in self.parameters.items()
        }

    def samples(self) -> dict[str, np.ndarray]:
        rng, n, labels = np.random.default_rng(0), self.batch * self.steps, dict(self.classes)
        return {
            k: rng.integers(0, labels[k], (n, *s)) if k in labels
            else rng.standard_normal((n, *s), np.float32)
            for k, s in self.data.items()
        }  # fmt: skip


def symgrad_fit(model: Model, cores: int) -> Run:
    import symgrad as sg

    labels = dict(model.classes)
    parameters = {k: sg.parameter(k, shape=v.shape, init=v) for k, v in model.weights().items()}
    data = {
        k: sg.data(k, shape=s, dtype=int if k in labels else "float") for k, s in model.data.items()
    }
    compiled = sg.compile(model.symgrad(sg, parameters, data), optimizer=sg.SGD(lr=RATE))
    samples = model.samples()

    def run() -> int:
        compiled.fit(samples, epochs=1, batch_size=model.batch, shuffle=False, progress=False)
        return model.steps

    return run


def jax_scan(model: Model, cores: int) -> Run:
    import jax
    import jax.numpy as jnp

    data = {
        k: jnp.asarray(v.reshape(model.steps, model.batch, *v.shape[1:]))
        for k, v in model.samples().items()
    }
    slope = jax.value_and_grad(lambda p, d: model.jax(jax, p, d))

    def step(p: Any, d: Any) -> Any:
        loss, g = slope(p, d)
        return {k: p[k] - RATE * g[k] for k in p}, loss

    epoch = jax.jit(lambda p: jax.lax.scan(step, p, data))
    state = [jax.tree.map(jnp.asarray, model.weights())]

    def run() -> int:
        state[0], losses = epoch(state[0])
        losses.block_until_ready()
        return model.steps

    return run


# ---- the losses


def attention(sg: Any, p: Any, d: Any) -> Any:
    x = d["x"]
    q, k, v = x @ p["Q"], x @ p["K"], x @ p["V"]
    y = x + sg.softmax(q @ sg.transpose(k) / 32**0.5, axis=-1) @ v @ p["O"]
    return sg.mean((y + sg.relu(y @ p["U"]) @ p["W"] - d["t"]) ** 2)


def attention_jax(jax: Any, p: Any, d: Any) -> Any:
    x = d["x"]
    q, k, v = x @ p["Q"], x @ p["K"], x @ p["V"]
    y = x + jax.nn.softmax(q @ k.swapaxes(1, 2) / 32**0.5, axis=-1) @ v @ p["O"]
    return ((y + jax.nn.relu(y @ p["U"]) @ p["W"] - d["t"]) ** 2).mean()


def mixture(sg: Any, p: Any, d: Any) -> Any:
    import sympy as sp

    scaled = (d["x"] - p["mean"]) * sp.exp(p["scale"])
    parts = sg.log_softmax(p["weight"]) + sg.sum(p["scale"], axis=1) - sg.sum(scaled**2, axis=1) / 2
    return -sg.logsumexp(parts)


def mixture_jax(jax: Any, p: Any, d: Any) -> Any:
    scaled = (d["x"][:, None] - p["mean"]) * jax.numpy.exp(p["scale"])
    parts = jax.nn.log_softmax(p["weight"]) + p["scale"].sum(1) - (scaled**2).sum(2) / 2
    return -jax.nn.logsumexp(parts, axis=1).mean()


def bilinear(sg: Any, p: Any, d: Any) -> Any:
    return sg.cross_entropy(sg.einsum("i,kij,j->k", d["x"], p["T"], d["z"]) + p["b"], d["y"])


def bilinear_jax(jax: Any, p: Any, d: Any) -> Any:
    scores = jax.numpy.einsum("ni,kij,nj->nk", d["x"], p["T"], d["z"]) + p["b"]
    chosen = jax.numpy.take_along_axis(jax.nn.log_softmax(scores), d["y"][:, None], 1)
    return -chosen.mean()


def logistic(sg: Any, p: Any, d: Any) -> Any:
    return sg.softplus(-d["y"] * (p["w"] @ d["x"] + p["b"]))


def logistic_jax(jax: Any, p: Any, d: Any) -> Any:
    return jax.nn.softplus(-d["y"] * (d["x"] @ p["w"] + p["b"])).mean()


def recurrent(sg: Any, p: Any, d: Any) -> Any:
    import sympy as sp

    h = np.zeros(24)
    for x in d["x"]:
        z, r = (sg.sigmoid(p["W" + k] @ x + p["U" + k] @ h) for k in "zr")
        h = (1 - z) * h + z * sp.tanh(p["Wh"] @ x + p["Uh"] @ (r * h))
    return (p["w"] @ h - d["y"]) ** 2


def recurrent_jax(jax: Any, p: Any, d: Any) -> Any:
    h = jax.numpy.zeros((len(d["x"]), 24), "float32")
    for x in d["x"].swapaxes(0, 1):
        z, r = (jax.nn.sigmoid(x @ p["W" + k].T + h @ p["U" + k].T) for k in "zr")
        h = (1 - z) * h + z * jax.numpy.tanh(x @ p["Wh"].T + (r * h) @ p["Uh"].T)
    return ((h @ p["w"] - d["y"]) ** 2).mean()


def long_memory(sg: Any, p: Any, d: Any) -> Any:
    import sympy as sp

    h = c = np.zeros(24)
    for x in d["x"]:
        z = sg.let("z", p["W"] @ x + p["U"] @ h + p["b"])
        i, f, g, o = sg.split(z, 24)
        c = sg.let("c", sg.sigmoid(f) * c + sg.sigmoid(i) * sp.tanh(g))
        h = sg.let("h", sg.sigmoid(o) * sp.tanh(c))
    return (p["w"] @ h - d["y"]) ** 2


def long_memory_jax(jax: Any, p: Any, d: Any) -> Any:
    sigmoid, tanh = jax.nn.sigmoid, jax.numpy.tanh
    h = c = jax.numpy.zeros((len(d["x"]), 24), "float32")
    for x in d["x"].swapaxes(0, 1):
        z = x @ p["W"].T + h @ p["U"].T + p["b"]
        i, f, g, o = jax.numpy.split(z, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
    return ((h @ p["w"] - d["y"]) ** 2).mean()


def hidden_markov(sg: Any, p: Any, d: Any) -> Any:
    """Minus the logarithm of the probability of what is seen, by the forward algorithm."""
    moves = sg.let("moves", sg.log_softmax(p["moves"], axis=1))
    shows = sg.let("shows", sg.log_softmax(p["shows"], axis=1))
    first, *rest = d["x"]
    a = sg.log_softmax(p["start"]) + shows[:, first]
    for x in rest:
        a = sg.let("a", sg.logsumexp(sg.reshape(a, (10, 1)) + moves, axis=0) + shows[:, x])
    return -sg.logsumexp(a)


def hidden_markov_jax(jax: Any, p: Any, d: Any) -> Any:
    moves, shows = (jax.nn.log_softmax(p[k], axis=1) for k in ("moves", "shows"))
    first, *rest = d["x"].T
    a = jax.nn.log_softmax(p["start"]) + shows.T[first]
    for x in rest:
        a = jax.nn.logsumexp(a[:, :, None] + moves, axis=1) + shows.T[x]
    return -jax.nn.logsumexp(a, axis=1).mean()


def normalised(module: Any, z: Any, scale: Any, shift: Any) -> Any:
    """Each token's numbers, the last axis, with mean 0 and variance 1."""
    rest = z - module.mean(z, axis=-1, keepdims=True)
    size = module.mean(rest**2, axis=-1, keepdims=True) + 1e-5
    return rest * size**-0.5 * scale + shift


def transformer(sg: Any, p: Any, d: Any) -> Any:
    x = d["x"]
    y = sg.let("y", normalised(sg, x, p["s1"], p["t1"]))
    q, k, v = (sg.reshape(y @ p[name], (16, 4, 8)) for name in "QKV")
    later = np.triu(np.full((16, 16), -1e9), 1)
    seen = sg.softmax(sg.einsum("qhd,khd->hqk", q, k) / 8**0.5 + later)
    z = sg.let("z", x + sg.reshape(sg.einsum("hqk,khd->qhd", seen, v), (16, 32)) @ p["O"])
    z = z + sg.relu(normalised(sg, z, p["s2"], p["t2"]) @ p["U"]) @ p["W"]
    return sg.mean((z - d["t"]) ** 2)


def transformer_jax(jax: Any, p: Any, d: Any) -> Any:
    x, einsum = d["x"], jax.numpy.einsum
    y = normalised(jax.numpy, x, p["s1"], p["t1"])
    q, k, v = ((y @ p[name]).reshape(-1, 16, 4, 8) for name in "QKV")
    later = jax.numpy.triu(jax.numpy.full((16, 16), -1e9), 1)
    seen = jax.nn.softmax(einsum("nqhd,nkhd->nhqk", q, k) / 8**0.5 + later)
    z = x + einsum("nhqk,nkhd->nqhd", seen, v).reshape(x.shape) @ p["O"]
    z = z + jax.nn.relu(normalised(jax.numpy, z, p["s2"], p["t2"]) @ p["U"]) @ p["W"]
    return ((z - d["t"]) ** 2).mean()


def classes(sg: Any, p: Any, d: Any) -> Any:
    return sg.cross_entropy(p["W"] @ d["x"] + p["b"], d["y"])


def classes_jax(jax: Any, p: Any, d: Any) -> Any:
    scores = jax.nn.log_softmax(d["x"] @ p["W"].T + p["b"])
    return -jax.numpy.take_along_axis(scores, d["y"][:, None], 1).mean()


def contrastive(sg: Any, p: Any, d: Any) -> Any:
    z, q = p["A"] @ d["x"], p["B"] @ d["t"]
    z, q = sg.let("z", z / sg.norm(z)), sg.let("q", q / sg.norm(q))
    others = sg.logsumexp(10 * sg.batch(q) @ z) + sg.logsumexp(10 * sg.batch(z) @ q)
    return others - 20 * sg.dot(z, q)


def contrastive_jax(jax: Any, p: Any, d: Any) -> Any:
    z, q = d["x"] @ p["A"].T, d["t"] @ p["B"].T
    z, q = (v / jax.numpy.linalg.norm(v, axis=1, keepdims=True) for v in (z, q))
    scores, lse = 10 * z @ q.T, jax.nn.logsumexp
    return (lse(scores, axis=1) + lse(scores, axis=0) - 2 * scores.diagonal()).mean()


def clusters(sg: Any, p: Any, d: Any) -> Any:
    return sg.min(sg.sum((d["x"] - p["c"]) ** 2, axis=1))


def clusters_jax(jax: Any, p: Any, d: Any) -> Any:
    x, c = d["x"], p["c"]
    return ((x**2).sum(1)[:, None] - 2 * x @ c.T + (c**2).sum(1)).min(1).mean()


GATES = {side + gate: (24, n) for gate in "zrh" for side, n in (("W", 6), ("U", 24))}
MODELS = {
    "attention": Model(
        "one head of attention and two layers, 16 tokens of 32",
        dict.fromkeys("QKVO", (32, 32)) | {"U": (32, 64), "W": (64, 32)},
        {"x": (16, 32), "t": (16, 32)}, 16, 200, attention, attention_jax,
    ),
    "mixture": Model(
        "10 Gaussians in 8 dimensions",
        {"mean": (10, 8), "scale": (10, 8), "weight": (10,)},
        {"x": (8,)}, 10_000, 40, mixture, mixture_jax,
    ),
    "bilinear": Model(
        "a bilinear classifier, 32 x 32 of 5",
        {"T": (5, 32, 32), "b": (5,)},
        {"x": (32,), "z": (32,), "y": ()}, 64, 500, bilinear, bilinear_jax, (("y", 5),),
    ),
    "logistic_batch": Model(
        "logistic regression, 64 columns",
        {"w": (64,), "b": ()},
        {"x": (64,), "y": ()}, 128, 500, logistic, logistic_jax,
    ),
    "recurrent": Model(
        "gated recurrent units, 8 steps of 24",
        GATES | {"w": (24,)},
        {"x": (8, 6), "y": ()}, 32, 500, recurrent, recurrent_jax,
    ),
    "long_memory": Model(
        "long short-term memory, 16 steps of 24",
        {"W": (96, 6), "U": (96, 24), "b": (96,), "w": (24,)},
        {"x": (16, 6), "y": ()}, 32, 200, long_memory, long_memory_jax,
    ),
    "hidden_markov": Model(
        "a hidden Markov model, 20 steps of 10 states, in logarithms",
        {"moves": (10, 10), "shows": (10, 8), "start": (10,)},
        {"x": (20,)}, 32, 200, hidden_markov, hidden_markov_jax, (("x", 8),),
    ),
    "transformer": Model(
        "a transformer's block, 4 heads, 16 tokens of 32",
        dict.fromkeys("QKVO", (32, 32)) | {"U": (32, 64), "W": (64, 32)}
        | dict.fromkeys(("s1", "t1", "s2", "t2"), (32,)),
        {"x": (16, 32), "t": (16, 32)}, 16, 200, transformer, transformer_jax,
    ),
    "classes": Model(
        "a softmax over 10,000 classes, 64 columns",
        {"W": (10_000, 64), "b": (10_000,)},
        {"x": (64,), "y": ()}, 128, 5, classes, classes_jax, (("y", 10_000),),
    ),
    "contrastive": Model(
        "pairs told from all others of the mini-batch, 128 and 64 columns to 32",
        {"A": (32, 128), "B": (32, 64)},
        {"x": (128,), "t": (64,)}, 256, 20, contrastive, contrastive_jax,
    ),
    "clusters": Model(
        "k-means with 50 centres in 16 dimensions, full batch",
        {"c": (50, 16)}, {"x": (16,)}, 100_000, 1, clusters, clusters_jax,
    ),
}  # fmt: skip
ROWS = {
    key: Workload(
        f"{model.title}, batch {model.batch}, float32", "step", "us",
        {"symgrad": partial(symgrad_fit, model), "JAX scan": partial(jax_scan, model)},
        aim="not slower than JAX",
    )
    for key, model in MODELS.items()
}  # fmt: skip
