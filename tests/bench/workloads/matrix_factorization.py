"""Biased matrix factorisation with regularisation, one rating a step."""

from functools import partial

from tests.bench.workload import Run, Workload, of_size
from tests.bench.workloads.factorisation_by_hand import numba_loop, numba_losses, numba_threads
from tests.bench.workloads.ratings import LAMBDA, MEAN, RATE, Size


def symgrad_fit(size: Size, cores: int, parallel: str | None = None) -> Run:
    import symgrad as sg

    u, i = sg.data("user item", dtype=int)
    names = zip("PQbc", size.start(), strict=True)
    P, Q, b, c = (sg.parameter(name, shape=a.shape, init=a) for name, a in names)
    p, q, bu, ci = (sg.let(k, v) for k, v in zip(("p", "q", "bu", "ci"), (P[u], Q[i], b[u], c[i]),
                                                 strict=True))  # fmt: skip
    error = sg.data("rating") - (MEAN + bu + ci + p @ q)
    loss = (error**2 + LAMBDA * (bu**2 + ci**2 + p @ p + q @ q)) / 2
    model = sg.compile(loss, optimizer=sg.SGD(lr=RATE), dtype=size.dtype)
    data = size.data()
    more = {"parallel": parallel} if parallel else {}

    def run() -> int:
        model.fit(data, size.epochs, batch_size=1, shuffle=False, progress=False, **more)
        return size.epochs * size.ratings

    return run


def hogwild(size: Size, cores: int) -> Run:
    return symgrad_fit(size, cores, "hogwild")


def surprise_svd(size: Size, cores: int) -> Run:
    """scikit-surprise, Cython; always float64."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    ratings = Dataset.load_from_df(pd.DataFrame(size.data()), Reader()).build_full_trainset()
    model = SVD(n_factors=size.rank, n_epochs=size.epochs)

    def run() -> int:
        model.fit(ratings)
        return size.epochs * size.ratings

    return run


def libmf(size: Size, cores: int) -> Run:
    """LIBMF, C++: rates by its own schedule, no biases; sorting the ratings counts, too."""
    import numpy as np
    from libmf import mf

    ratings = np.stack(list(size.data().values()), axis=1)
    passes = 10
    model = mf.MF(
        k=size.rank, nr_threads=cores, nr_iters=passes, lambda_p1=0, lambda_q1=0,
        lambda_p2=LAMBDA, lambda_q2=LAMBDA, eta=RATE, quiet=True,
    )  # fmt: skip

    def run() -> int:
        model.fit(ratings)
        return passes * size.ratings

    return run


def jax_scan(size: Size, cores: int) -> Run:
    """One compiled loop; the gradient by JAX, its rows cut out by hand."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", size.dtype == "float64")

    def loss(rows, rating):
        p, q, b, c = rows
        error = rating - (MEAN + b + c + p @ q)
        return (error**2 + LAMBDA * (b**2 + c**2 + p @ p + q @ q)) / 2

    def step(tables, sample):
        at = (sample[0], sample[1]) * 2
        rows = [t[k] for t, k in zip(tables, at, strict=True)]
        g = jax.grad(loss)(rows, sample[2])
        moved = zip(tables, at, g, strict=True)
        return [t.at[k].add(-RATE * x) for t, k, x in moved], None

    some = min(size.ratings, 20_000)
    data = [jnp.asarray(a[:some]) for a in size.data().values()]
    tables = [jnp.asarray(a) for a in size.start()]
    epoch = jax.jit(lambda tables, data: jax.lax.scan(step, tables, data)[0])

    def run() -> int:
        jax.block_until_ready(epoch(tables, data))
        return some

    return run


def torch_sparse(batch: int, size: Size, cores: int) -> Run:
    """torch's sparse embeddings, so many ratings a step; the regularisation left out."""
    import torch

    torch.set_num_threads(cores)
    user, item, rating = (torch.from_numpy(a[: 300 * batch]) for a in size.data().values())
    weights = [torch.from_numpy(a.reshape(len(a), -1)) for a in size.start()]
    tables = [torch.nn.Embedding.from_pretrained(w, False, sparse=True) for w in weights]
    optimizer = torch.optim.SGD([t.weight for t in tables], lr=RATE)

    def run() -> int:
        for first in range(0, len(rating), batch):
            at = slice(first, first + batch)
            p, q, b, c = (t(k) for t, k in zip(tables, (user[at], item[at]) * 2, strict=True))
            optimizer.zero_grad()
            error = rating[at] - (MEAN + (b + c).squeeze(1) + (p * q).sum(1))
            (error**2).sum().backward()
            optimizer.step()
        return len(rating)

    return run


def _workload(size: Size, aim: str, peers: dict, cores: tuple[int, ...] = (1,)) -> Workload:
    title = f"matrix factorisation, {size.users:,} x {size.items:,}, {size.ratings:,} ratings, "
    return Workload(
        title=f"{title}k = {size.rank}, {size.dtype}, one a step",
        unit="sample",
        scale="ns",
        cores=cores,
        aim=aim,
        peers=of_size(peers, size),
    )


PEERS = {
    "symgrad": symgrad_fit, "numba by hand": numba_loop, "the same, losses kept": numba_losses,
    "scikit-surprise": surprise_svd,
    "JAX scan": jax_scan, "torch sparse, 1": partial(torch_sparse, 1),
    "torch sparse, 1024": partial(torch_sparse, 1024),
}  # fmt: skip
AIMS = {20: "1.0x of numba, 1/20 of surprise", 100: "1.0x of numba, 1/9 of surprise"}
SMALL = {
    f"mf_{rank}_{dtype}": _workload(Size(943, 1682, 100_000, rank, dtype), AIMS[rank], PEERS)
    for rank in (20, 100)
    for dtype in ("float32", "float64")
}
LARGE = {
    key: _workload(
        Size(138_000, 27_000, ratings, 32, "float32"),
        "1.0x of numba on one core, hogwild 1.7x on two",
        {
            "symgrad": symgrad_fit, "symgrad, hogwild": hogwild, "numba by hand": numba_loop,
            "numba by hand, threads": numba_threads, "LIBMF": libmf,
        },
        cores=(1, 2),
    )
    for key, ratings in (("mf_medium", 2_000_000), ("mf_large", 20_000_000))
}  # fmt: skip

ROWS = SMALL | LARGE
