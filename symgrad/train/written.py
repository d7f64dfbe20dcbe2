"""A model as it was written, brought to tensors of one sample: MatrixSymbols become tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgrad.calculus.gradient import Gradient, gradient, holds_matrix
from symgrad.language.tensor import sympify


@dataclass(frozen=True, eq=False)
class Written:
    """loss, outputs: in tensors; parameters: as for `sg.compile`; matrices: the loss as it was
    written with MatrixSymbols, and the trained ones."""

    loss: sp.Expr
    outputs: Mapping[str, sp.Expr]
    parameters: Any
    matrices: tuple[sp.Expr, list[sp.Expr]] | None = None

    def shown(self) -> tuple[sp.Expr, Gradient] | None:
        """A model of MatrixSymbols with its gradient as matrix expressions."""
        if self.matrices is None:
            return None
        found = gradient(*self.matrices)
        return found.of, found


def read_model(
    loss: Any, outputs: Any, parameters: Any, samples: Any, reduction: str = "mean"
) -> Written:
    """Check that there are expressions, and convert those of MatrixSymbols."""
    outputs = {} if outputs is None else outputs
    if not isinstance(outputs, Mapping) or not all(isinstance(k, str) for k in outputs):
        raise TypeError(f'outputs are expressions by label, as in {{"logits": z}}, not {outputs!r}')
    if isinstance(loss, Mapping | list | tuple):
        raise TypeError(
            f"the loss is one expression, not a {type(loss).__name__}: minimise a sum of several"
        )
    if holds_matrix(loss):
        if reduction != "mean":
            raise ValueError(
                "reduction does not apply to a model of MatrixSymbols: contracting the dimension "
                "of the samples is their sum; divide the loss by it for the mean"
            )
        return _from_matrices(loss, outputs, parameters, samples)
    if samples is not None:
        raise ValueError(
            "samples names a dimension of MatrixSymbols, and the loss has none: sg.data is one "
            "sample's value already"
        )
    return Written(sympify(loss), {k: sympify(e) for k, e in outputs.items()}, parameters)


def _from_matrices(loss: sp.Expr, outputs: Mapping, parameters: Any, samples: Any) -> Written:
    from symgrad.language.matrix_samples import from_matrices

    model = from_matrices(loss, samples, parameters, outputs)
    trained = {m: s for m, s in model.symbols.items() if s.role == "parameter"}
    return Written(model.loss, model.outputs, list(trained.values()), (loss, list(trained)))
