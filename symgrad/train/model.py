"""A compiled model: its arrays, its training, its predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.bounds import index_bounds
from symgrad.calculus.draws import is_random
from symgrad.calculus.gradient import Gradient
from symgrad.calculus.ragged import by_entries
from symgrad.calculus.update import Applied
from symgrad.language.symbols import step
from symgrad.show.model import expressions, model_text
from symgrad.train.batches import Intake, at_least_one
from symgrad.train.callbacks import sort_callbacks
from symgrad.train.cast import Cast
from symgrad.train.evaluate import evaluate
from symgrad.train.fit import Fit, Plan
from symgrad.train.history import History
from symgrad.train.hogwild import check_parallel
from symgrad.train.indices import ComputedIndices
from symgrad.train.memory import Arrays, by_name
from symgrad.train.names import lookup
from symgrad.train.pieces import check_predictable, independent, piece_size
from symgrad.train.programs import Programs
from symgrad.train.settings import Settings
from symgrad.train.summary import explain, summary
from symgrad.train.targets import Executables
from symgrad.train.written import Written


class Model:
    """What `sg.compile` gives.

    parameters:  name -> array.  Reading gives the model's own array, which training changes in
                 place; assigning copies into it, and checks the shape
    hyper:       name -> value, of `sg.hyper`s and of the optimiser's numbers, likewise
    """

    def __init__(
        self, written: Written | None, cast: Cast, programs: Programs,
        arrays: dict[sp.Symbol, np.ndarray], executables: Executables, settings: Settings,
    ) -> None:  # fmt: skip
        self._written, self.programs, self.arrays = written, programs, arrays
        self.executables, self.settings = executables, settings
        blocks = [programs.captured, *programs.predicted.values()]
        parameters = by_name(cast.of(blocks, "parameter"), "parameter")
        self.parameters = Arrays({k: arrays[s] for k, s in parameters.items()}, "parameter")
        rule = programs.rule
        hypers = cast.of([*blocks, *(rule.blocks if rule else ())], "hyper")
        own = set(rule.hypers) if rule else set()
        named = by_name([s for s in hypers if s not in own], "hyper")
        self.hyper = _hypers(named, arrays, rule)
        self.data = tuple(by_name(cast.of(blocks, "data"), "data symbol").values())
        self._intakes: dict[str, Intake] = {}
        self._pieces: dict[str, int] = {}
        self.cast = cast
        self.epoch = self.pending = 0  # epochs trained; mini-batches since the last update
        self.every = 1  # mini-batches for each update in the last fit
        self._step_loss = {"loss": np.empty(1)}  # kept: an executable knows arrays it has seen

    # --- training ---------------------------------------------------------------------------------

    def step(self, data: Any) -> float:
        """One update on these samples; returns the loss before it.

        data: a dict or DataFrame of arrays whose first axis is the sample; {} for a loss without
        data.  Raises KeyError, TypeError, ValueError or IndexError where data do not fit.
        """
        self._check_trainable()
        arrays, n = self._accepted("loss", data)
        executable = self.executables.at_least("step", n)
        executable.run({**self.arrays, **arrays}, None, 0, n, outputs=self._step_loss)
        return self._step_loss["loss"].item()

    def fit(
        self,
        data: Any,
        epochs: int = 10,
        batch_size: int = 32,
        shuffle: bool = True,
        accumulate: int = 1,
        validation: Any = None,
        callbacks: Iterable[Any] = (),
        progress: bool = True,
        parallel: str | None = None,
    ) -> History:
        """Train for a number of epochs.

        data:        as for `step`; every epoch visits each sample once
        batch_size:  samples in a mini-batch; the last one of an epoch may be smaller, and more
                     samples than there are mean all of them
        shuffle:     visit samples in an order drawn from the model's seed and the epoch alone
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
                     parameters of rank 0 each thread has its own for about 20 ms, and then their
                     mean goes on.  None: the same bits in every run

        Epochs are counted on from fit to fit.  Ctrl-C ends the training after a whole step: the
        parameters are then those after that step, and the history, returned as usual with
        `interrupted=True`, holds what was done; a second Ctrl-C ends a callback, too.
        """
        self._check_trainable()
        arrays, n = self._accepted("loss", data)
        often, each_epoch = sort_callbacks(callbacks)
        plan = Plan(
            arrays, n, at_least_one(epochs, "epochs"),
            min(at_least_one(batch_size, "batch_size"), n),
            at_least_one(accumulate, "accumulate"), bool(shuffle),
            None if validation is None else self._loss_of(*self._accepted("loss", validation)),
            often, each_epoch, bool(progress),
        )  # fmt: skip
        plan.lock_free = check_parallel(parallel, self.settings.target, plan.every)
        self._begin_groups(plan.every)
        return Fit(self, plan).run()

    def _begin_groups(self, every: int) -> None:
        """Forget an unfinished group of mini-batches if groups have another size now."""
        if every != self.every:
            self.every, self.pending = every, 0
            for a in self.programs.rule.accumulators.values() if self.programs.rule else ():
                self.arrays[a][...] = 0

    def _check_trainable(self) -> None:
        if self.programs.rule is None:
            raise ValueError(
                "this model has no optimiser: compile it with sg.compile(loss, sg.SGD(lr=0.01))"
            )

    # --- evaluation -------------------------------------------------------------------------------

    def loss(self, data: Any) -> float:
        """The loss of all these samples as one mini-batch."""
        return self._loss_of(*self._accepted("loss", data))(lambda: None)

    def gradients(self, data: Any) -> dict[str, np.ndarray]:
        """The gradient of the loss of all these samples, by parameter; nothing is updated."""
        arrays, n = self._accepted("loss", data)
        scale = self._scale(n)
        parts = self._evaluate("gradients", arrays, n)
        return {name: g if scale == 1 else (g * scale).astype(g.dtype) for name, g in parts.items()}

    def predict(self, data: Any, output: str | None = None) -> Any:
        """The values of an output for each sample, (N, *shape); without a label a dict of all.

        Only the data that the output reads must be given.  An output in which nothing is per
        sample has no sample axis.
        """
        if output is None:
            return {label: self.predict(data, label) for label in self.programs.predicted}
        block = lookup(self.programs.predicted, output, "output")
        check_predictable(output, block)
        arrays, n = self._accepted(f"predict {output}", data)
        value = self._evaluate(f"predict {output}", arrays, n)[output]
        return value.astype(self.settings.dtype) if value.dtype.kind == "f" else value

    def _loss_of(self, arrays: dict, n: int) -> Callable[[Callable[[], None]], float]:
        """A function that computes the loss of these samples; it calls its argument in between."""
        return lambda between: (
            self._scale(n) * self._evaluate("loss", arrays, n, between)["loss"].item()
        )

    def _scale(self, n: int) -> int:
        """What the mean over n samples is multiplied by."""
        sums = self.reduction == "sum" and self.programs.captured.outputs["loss"].per_sample
        return n if sums else 1

    def _evaluate(
        self, key: str, arrays: dict, n: int, between: Callable[[], None] = lambda: None
    ) -> dict[str, np.ndarray]:
        outputs = self.executables.program(key).step.outputs
        size = self._piece(key, n)
        exact = self.executables.at_least if size == n else self.executables.exactly
        return evaluate(
            exact(key, size), {**self.arrays, **arrays}, n, size, outputs, self.settings.dtype,
            between,
        )  # fmt: skip

    def _piece(self, key: str, n: int) -> int:
        """Samples in a piece of a program's input: all, where only the whole will do."""
        if key not in self._pieces:
            block = self.executables.program(key).step
            apart = independent(block, block.outputs.values())
            self._pieces[key] = piece_size(block, 1 << 30) if apart else 0
        most = self._pieces[key]
        return min(most, 1 << (n - 1).bit_length()) if most else n

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

    def summary(self) -> str:
        """The parameters with their shapes and bytes, and what else the model holds."""
        return summary(self)

    def explain(self) -> str:
        """The model after every stage, from the expression to the code."""
        return explain(self)

    def save(self, path: Any) -> None:
        """Write the model to one file, for `sg.load`: mathematics, arrays, optimiser state."""
        from symgrad.train.checkpoint import save

        save(self, path)

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

    def _accepted(self, key: str, data: Any) -> tuple[dict[sp.Symbol, np.ndarray], int]:
        """A user's data for a program, by symbol, and the number of samples."""
        arrays, n = self._intake(key)(data)
        self.executables.admit(arrays)
        return arrays, n

    def _intake(self, key: str) -> Intake:
        """What checks the data for a program."""
        if key not in self._intakes:
            predicted = self.programs.predicted.get(key.removeprefix("predict "))
            block = predicted if key.startswith("predict ") else self.programs.captured
            assert block is not None
            reads = self.cast.of([block], "data")
            dtype, bounds = self.settings.dtype, index_bounds(block)
            computed = ComputedIndices(by_entries(block), dtype)
            draws = any(map(is_random, block.inputs))
            self._intakes[key] = Intake(reads, self.data, dtype, bounds, computed, draws)
        return self._intakes[key]


def _hypers(
    named: dict[str, sp.Symbol], arrays: dict[sp.Symbol, np.ndarray], rule: Applied | None
) -> Arrays:
    """The loss's hypers and the optimiser's numbers; with the reason, those that are fixed."""
    values = {name: arrays[s] for name, s in named.items()}
    if rule is None:
        return Arrays(values, "hyper")
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
    return Arrays(values, "hyper", fixed)
