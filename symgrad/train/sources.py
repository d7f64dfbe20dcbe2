"""Where samples come from that are not arrays in memory: streams of batches, memory-mapped files.

A source is asked for one epoch after the other, in pieces, checked and by symbol.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from symgrad.train.batches import Intake
from symgrad.train.blocks import Check, Piece
from symgrad.train.intake import real_array
from symgrad.train.names import UnknownName
from symgrad.train.orders import shuffled

KINDS = (UnknownName, KeyError, IndexError, TypeError, ValueError)
Pieces = Generator[Piece, None, None]
CHECKED = 2**20  # samples looked at together
PAGE = 4096  # bytes that are read from a file together, or more


class Source(Protocol):
    """samples: in an epoch, 0 where nobody knows; once: whether there is one epoch only; lasts:
    whether the arrays of pieces stay as they are; check: raises what is wrong with the indices in a
    piece, None where that is known already."""

    samples: int
    once: bool
    lasts: bool
    intake: Intake
    check: Check | None

    def pieces(self, epoch: int, size: int, passed: int) -> Pieces:
        """The samples of an epoch but for the first `passed`, which may leave nothing of a piece;
        size: samples in a block."""
        ...


def source_of(
    data: Any, intake: Intake, seed: int, shuffle: bool, batch_size: int | None
) -> Source | None:
    """Where the samples come from, None where they are arrays in memory."""
    if _is_stream(data):
        return Stream(data, intake)
    rows_are_slices = intake.plain
    if batch_size is not None and rows_are_slices and is_mapped(data):
        return Mapped(data, intake, seed, shuffle)
    return None


def begun(data: Any) -> tuple[Any, Any]:
    """The first batch of a stream, or data themselves; and what stands for all of them now."""
    if not _is_stream(data):
        return data, data
    stream = _batches(data)
    first: Any = next(stream, {})
    return first, itertools.chain([first], stream) if isinstance(data, Iterator) else data


def _batches(given: Any) -> Iterator[Any]:
    """An iterator over a stream's batches."""
    stream = given if isinstance(given, Iterable) else given()
    if isinstance(stream, Mapping) or not isinstance(stream, Iterable):
        raise TypeError(
            f"a function given as data returns an iterator of batches, not {type(stream).__name__}"
        )
    return iter(stream)


def _is_stream(data: Any) -> bool:
    """Whether data are several batches, one after the other, or a function that gives them."""
    if isinstance(data, Mapping | str | bytes | np.ndarray):
        return False
    if hasattr(data, "columns") or hasattr(data, "__array__"):
        return False
    return isinstance(data, Iterable) or callable(data)


def is_mapped(data: Any) -> bool:
    """Whether an array of the data stands in a file."""
    values = data.values() if isinstance(data, Mapping) else ()
    return any(isinstance(x, np.memmap) for v in values for x in (v, getattr(v, "base", None)))


class Stream:
    """Batches from an iterator, from something to iterate over in every epoch, or from a function
    that gives an iterator for every epoch."""

    samples, lasts = 0, False

    def __init__(self, given: Any, intake: Intake) -> None:
        self.given, self.intake = given, intake
        self.once = isinstance(given, Iterator)
        self.check: Check | None = self._check if intake.plain else None

    def pieces(self, epoch: int, size: int, passed: int) -> Pieces:
        found, read = 0, self.intake.unchecked if self.check else self.intake.read
        for number, batch in enumerate(_batches(self.given), 1):
            try:
                arrays, n = read(batch)
            except KINDS as error:
                raise _named(_batch(number), error) from error
            skipped = min(passed - found, n) if found < passed else 0
            found += n
            if skipped and self.check:
                self.check(arrays, n, number)
            yield arrays, skipped, n
        if found < max(passed, 1):
            raise ValueError(self._too_few(epoch, found, passed))

    def _check(self, arrays: dict[Any, np.ndarray], samples: int, number: int) -> None:
        try:
            self.intake.check_ranges(arrays, samples)
        except IndexError as error:
            raise _named(_batch(number), error) from error

    def _too_few(self, epoch: int, found: int, passed: int) -> str:
        if passed and found:
            return (
                f"the stream has {found} samples, and the fit that is continued had seen {passed}"
            )
        again = "; a function given as data returns a fresh iterator every time" if epoch else ""
        return f"the stream gave no samples in epoch {epoch + 1}{again}"


class Mapped:
    """Arrays that may be larger than memory: blocks of neighbouring samples, read when needed.

    Nothing holds a whole array, and an epoch that is shuffled reads the blocks in random order.
    """

    once, lasts = False, True
    check: Check | None = None

    def __init__(self, data: Mapping[Any, Any], intake: Intake, seed: int, shuffle: bool) -> None:
        self.intake, self.seed, self.shuffle = intake, seed, shuffle
        self.data = {k: _sliceable(v, k) for k, v in intake.named(data).items()}
        intake.read(self._rows(0, 1))  # names, shapes and kinds
        self.samples = self._count()
        if not self.samples:
            raise ValueError(f"the data are empty: {next(iter(self.data))!r} holds 0 samples")
        for start in range(0, self.samples, CHECKED):
            stop = min(start + CHECKED, self.samples)
            try:
                intake.check_indices(self._rows(start, stop))
            except KINDS as error:
                raise _named(f"samples {start} to {stop - 1}", error) from error

    def pieces(self, epoch: int, size: int, passed: int) -> Pieces:
        whole = self.samples // size
        blocks = np.arange(whole + (self.samples % size > 0))
        if self.shuffle:  # the smaller block, if there is one, stays the last
            blocks[:whole] = shuffled(self.seed, epoch, whole, apart=ORDER_OF_BLOCKS)
        for position in range(passed // size, len(blocks)):
            start = int(blocks[position]) * size
            skipped = max(passed - position * size, 0)
            yield self._read(start + skipped, min(start + size, self.samples))

    def _read(self, start: int, stop: int) -> Piece:
        try:
            arrays, n = self.intake.unchecked(self._rows(start, stop))
        except KINDS as error:
            raise _named(f"samples {start} to {stop - 1}", error) from error
        for array in arrays.values():  # so that it is not the kernel that waits for the disk
            array.reshape(-1).view(np.uint8)[::PAGE].max(initial=0)
        return arrays, 0, n

    def _rows(self, start: int, stop: int) -> dict[str, Any]:
        return {k: v[start:stop] for k, v in self.data.items()}

    def _count(self) -> int:
        counts = {c.name: len(self.data[c.name]) for c in self.intake.columns}
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{k!r} {v}" for k, v in counts.items())
            raise ValueError(f"data hold different numbers of samples: {shown}")
        return next(iter(counts.values()))


ORDER_OF_BLOCKS = 2**32  # more than any block's number


def _sliceable(given: Any, name: str) -> Any:
    """Something whose slices are rows."""
    return given if isinstance(given, np.ndarray) else real_array(given, name)


def _batch(number: int) -> str:
    return f"batch {number} of the stream"


def _named(part: str, error: Exception) -> Exception:
    """The same error, saying which part of the data it is about."""
    kind = next(k for k in KINDS if isinstance(error, k))
    return kind(f"{part}: {error}")
