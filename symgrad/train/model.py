"""A compiled model: its arrays, its training, its predictions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.gradient import Gradient
from symgrad.calculus.update import Applied
from symgrad.language.arguments import switch
from symgrad.language.symbols import step
from symgrad.optimize.rule import DenseUpdateWarning
from symgrad.show.model import expressions, model_text
from symgrad.train.cast import Cast
from symgrad.train.catch_up import CatchUp
from symgrad.train.evaluator import Evaluator
from symgrad.train.history import History
from symgrad.train.memory import Arrays, by_name, filled
from symgrad.train.names import lookup
from symgrad.train.pieces import check_predictable
from symgrad.train.programs import Programs
from symgrad.train.rooms import Room
from symgrad.train.settings import Settings
from symgrad.train.summary import explain, summary
from symgrad.train.targets import Executables
from symgrad.train.training import one_pass, train
from symgrad.train.turns import Turns
from symgrad.train.written import Written

LARGE = 2**24  # elements of a table from which a gradient of its size is worth a word


class Model:
    """What `sg.compile` gives.

    parameters:  name -> array.  Reading gives the model's own array, which training changes in
                 place; assigning copies into it, and checks the shape
    hyper:       name -> value, of `sg.hyper`s and of the optimiser's numbers, likewise

    Of a table trained with lazy="catch_up", read `model.parameters` again after every `step`: it
    brings the rows up to date that steps left behind.
    """

    def __init__(
        self, written: Written | None, cast: Cast, programs: Programs,
        arrays: dict[sp.Symbol, np.ndarray], executables: Executables, settings: Settings,
        share: Model | None = None,
    ) -> None:  # fmt: skip
        self._written, self.programs, self.arrays = written, programs, arrays
        self.turns: Turns = share.turns if share else Turns()
        self.executables, self.settings = executables, settings
        self.behind: CatchUp = CatchUp(
            programs, arrays, executables, self.turns.turn, share.behind if share else None
        )
        blocks = [programs.captured, *programs.predicted.values()]
        parameters = by_name(cast.of(blocks, "parameter"), "parameter")
        own_arrays = {k: arrays[s] for k, s in parameters.items()}
        held = partial(Arrays, before=self.behind.settle, turn=self.turns.turn)
        self.parameters: Arrays = held(own_arrays, "parameter")
        rule = programs.rule
        hypers = cast.of([*blocks, *(rule.blocks if rule else ())], "hyper")
        own = set(rule.hypers) if rule else set()
        named = by_name([s for s in hypers if s not in own], "hyper")
        self.hyper = _hypers(named, arrays, rule, held)
        self.data = tuple(by_name(cast.of(blocks, "data"), "data symbol").values())
        self.cast = cast
        self.evaluator = Evaluator(
            programs, arrays, executables, self.data, settings.dtype, self.behind.settle,
            self.turns.turn,
        )  # fmt: skip
        self.epoch: int = 0  # epochs trained
        self.pending: int = 0  # mini-batches since the last update
        self.position: int = 0  # samples of the next epoch that a fit has seen before it ended
        self.every = 1  # mini-batches for each update in the last fit
        self.paces: dict[tuple[str, int], float] = {}  # seconds of a mini-batch, see `Fit`
        self.rooms: list[Room] = []  # of the last fit to a stream, see `StreamedFit`
        self._step_loss = {"loss": np.empty(1)}  # kept: an executable knows arrays it has seen

    # --- training ---------------------------------------------------------------------------------

    def step(self, data: Any) -> float:
        """One update on these samples; returns the loss before it.

        A group of mini-batches that `fit(..., accumulate=k)` left unfinished stays as it is.

        data: a dict or DataFrame of arrays whose first axis is the sample; {} for a loss without
        data.  Raises KeyError, TypeError, ValueError or IndexError where data do not fit.
        """
        self._check_trainable()
        arrays, n = self.evaluator.accepted("loss", data)
        with self.turns.step():
            executable = self.executables.at_least("step", n)
            self.behind.begin()
            executable.run({**self.arrays, **arrays}, None, 0, n, outputs=self._step_loss)
            return self._step_loss["loss"].item()

    def fit(
        self,
        data: Any,
        epochs: int | None = None,
        batch_size: int | None = 32,
        shuffle: bool = True,
        accumulate: int = 1,
        validation: Any = None,
        callbacks: Iterable[Any] = (),
        progress: bool = True,
        parallel: str | None = None,
        resume: bool = False,
    ) -> History:
        """Train for a number of epochs.

        data:        as for `step`; every epoch visits each sample once.  Or a stream of such
                     batches: something to iterate over in every epoch, a function that returns an
                     iterator for every epoch, or an iterator, which is one epoch
        epochs:      by default 10, 1 for an iterator
        batch_size:  samples in a mini-batch; the last one of an epoch may be smaller, and more
                     samples than there are mean all of them.  How a stream is cut does not matter;
                     None takes its batches as they come, and all of other data as one mini-batch
        shuffle:     visit samples in an order drawn from the model's seed and the epoch alone:
                     within blocks of 32 MB, where data are a stream, or arrays of which one is
                     memory-mapped (np.memmap); such blocks come in random order, too
        accumulate:  mini-batches whose gradients are summed for one update; such groups cross
                     epochs, and a group that a fit leaves unfinished goes on in the next one with
                     the same number
        validation:  data whose loss is computed after every epoch
        callbacks:   functions of a Moment, called after every epoch, or Every(n, function)
        progress:    show a bar, where standard error is a terminal
        parallel:    "hogwild" for lock-free threads (as many as `set_threads` says), each with its
                     own part of the mini-batches, on the same arrays at the same time.  It pays for
                     small mini-batches that touch a few rows of large tables.  Where two threads
                     write one element, an update may be lost: NO TWO RUNS ARE THE SAME.  Of
                     parameters of rank 0 each thread has its own for about 60 ms, and then their
                     mean goes on.  None: the same bits in every run
        resume:      begin where the last fit ended within an epoch (`model.epoch`, and
                     `model.position` samples of the next one), by Ctrl-C or an exception, instead
                     of at the beginning of that epoch: with the same data and options all goes on
                     as if nothing had happened, in a model that was saved and loaded, too

        Epochs are counted on from fit to fit.  Ctrl-C ends the training after a whole step: the
        parameters are then those after that step, and the history, returned as usual with
        `interrupted=True`, holds what was done; a second Ctrl-C ends a callback, too.

        Streams and memory-mapped arrays are read by another thread, ahead of the training.  What a
        stream raises comes through after the whole mini-batches before it, where samples are
        shuffled after the whole blocks: what is left of one waits for `resume`.

        Another thread may call `loss`, `predict`, `gradients` or `save` meanwhile, and finds the
        parameters after a whole step; RuntimeError where it trains the same model, too.
        """
        self._check_trainable()
        flags = {"shuffle": shuffle, "progress": progress, "resume": resume}
        shuffle, progress, resume = (switch(given, name) for name, given in flags.items())
        with self.turns.fit():
            return train(
                self, data, epochs, batch_size, shuffle, accumulate, validation, callbacks,
                progress, parallel, resume,
            )  # fmt: skip

    def partial_fit(self, data: Any, batch_size: int | None = 32, accumulate: int = 1) -> float:
        """Go on training with these samples: one pass in their order, for streams without an end.

        data, batch_size, accumulate: as for `fit`.  Returns the loss of the samples, each before
        the update that it was used for.  Updates are counted on; epochs are not.  Ctrl-C comes
        through after a whole step.

        >>> import symgrad as sg
        >>> x, y, w = sg.data("x"), sg.data("y"), sg.parameter("w")
        >>> model = sg.compile((w*x - y)**2, sg.SGD(lr=0.1), target="reference")
        >>> for batch in ({"x": [1, 2], "y": [3, 6]}, {"x": [1], "y": [3]}):
        ...     print(round(model.partial_fit(batch, batch_size=1), 4))
        16.02
        0.2304
        """
        self._check_trainable()
        with self.turns.step():
            return one_pass(self, data, batch_size, accumulate)

    def begin_groups(self, every: int) -> None:
        """Forget an unfinished group of mini-batches if groups have another size now."""
        if every != self.every:
            self.every, self.pending = every, 0
            for s in self.programs.rule.sums if self.programs.rule else ():
                self.arrays.pop(s, None)
                if every > 1:
                    turned = s in self.executables.turned
                    self.arrays[s] = filled(s, 0, self.settings.dtype, turned)

    def _check_trainable(self) -> None:
        if self.programs.rule is None:
            raise ValueError(
                "this model has no optimiser: compile it with sg.compile(loss, sg.SGD(lr=0.01))"
            )

    # --- evaluation -------------------------------------------------------------------------------

    def loss(self, data: Any) -> float:
        """The loss of all these samples as one mini-batch."""
        outputs, n = self.evaluator.outputs("loss", data)
        return self._scale(n) * outputs["loss"].item()

    def gradients(self, data: Any) -> dict[str, np.ndarray]:
        """The gradient of the loss of all these samples, by parameter; nothing is updated.

        Every gradient is an array of its parameter's shape, that of a table too, of which the
        samples may touch a few rows: training never makes one.
        """
        self._say_what_is_large()
        parts, n = self.evaluator.outputs("gradients", data)
        scale = self._scale(n)
        return {name: g if scale == 1 else (g * scale).astype(g.dtype) for name, g in parts.items()}

    def _say_what_is_large(self) -> None:
        """Gradients of large tables are made as a whole here: not without a word."""
        large = {p for p in self.programs.trained if self.arrays[p].size > LARGE}
        touched = self.programs.minimised.touched if large else {}
        for p in large:
            if touched.get(p):
                warnings.warn(
                    f"model.gradients gives the gradient of {p.name} as an array of the table's "
                    f"shape {self.arrays[p].shape}, zero in all rows that no sample touches",
                    DenseUpdateWarning, stacklevel=3,
                )  # fmt: skip

    def predict(self, data: Any, output: str | None = None) -> Any:
        """The values of an output for each sample, (N, *shape); without a label a dict of all.

        Only the data that the output reads must be given.  An output in which nothing is per
        sample has no sample axis.
        """
        if output is None:
            return {label: self.predict(data, label) for label in self.programs.predicted}
        block = lookup(self.programs.predicted, output, "output")
        check_predictable(output, block)
        value = self.evaluator.outputs(f"predict {output}", data)[0][output]
        return value.astype(self.settings.dtype) if value.dtype.kind == "f" else value

    def _scale(self, n: int) -> int:
        """What the mean over n samples is multiplied by."""
        sums = self.reduction == "sum" and self.programs.captured.outputs["loss"].per_sample
        return n if sums else 1

    def loss_of(self, data: Any) -> Callable[[Callable[[], None]], float]:
        """A function that computes the loss of these data, which are checked now; it calls its
        argument in between."""
        outputs, n = self.evaluator.prepared("loss", data, checked=True)
        return lambda between: self._scale(n) * outputs(between)["loss"].item()

    # --- what it is -------------------------------------------------------------------------------

    @cached_property
    def _shown(self) -> tuple[sp.Expr, Gradient]:
        objective = self.programs.shown
        block = objective.gradients
        matrices = self._written and self._written.shown()
        return matrices or expressions(block, block.outputs["loss"], objective.wrt)

    @property
    def objective(self) -> sp.Expr:
        """What is minimised, as an expression: E[loss]."""
        return self._shown[0]

    @property
    def gradient(self) -> Gradient:
        """The gradient of the objective: symbol -> expression."""
        return self._shown[1]

    def __str__(self) -> str:
        return model_text(*self._shown)

    def _repr_latex_(self) -> str:
        from symgrad.show.latex import gradient_latex

        return gradient_latex(self.gradient, self.objective)

    @property
    def source(self) -> str:
        """The code of the training step for the batch size used last, 32 before any use."""
        key = "step" if self.programs.rule else "loss"
        executable = self.executables.latest(key)
        return (executable or self.executables.exactly(key, 32 if self.data else 1)).source

    def summary(self, batch_size: int = 32, accumulate: int | None = None) -> str:
        """The parameters with their shapes and bytes, and what else the model holds.

        batch_size: samples in a mini-batch for which the memory of a step is stated, as it is
        planned: its intermediate values, and the most that the model takes beside the data
        accumulate: mini-batches for each update, whose gradients are held between two; by default
        as in the last fit, 1 before it
        """
        return summary(self, batch_size, accumulate)

    def explain(self) -> str:
        """The model after every stage, from the expression to the code."""
        return explain(self)

    def save(self, path: Any) -> None:
        """Write the model to one file, for `sg.load`: mathematics, arrays, optimiser state."""
        from symgrad.train.checkpoint import save

        save(self, path)

    def __reduce__(self) -> tuple[Callable[[bytes], Model], tuple[bytes]]:
        """Pickled or copied, a model is what `save` writes: it goes on where this one is."""
        from symgrad.train.checkpoint import as_bytes, from_bytes

        return from_bytes, (as_bytes(self),)

    @property
    def steps(self) -> int:
        """Updates made so far: `sg.step` of the next one."""
        return self.arrays[step].item()

    @property
    def reduction(self) -> str:
        return self.settings.reduction

    @property
    def seed(self) -> int:
        return self.settings.seed


def _hypers(
    named: dict[str, sp.Symbol], arrays: dict[sp.Symbol, np.ndarray], rule: Applied | None,
    held: Callable[..., Arrays],
) -> Arrays:  # fmt: skip
    """The loss's hypers and the optimiser's numbers; with the reason, those that are fixed."""
    values = {name: arrays[s] for name, s in named.items()}
    if rule is None:
        return held(values, "hyper")
    fixed = {
        name: (
            value,
            f"was {value} when the model was compiled, so the kernel does without it; to change "
            f"it, compile again with {rule.rule.name}(..., {name}=...)",
        )
        for name, value in rule.rule.absent.items()
    }
    for name, value in rule.numbers.items():
        if name in named and named[name] != value:
            raise ValueError(
                f"the model has a hyper called {name!r}, and so has its optimiser "
                f"{rule.rule.name}: give yours another name"
            )
        if value in arrays:
            values[name] = arrays[value]
        else:
            why = f"is the expression {value}, compiled in: assign the hypers in it"
            fixed[name] = (value, why)
    return held(values, "hyper", fixed, check=rule.rule.check)
