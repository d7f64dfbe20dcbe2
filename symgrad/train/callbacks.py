"""What a user's function learns while a fit runs.

A callback is a function of one Moment.  It is called after every epoch; wrapped in `Every`, after
every so many mini-batches of an epoch.

    model.fit(data, callbacks=[Every(200, lambda m: print(m.epoch, m.batch, m.loss))])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symgrad.language.arguments import several
from symgrad.train.batches import at_least_one
from symgrad.train.history import History

if TYPE_CHECKING:
    from symgrad.train.model import Model


@dataclass
class Moment:
    """A point of a fit.

    epoch:       which one, from 1, counted over all fits of the model
    batch:       mini-batches done in this epoch, of `batches` (None in a stream of unknown length)
    loss:        an epoch's after it; else the mean of the mini-batches' since the last call
    validation:  the validation data's loss, after an epoch and where there are such data
    """

    model: Model
    history: History
    epoch: int
    batch: int
    batches: int | None
    loss: float
    validation: float | None = None
    stopped: bool = False

    def stop(self) -> None:
        """End the fit here; its history is marked as interrupted."""
        self.stopped = True


Callback = Callable[[Moment], Any]


@dataclass(frozen=True)
class Every:
    """A callback that is called after every so many mini-batches of an epoch."""

    batches: int
    call: Callback

    def __post_init__(self) -> None:
        at_least_one(self.batches, "Every's number of mini-batches")
        _check(self.call)


def sort_callbacks(callbacks: Iterable[Any]) -> tuple[list[Every], list[Callback]]:
    """Callbacks for every so many mini-batches, and those for every epoch."""
    if callable(callbacks) or isinstance(callbacks, Every):
        callbacks = [callbacks]
    given = several(callbacks, "callbacks")
    often = [c for c in given if isinstance(c, Every)]
    return often, [_check(c) for c in given if not isinstance(c, Every)]


def _check(callback: Any) -> Callback:
    if not callable(callback):
        raise TypeError(f"a callback is a function of one Moment, or Every(n, f), not {callback!r}")
    return callback
