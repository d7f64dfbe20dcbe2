"""Where the mini-batches of several epochs begin: each is full, or ends with its epoch."""

from __future__ import annotations

from collections.abc import Iterator


def mini_batches(first: int, last: int, size: int, epoch: int) -> int:
    """How many mini-batches of up to `size` positions first ... last - 1 are.

    epoch: positions after which one begins anew

    >>> mini_batches(0, 20, 4, 10), mini_batches(3, 10, 4, 10), mini_batches(0, 20, 4, 20)
    (6, 2, 5)
    """
    before = min(epoch - first % epoch, last - first)
    whole, rest = divmod(last - first - before, epoch)
    return -(-before // size) + whole * -(-epoch // size) + -(-rest // size)


def stretches(first: int, last: int, size: int, epoch: int) -> Iterator[tuple[int, int]]:
    """The positions where they begin and end.

    >>> [*stretches(0, 14, 4, 6)]
    [(0, 4), (4, 6), (6, 10), (10, 12), (12, 14)]
    """
    while first < last:
        end = min(first + size, first - first % epoch + epoch, last)
        yield first, end
        first = end
