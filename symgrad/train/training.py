"""What `model.fit` and `model.partial_fit` were asked to do, checked and run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from symgrad.train.batches import at_least_one
from symgrad.train.callbacks import sort_callbacks
from symgrad.train.fit import Fit, Plan
from symgrad.train.history import History
from symgrad.train.hogwild import check_parallel
from symgrad.train.sources import source_of
from symgrad.train.streamed import StreamedFit
from symgrad.train.targets import Executable

if TYPE_CHECKING:
    from symgrad.train.model import Model


def train(
    model: Model, data: Any, epochs: int | None, batch_size: int | None, shuffle: bool,
    accumulate: int, validation: Any, callbacks: Iterable[Any], progress: bool,
    parallel: str | None, resume: bool,
) -> History:  # fmt: skip
    """See `Model.fit`."""
    intake = model.evaluator.intake("loss")
    size = None if batch_size is None else at_least_one(batch_size, "batch_size")
    source = source_of(data, intake, model.seed, shuffle, size)
    arrays, n = ({}, source.samples) if source else model.evaluator.accepted("loss", data)
    often, each_epoch = sort_callbacks(callbacks)
    if often or each_epoch:  # which may write to the data
        arrays = intake.kept(arrays)
    plan = Plan(
        arrays, n, epochs_of(epochs, once=source is not None and source.once),
        min(size or n, n) if n else size or 0,
        at_least_one(accumulate, "accumulate"), shuffle,
        None if validation is None else model.loss_of(validation),
        often, each_epoch, progress, _lock_free(model, parallel, accumulate),
        model.position if resume else 0,
    )  # fmt: skip
    if plan.lock_free and not plan.batch:
        raise ValueError("parallel='hogwild' wants mini-batches of one size: give a batch_size")
    if plan.start >= n > 0:
        raise ValueError(
            f"the data hold {n} samples, and the fit that is to go on had seen {plan.start}"
        )
    model.begin_groups(plan.every)
    model.position = plan.start
    return (StreamedFit(model, plan, source) if source else Fit(model, plan)).run()


def _lock_free(model: Model, parallel: str | None, accumulate: int) -> bool:
    rule = model.programs.rule
    catches_up = rule is not None and bool(rule.sleepers)
    return check_parallel(parallel, model.settings.target, accumulate, catches_up)


def epochs_of(given: int | None, once: bool) -> int:
    """How many epochs a fit makes; once: its data can be read once."""
    epochs = at_least_one((1 if once else 10) if given is None else given, "epochs")
    if once and epochs > 1:
        raise ValueError(
            f"{epochs} epochs of an iterator, which can be read once: give a function that returns "
            "a fresh iterator for every epoch, or epochs=1"
        )
    return epochs


class OnePass(Fit):
    """One run of `model.partial_fit`."""

    def _executable(self) -> Executable | None:
        """Kernels of other sizes serve a single mini-batch: streams come in many sizes."""
        executables = self.model.executables
        find = executables.exactly if self.plan.per_epoch > 1 else executables.at_least
        return find(self.key, self.batch)

    def _reached(self, epoch: int, position: int) -> None:
        """A pass is no epoch."""

    def loss(self) -> float:
        """Train on the samples in their order; their loss, each before its update."""
        self.executable = self._executable()
        losses = np.empty(self.plan.per_epoch)
        with self.interruption:
            self._through(None, losses, range(self.plan.samples), 0, None)
        self.interruption.check()
        return self._epoch_losses(losses[None], self.plan.samples).item()


def one_pass(model: Model, data: Any, batch_size: int | None, accumulate: int) -> float:
    """See `Model.partial_fit`."""
    arrays, n = model.evaluator.accepted("loss", data)
    batch = n if batch_size is None else min(at_least_one(batch_size, "batch_size"), n)
    plan = Plan(arrays, n, 1, batch, at_least_one(accumulate, "accumulate"), shuffle=False)
    model.begin_groups(plan.every)
    return OnePass(model, plan).loss()
