"""A random order in compiled code: this module is compiled like the text of a kernel."""

import numba as nb

from symgrad.generate.random_bits import below, mixed


@nb.njit(error_model="numpy")
def shuffle(orders, times, n, state, first):
    """0 ... n - 1 so many times, every order as likely, by random numbers that start at `state`.

    orders: (times n,) int64; the k-th is by the numbers that start at first + k from there.
    A number takes the place of a random one of those before it, or its own, and that one goes to
    the end (D. Knuth, The Art of Computer Programming 2, algorithm 3.4.2 P).
    """
    for k in range(times):
        own, begin = mixed(state, first + k), k * n
        for i in range(n):
            j = below(mixed(own, i), i + 1)
            orders[begin + i] = orders[begin + j]
            orders[begin + j] = i
    return 0
