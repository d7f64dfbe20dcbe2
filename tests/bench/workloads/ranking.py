"""Bayesian personalised ranking (BPR), k = 32, one choice a step, the other item drawn."""

import numpy as np

from tests.bench.workload import Run, Workload

USERS, ITEMS, CHOICES, RANK, RATE, LAMBDA = 6_000, 4_000, 1_000_000, 32, 0.05, 0.01


def choices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, USERS, CHOICES), rng.integers(0, ITEMS, CHOICES)


def start() -> tuple[np.ndarray, ...]:
    """Factors of users and items, biases of items."""
    rng = np.random.default_rng(1)
    factors = (rng.normal(0, 0.1, (n, RANK)).astype("f4") for n in (USERS, ITEMS))
    return *factors, np.zeros(ITEMS, "f4")


def symgrad_fit(cores: int) -> Run:
    import symgrad as sg

    u, i = sg.data("user item", dtype=int)
    j = sg.random.integers("other", ITEMS)
    P, Q, c = (sg.parameter(k, shape=a.shape, init=a) for k, a in zip("PQc", start(), strict=True))
    p, chosen, other = sg.let("p", P[u]), sg.let("chosen", Q[i]), sg.let("unchosen", Q[j])
    margin = sg.let("margin", p @ (chosen - other) + c[i] - c[j])
    penalty = LAMBDA / 2 * (p @ p + chosen @ chosen + other @ other)
    model = sg.compile(penalty - sg.log_sigmoid(margin), optimizer=sg.SGD(lr=RATE))
    data = dict(zip(("user", "item"), choices(), strict=True))

    def run() -> int:
        model.fit(data, epochs=1, batch_size=1, shuffle=False, progress=False)
        return CHOICES

    return run


def numba_loop(cores: int) -> Run:
    """What a user would write by hand; NumPy's generator inside numba draws the other item."""
    from numba import njit

    @njit(fastmath={"contract", "reassoc", "arcp", "nsz"})
    def descend(user, item, P, Q, c, rate, lam):
        loss = 0.0
        for s in range(len(user)):
            u, i = user[s], item[s]
            j = np.random.randint(0, Q.shape[0])  # noqa: NPY002 (what numba compiles)
            margin = c[i] - c[j]
            for k in range(P.shape[1]):
                margin += P[u, k] * (Q[i, k] - Q[j, k])
            g = np.float32(1) / (np.float32(1) + np.exp(margin))
            loss += np.log1p(np.exp(-margin))
            c[i] += rate * g
            c[j] -= rate * g
            for k in range(P.shape[1]):
                p, a, b = P[u, k], Q[i, k], Q[j, k]
                P[u, k] = p + rate * (g * (a - b) - lam * p)
                Q[i, k] = a + rate * (g * p - lam * a)
                Q[j, k] = b - rate * (g * p + lam * b)
        return loss / len(user)

    arguments = *choices(), *start(), np.float32(RATE), np.float32(LAMBDA)

    def run() -> int:
        descend(*arguments)
        return CHOICES

    return run


def implicit_bpr(cores: int) -> Run:
    """The package `implicit`, Cython."""
    import scipy.sparse
    from implicit.bpr import BayesianPersonalizedRanking

    user, item = choices()
    chosen = scipy.sparse.csr_matrix((np.ones(CHOICES, "f4"), (user, item)), (USERS, ITEMS))
    model = BayesianPersonalizedRanking(
        factors=RANK, learning_rate=RATE, regularization=LAMBDA, iterations=1, num_threads=cores,
        verify_negative_samples=False,
    )  # fmt: skip

    def run() -> int:
        model.fit(chosen, show_progress=False)
        return chosen.nnz

    return run


EPOCH = Workload(
    title=f"BPR, {USERS:,} users, {ITEMS:,} items, k = {RANK}, float32, one choice a step",
    unit="sample",
    scale="ns",
    cores=(1,),
    aim="1.0x of numba by hand",
    peers={"symgrad": symgrad_fit, "numba by hand": numba_loop, "implicit": implicit_bpr},
)

ROWS = {"ranking": EPOCH}
