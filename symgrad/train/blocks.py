"""Samples that come one after the other, cut into blocks that a kernel can work through.

How a stream is cut into pieces is its own affair: the samples are put together again in blocks of
a size that depends on the model and the mini-batch alone, so mini-batches and orders do, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from symgrad.language.ragged import entries_of, is_sparse
from symgrad.train.batches import Column
from symgrad.train.rooms import ROWS, Arrays, Closed, Pool, Room

BYTES = 2**25  # of a block that is shuffled, or stays where it is: far less than memory
IN_ORDER = 2**24  # of one that is copied in order: less is still in the cache of the other core
PARTS = 8  # of a block: one of them is enough for a training that would wait
ENTRIES = 64  # that a sample of sparse or ragged data is taken to have
CHECKED = 2**14  # samples whose indices are looked at together: they are still in the cache
Piece = tuple[Arrays, int, int]  # the first sample, and the end
Order = Callable[[int, int], np.ndarray]  # (number of a block, samples in it) -> their order
Check = Callable[
    [Arrays, int, int], None
]  # raises what is wrong: (arrays, samples, piece's number)


def rows_of_a_block(columns: Sequence[Column], batch: int, large: bool) -> int:
    """Samples in a block: whole mini-batches.

    >>> rows_of_a_block([], 30, large=True) % 30
    0
    """
    room = BYTES if large else min(BYTES, IN_ORDER)
    rows = min(room // max(sum(map(_bytes, columns)), 1), ROWS)
    return max(rows // batch, 1) * batch


def _bytes(column: Column) -> int:
    """What a sample of a column takes, or is taken to take."""
    if is_sparse(column.symbol) or entries_of(column.symbol) is not None:
        return ENTRIES * (column.dtype.itemsize + 4)
    return column.dtype.itemsize * int(np.prod(column.shape))


@dataclass(frozen=True, eq=False)
class Block:
    """Samples in memory.

    order: of the samples, None as they lie; first: the position in it to begin at, where a fit is
    continued; batch: samples in a mini-batch; room: whose memory it is, or where the samples are
    in memory of their own, its place in the queue
    """

    samples: int
    batch: int
    room: Room
    arrays: Arrays
    order: np.ndarray | None = None
    first: int = 0

    @property
    def visited(self) -> int:
        """Samples that are trained on."""
        return self.samples - self.first


@dataclass(frozen=True)
class Cut:
    """How samples become blocks.

    batch: samples in a mini-batch, 0 where every piece is one
    size:  samples in a block
    order: of a block's samples, None as they come
    skip:  samples of the epoch to pass over
    lasts: whether pieces stay as they are: then those in order are not copied
    """

    batch: int
    size: int
    order: Order | None = None
    skip: int = 0
    lasts: bool = False

    @property
    def passed(self) -> int:
        """Samples that are not even read into a block: an order needs its whole block."""
        return self.skip - self.skip % self.size if self.order and self.batch else self.skip


class Cutter:
    """Fills one room after the other with the samples that follow those passed over.

    One thread iterates over `blocks`; another one may ask for what is there.

    Indices are looked at when many small pieces are together, and before anybody is given them;
    the first piece that is wrong ends the blocks, and what follows it is forgotten.
    """

    def __init__(self, cut: Cut, pool: Pool, check: Check | None = None) -> None:
        self.cut, self.batch, self.pool, self.check = cut, cut.batch, pool, check
        self.number = cut.passed // cut.size
        self.first = cut.skip - cut.passed
        self.enough = -(-cut.size // PARTS)  # samples for a training that would wait
        self.begun = cut.skip > 0  # whether anything has been given, or passed over
        self.filled = 0
        self.room: Room | None = None
        self.lock = Lock()  # held while the room changes
        self.checked = 0  # samples in the room that are known to be right
        self.doubtful: list[tuple[int, int]] = []  # pieces after them: their end, and their number
        self.error: Exception | None = None  # of the first piece that is wrong

    def blocks(self, pieces: Iterable[Piece]) -> Iterator[Block]:
        """Where the pieces end with an exception, the whole mini-batches before it are given first,
        but for those whose order needed more samples."""
        return self._cut(pieces) if self.batch else self._as_they_come(pieces)

    def so_far(self, all_taken: Callable[[], bool]) -> Block | None:
        """The whole mini-batches that are there, if samples stay in their order.

        all_taken: whether nothing that `blocks` gave waits, for that comes first.  Raises what is
        wrong with the next piece: whoever reads the pieces may wait for another one for ever.
        """
        with self.lock:
            self._look()
            if not self.batch or not all_taken():
                return None
            if not self.cut.order and self.filled >= self.batch:
                return self._whole()
            if self.error is not None:
                raise self.error
        return None

    def _for_the_idle(self) -> Block | None:
        """The same, once there are enough to be worth a call, for a training that has nothing.

        Twice as many each time: calls for few samples hold up the reader, who would never be ahead.
        """
        if self.pool.idle() and (part := self.so_far(self.pool.idle)):
            self.enough *= 2
            return part
        return None

    def _as_they_come(self, pieces: Iterable[Piece]) -> Iterator[Block]:
        for number, (arrays, first, stop) in enumerate(pieces, 1):
            if first < stop:
                if self.check:
                    self.check(arrays, stop, number)
                room = self.pool.take(stop - first)
                room.put(arrays, first, stop, 0)
                yield Block(stop - first, stop - first, room, room.first(stop - first))

    def _cut(self, pieces: Iterable[Piece]) -> Iterator[Block]:
        try:
            yield from self._full(pieces)
            return
        except (Closed, GeneratorExit):
            raise
        except BaseException as error:
            failed = error
        if last := self._at_the_end():
            yield last
        raise self.error or failed

    def _full(self, pieces: Iterable[Piece]) -> Iterator[Block]:
        """Full blocks, parts for a training that has nothing, and the rest."""
        for number, (arrays, first, stop) in enumerate(pieces, 1):
            self.pool.check()
            if self.cut.lasts and self._is_block(stop - first):
                own = {symbol: array[first:stop] for symbol, array in arrays.items()}
                self.begun = True
                yield Block(stop - first, self.batch, self.pool.take(0), own)
                continue
            if self.check and self.filled + stop - first > self.cut.size:
                self.check(arrays, stop, number)  # now: its parts go different ways
            while first < stop:
                first += self._fill(arrays, first, stop, number)
                if self.filled == self.cut.size and (full := self._all(self.cut.size)):
                    yield full
            if self.filled - self.checked >= CHECKED:
                with self.lock:
                    self._look()
            if self.error is not None:
                raise self.error
            if self.filled >= self.enough and (part := self._for_the_idle()):
                yield part
        if last := self._all(self.first + 1):
            yield last

    def _is_block(self, samples: int) -> bool:
        """Whether so many samples are whole mini-batches, and none of others come before."""
        return not (self.cut.order or self.filled or samples % self.batch)

    def _fill(self, arrays: Arrays, first: int, stop: int, number: int) -> int:
        """Copy what fits of a piece's samples first ... stop - 1; how many those are."""
        spare = None
        while True:
            with self.lock:
                if self.error is not None:  # another thread may have found it
                    raise self.error
                if self.room is None:  # and may have taken it
                    self.room, spare = spare, None
                if self.room is not None:
                    part = min(stop - first, self.cut.size - self.filled)
                    self.room.put(arrays, first, first + part, self.filled)
                    self.filled += part
                    self.doubtful.append((self.filled, number))
                    break
            spare = self.pool.take(self.cut.size)  # not under the lock: it may wait
        if spare is not None:
            self.pool.give(spare)
        return part

    def _look(self) -> None:
        """Look at the indices of the samples that nobody has looked at; drop those that are wrong,
        and all after them.  Under the lock."""
        if self.check and self.room is not None and self.checked < self.filled:
            try:
                self._check_to(self.filled, 0)
            except Exception:
                self._find()
        self.checked = self.filled
        self.doubtful.clear()

    def _find(self) -> None:
        """Find the piece that is wrong."""
        for end, number in self.doubtful:
            try:
                self._check_to(end, number)
            except Exception as error:
                self.error, self.filled = error, self.checked
                return
            self.checked = end

    def _check_to(self, end: int, number: int) -> None:
        assert self.check is not None and self.room is not None
        first = self.checked
        self.check(self.room.between(first, end), end - first, number)

    def _at_the_end(self) -> Block | None:
        """The whole mini-batches that are there when the pieces fail, if they stay in order."""
        with self.lock:
            self._look()
            room, samples = self.room, self.filled - self.filled % self.batch
            if self.cut.order or room is None or not samples:
                return None
            self._begin()
            return Block(samples, self.batch, room, room.first(samples))

    def _all(self, least: int) -> Block | None:
        """The samples in the room, if there are so many."""
        with self.lock:
            self._look()
            room, samples, first, begun = self.room, self.filled, self.first, self.begun
            if self.error is not None:
                raise self.error
            if room is None or samples < least:
                return None
            self.number, self.first = self.number + 1, 0
            self._begin()
        order = self.cut.order and self.cut.order(self.number - 1, samples)
        # All that there is may be less than a mini-batch.
        batch = self.batch if begun else min(self.batch, samples)
        return Block(samples, batch, room, room.first(samples), order, first)

    def _whole(self) -> Block:
        """The rest, less than a mini-batch, begins the next block."""
        assert self.room is not None
        room, rest = self.room, self.filled % self.batch
        samples = self.filled - rest
        block = Block(samples, self.batch, room, room.first(samples))
        self._begin()
        if rest:
            self.room = self.pool.take(self.cut.size)
            self.room.put(room.memory, block.samples, block.samples + rest, 0)
            self.filled = self.checked = rest
        return block

    def _begin(self) -> None:
        """With the next room, when there is one."""
        self.begun = True
        self.filled, self.checked, self.room = 0, 0, None
