"""What a fit leaves behind: losses for each epoch and each step, as a table and a picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

SHOWN = 15  # epochs of a long table, at its beginning and at its end
RECORDED = 10_000_000  # steps whose losses are kept; later ones only count in their epoch's loss
PIECE = 2**20  # losses for which memory is taken at a time, once there are many


class Epoch(NamedTuple):
    """One pass over the data.

    loss: the mean over the epoch's samples of the loss before each update (with reduction="sum" the
    sum); validation: the loss of the validation data after it, None where there are none; steps:
    its mini-batches.
    """

    number: int
    loss: float
    validation: float | None
    seconds: float
    steps: int


class Stretch(NamedTuple):
    """Epochs that were worked off as one.

    An epoch may be a microsecond: its record is not made before somebody asks for it, nor is it
    then among the objects that Python's cycle collector counts.
    """

    first: int  # the number of the first epoch
    losses: np.ndarray  # (epochs,) float64
    validation: float | None
    seconds: float  # of each
    steps: int  # of each

    def records(self) -> Iterator[Epoch]:
        """One for each epoch."""
        same = self.validation, self.seconds, self.steps
        numbers = range(self.first, self.first + len(self.losses))
        return map(Epoch, numbers, self.losses.tolist(), *map(repeat, same))


class Room:
    """Memory for losses that are kept.

    The first touch of a page of new memory takes as long as many steps of a small model: memory is
    taken in pieces that grow, which the system backs with large pages and the next fit finds again.
    """

    def __init__(self) -> None:
        self._free, self._taken = np.empty(0), 0

    def take(self, count: int) -> np.ndarray:
        """(count,) float64, its values undefined."""
        if len(self._free) < count:
            self._free = np.empty(max(count, min(8 * self._taken, PIECE)))
        self._taken += count
        taken, self._free = self._free[:count], self._free[count:]
        return taken


class History:
    """The record of a fit; `print` shows it as a table.

    epochs: those that were completed.  interrupted: whether Ctrl-C or a callback ended the fit
    before its last epoch.
    """

    def __init__(self, epochs: Iterable[Epoch] = (), interrupted: bool = False) -> None:
        self._epochs, self.interrupted = list(epochs), interrupted
        self._stretches = deque[Stretch]()  # of which there are no records yet
        self._asked = False  # whether somebody may hold the list of epochs, which grows then
        self._steps: list[np.ndarray] = []
        self._recorded = 0

    @property
    def epochs(self) -> list[Epoch]:
        """The completed epochs."""
        self._asked = True
        self._record_epochs()
        return self._epochs

    @epochs.setter
    def epochs(self, epochs: list[Epoch]) -> None:
        self._stretches.clear()
        self._epochs, self._asked = epochs, True

    def complete(self, stretch: Stretch) -> None:
        """Add epochs."""
        self._stretches.append(stretch)
        if self._asked:
            self._record_epochs()

    def _record_epochs(self) -> None:
        while self._stretches:  # to which another thread may add
            self._epochs += self._stretches.popleft().records()

    @property
    def loss(self) -> list[float]:
        """The loss of each completed epoch."""
        return [e.loss for e in self.epochs]

    @property
    def validation(self) -> list[float]:
        """The validation loss after each completed epoch; empty without validation data."""
        return [e.validation for e in self.epochs if e.validation is not None]

    @property
    def _validations(self) -> list[float]:
        return [np.nan if e.validation is None else e.validation for e in self.epochs]

    @property
    def step_loss(self) -> np.ndarray:
        """(steps,) float64: each mini-batch's loss before its update, the interrupted epoch's too.

        At most the first 10,000,000 are kept.
        """
        self._steps = [np.concatenate([np.empty(0), *self._steps])]
        return self._steps[0]

    def record(self, losses: np.ndarray) -> None:
        """Add the losses of the next steps."""
        kept = losses[: RECORDED - self._recorded]
        if len(kept):
            self._steps.append(kept)
            self._recorded += len(kept)

    def to_dataframe(self) -> Any:
        """A pandas DataFrame, a row for each epoch: loss, validation (if any) and seconds."""
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "History.to_dataframe needs pandas (pip install pandas); history.loss and "
                "history.step_loss hold the same numbers"
            ) from None
        columns = {"loss": self.loss, "seconds": [e.seconds for e in self.epochs]}
        if self.validation:
            columns["validation"] = self._validations
        return pd.DataFrame(columns, index=pd.Index([e.number for e in self.epochs], name="epoch"))

    def plot(self) -> Any:
        """A matplotlib Figure of the losses against the steps."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise ImportError(
                "History.plot needs matplotlib (pip install matplotlib); history.loss and "
                "history.step_loss hold the numbers"
            ) from None
        figure = Figure(layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="loss")
        steps = self.step_loss
        axes.plot(np.arange(1, len(steps) + 1), steps, lw=0.5, alpha=0.5, label="mini-batch")
        ends = np.cumsum([e.steps for e in self.epochs])
        axes.plot(ends, self.loss, marker=".", label="epoch")
        if self.validation:
            axes.plot(ends, self._validations, marker=".", label="validation")
        axes.legend()
        return figure

    def __str__(self) -> str:
        rows = [["epoch", "loss", *(["validation"] if self.validation else []), "seconds"]]
        for e, v in zip(self.epochs, self._validations, strict=True):
            validation = [f"{v:.6g}"] if self.validation else []
            rows.append([str(e.number), f"{e.loss:.6g}", *validation, f"{e.seconds:.3f}"])
        if len(rows) > 2 * SHOWN:
            rows[SHOWN + 1 : -SHOWN] = [["..."] * len(rows[0])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(r, widths, strict=True)) for r in rows]
        return "\n".join([*lines, *(["interrupted"] if self.interrupted else [])])

    __repr__ = __str__
