"""Biased matrix factorisation as a user would write it by hand, with numba."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tests.bench.workload import Run
from tests.bench.workloads.ratings import LAMBDA, MEAN, RATE, Size

FAST = {"contract", "reassoc", "arcp", "nsz"}


def _descent(size: Size) -> Callable:
    """descend(first, last): the updates of these ratings.  The interpreter's lock is not held."""
    from numba import njit

    number = np.dtype(size.dtype).type

    @njit(fastmath=FAST, nogil=True)
    def descend(first, last, user, item, rating, P, Q, b, c, mean, rate, lam):
        for s in range(first, last):
            u, i = user[s], item[s]
            dot = number(0)
            for k in range(P.shape[1]):
                dot += P[u, k] * Q[i, k]
            error = rating[s] - (mean + b[u] + c[i] + dot)
            b[u] += rate * (error - lam * b[u])
            c[i] += rate * (error - lam * c[i])
            for k in range(P.shape[1]):
                p, q = P[u, k], Q[i, k]
                P[u, k] = p + rate * (error * q - lam * p)
                Q[i, k] = q + rate * (error * p - lam * q)

    arguments = *size.data().values(), *size.start(), *map(number, (MEAN, RATE, LAMBDA))
    return lambda first, last: descend(first, last, *arguments)


def numba_loop(size: Size, cores: int) -> Run:
    """The updates, and nothing else."""
    descend = _descent(size)

    def run() -> int:
        for _ in range(size.epochs):
            descend(0, size.ratings)
        return size.epochs * size.ratings

    return run


def numba_threads(size: Size, cores: int) -> Run:
    """The same by lock-free threads, each with its part of the ratings."""
    descend, pool = _descent(size), ThreadPoolExecutor(cores)
    cuts = [size.ratings * k // cores for k in range(cores + 1)]

    def run() -> int:
        for _ in range(size.epochs):
            list(pool.map(descend, cuts[:-1], cuts[1:]))
        return size.epochs * size.ratings

    return run


def numba_losses(size: Size, cores: int) -> Run:
    """What `fit` does: every step's loss is kept, too, in float64."""
    from numba import njit

    number = np.dtype(size.dtype).type

    @njit(fastmath=FAST)
    def descend(losses, user, item, rating, P, Q, b, c, mean, rate, lam):
        for s in range(len(rating)):
            u, i = user[s], item[s]
            dot, squares = number(0), number(0)
            for k in range(P.shape[1]):
                p, q = P[u, k], Q[i, k]
                dot += p * q
                squares += p * p + q * q
            error = rating[s] - (mean + b[u] + c[i] + dot)
            losses[s] = (error**2 + lam * (b[u] ** 2 + c[i] ** 2 + squares)) / 2
            b[u] += rate * (error - lam * b[u])
            c[i] += rate * (error - lam * c[i])
            for k in range(P.shape[1]):
                p, q = P[u, k], Q[i, k]
                P[u, k] = p + rate * (error * q - lam * p)
                Q[i, k] = q + rate * (error * p - lam * q)

    arguments = *size.data().values(), *size.start(), *map(number, (MEAN, RATE, LAMBDA))
    losses = np.empty((size.epochs, size.ratings))

    def run() -> int:
        for row in losses:
            descend(row, *arguments)
        return losses.size

    return run
