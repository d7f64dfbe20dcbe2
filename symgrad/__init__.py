"""symgrad: write the loss as mathematics, read its gradient, run it as a kernel.

Expr --capture--> Block --derive--> Block --update--> Block --simplify--> Block
     --lower--> Kernel --generate--> Source --build--> Step --train--> History
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from symgrad.language.garbage import imports as _imports

with _imports():
    from symgrad.calculus.gradient import gradient as gradient
    from symgrad.calculus.second import hessian as hessian
    from symgrad.calculus.second import hvp as hvp
    from symgrad.calculus.second import jacobian as jacobian
    from symgrad.calculus.second import jvp as jvp
    from symgrad.calculus.second import vjp as vjp
    from symgrad.language import random as random
    from symgrad.language.activations import celu as celu
    from symgrad.language.activations import elu as elu
    from symgrad.language.activations import gelu as gelu
    from symgrad.language.activations import hardshrink as hardshrink
    from symgrad.language.activations import hardsigmoid as hardsigmoid
    from symgrad.language.activations import hardswish as hardswish
    from symgrad.language.activations import hardtanh as hardtanh
    from symgrad.language.activations import mish as mish
    from symgrad.language.activations import prelu as prelu
    from symgrad.language.activations import relu6 as relu6
    from symgrad.language.activations import selu as selu
    from symgrad.language.activations import silu as silu
    from symgrad.language.activations import softshrink as softshrink
    from symgrad.language.activations import softsign as softsign
    from symgrad.language.activations import tanhshrink as tanhshrink
    from symgrad.language.activations import threshold as threshold
    from symgrad.language.choice import where as where
    from symgrad.language.classification import cross_entropy as cross_entropy
    from symgrad.language.classification import nll as nll
    from symgrad.language.conditions import all as all  # noqa: A004
    from symgrad.language.conditions import any as any  # noqa: A004
    from symgrad.language.contractions import dot as dot
    from symgrad.language.contractions import einsum as einsum
    from symgrad.language.contractions import matmul as matmul
    from symgrad.language.contractions import outer as outer
    from symgrad.language.custom import custom as custom
    from symgrad.language.diagonals import diag as diag
    from symgrad.language.diagonals import diagonal as diagonal
    from symgrad.language.diagonals import trace as trace
    from symgrad.language.diagonals import tril as tril
    from symgrad.language.diagonals import triu as triu
    from symgrad.language.dims import dim as dim
    from symgrad.language.elementary import cbrt as cbrt
    from symgrad.language.elementary import clamp as clamp
    from symgrad.language.elementary import exp2 as exp2
    from symgrad.language.elementary import expm1 as expm1
    from symgrad.language.elementary import hypot as hypot
    from symgrad.language.elementary import lerp as lerp
    from symgrad.language.elementary import log1p as log1p
    from symgrad.language.elementary import log2 as log2
    from symgrad.language.elementary import log10 as log10
    from symgrad.language.elementary import logaddexp as logaddexp
    from symgrad.language.elementary import logit as logit
    from symgrad.language.elementary import rsqrt as rsqrt
    from symgrad.language.elementary import sinc as sinc
    from symgrad.language.elementary import square as square
    from symgrad.language.elementary import xlogy as xlogy
    from symgrad.language.extremes import argmax as argmax
    from symgrad.language.extremes import argmin as argmin
    from symgrad.language.indexing import take as take
    from symgrad.language.levels import Expectation as Expectation
    from symgrad.language.levels import batch as batch
    from symgrad.language.levels import expectation as expectation
    from symgrad.language.losses import binary_cross_entropy as binary_cross_entropy
    from symgrad.language.losses import (
        binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    )
    from symgrad.language.losses import gaussian_nll as gaussian_nll
    from symgrad.language.losses import huber as huber
    from symgrad.language.losses import kl_div as kl_div
    from symgrad.language.losses import l1 as l1
    from symgrad.language.losses import log_cosh as log_cosh
    from symgrad.language.losses import mse as mse
    from symgrad.language.losses import poisson_nll as poisson_nll
    from symgrad.language.losses import quantile as quantile
    from symgrad.language.losses import smooth_l1 as smooth_l1
    from symgrad.language.margins import cosine_embedding as cosine_embedding
    from symgrad.language.margins import cosine_similarity as cosine_similarity
    from symgrad.language.margins import hinge as hinge
    from symgrad.language.margins import hinge_embedding as hinge_embedding
    from symgrad.language.margins import margin_ranking as margin_ranking
    from symgrad.language.margins import soft_margin as soft_margin
    from symgrad.language.margins import triplet_margin as triplet_margin
    from symgrad.language.matrix_functions import cholesky as cholesky
    from symgrad.language.matrix_functions import det as det
    from symgrad.language.matrix_functions import eigvalsh as eigvalsh
    from symgrad.language.matrix_functions import inv as inv
    from symgrad.language.matrix_functions import logdet as logdet
    from symgrad.language.matrix_functions import solve as solve
    from symgrad.language.matrix_functions import triangular_solve as triangular_solve
    from symgrad.language.pointwise import indicator as indicator
    from symgrad.language.pointwise import leaky_relu as leaky_relu
    from symgrad.language.pointwise import log_sigmoid as log_sigmoid
    from symgrad.language.pointwise import logsigmoid as logsigmoid
    from symgrad.language.pointwise import relu as relu
    from symgrad.language.pointwise import sigmoid as sigmoid
    from symgrad.language.pointwise import softplus as softplus
    from symgrad.language.pointwise import stop_gradient as stop_gradient
    from symgrad.language.products import cross as cross
    from symgrad.language.products import tensordot as tensordot
    from symgrad.language.rearrange import flatten as flatten
    from symgrad.language.rearrange import flip as flip
    from symgrad.language.rearrange import pad as pad
    from symgrad.language.rearrange import permute as permute
    from symgrad.language.rearrange import roll as roll
    from symgrad.language.rearrange import split as split
    from symgrad.language.rearrange import squeeze as squeeze
    from symgrad.language.rearrange import stack as stack
    from symgrad.language.rearrange import tile as tile
    from symgrad.language.rearrange import unsqueeze as unsqueeze
    from symgrad.language.reductions import amax as amax
    from symgrad.language.reductions import amin as amin
    from symgrad.language.reductions import max as max  # noqa: A004
    from symgrad.language.reductions import mean as mean
    from symgrad.language.reductions import min as min  # noqa: A004
    from symgrad.language.reductions import prod as prod
    from symgrad.language.reductions import sum as sum  # noqa: A004
    from symgrad.language.remedies import remedy as _remedy
    from symgrad.language.rounding import floor_divide as floor_divide
    from symgrad.language.rounding import fmod as fmod
    from symgrad.language.rounding import heaviside as heaviside
    from symgrad.language.rounding import remainder as remainder
    from symgrad.language.rounding import round as round  # noqa: A004
    from symgrad.language.rounding import trunc as trunc
    from symgrad.language.running import cumsum as cumsum
    from symgrad.language.selection import gather as gather
    from symgrad.language.selection import one_hot as one_hot
    from symgrad.language.softmax import log_softmax as log_softmax
    from symgrad.language.softmax import logsumexp as logsumexp
    from symgrad.language.softmax import softmax as softmax
    from symgrad.language.special import digamma as digamma
    from symgrad.language.special import erfc as erfc
    from symgrad.language.special import polygamma as polygamma
    from symgrad.language.special import trigamma as trigamma
    from symgrad.language.statistics import norm as norm
    from symgrad.language.statistics import std as std
    from symgrad.language.statistics import var as var
    from symgrad.language.steady import logistic as logistic
    from symgrad.language.substitution import inline as inline
    from symgrad.language.substitution import substitute as substitute
    from symgrad.language.symbols import batch_size as batch_size
    from symgrad.language.symbols import constant as constant
    from symgrad.language.symbols import data as data
    from symgrad.language.symbols import hyper as hyper
    from symgrad.language.symbols import let as let
    from symgrad.language.symbols import parameter as parameter
    from symgrad.language.symbols import step as step
    from symgrad.language.sympy_hooks import install as _install
    from symgrad.language.tensor import shape as shape
    from symgrad.language.views import broadcast_to as broadcast_to
    from symgrad.language.views import concatenate as concatenate
    from symgrad.language.views import reshape as reshape
    from symgrad.language.views import transpose as transpose
    from symgrad.optimize import SGD as SGD
    from symgrad.optimize import Adagrad as Adagrad
    from symgrad.optimize import Adam as Adam
    from symgrad.optimize import DenseUpdateWarning as DenseUpdateWarning
    from symgrad.optimize import RMSprop as RMSprop
    from symgrad.optimize import Rule as Rule

_install()

# What trains is imported when it is first asked for: a tenth of the time of the import.
if _TYPE_CHECKING:
    from symgrad.train import Every as Every
    from symgrad.train import History as History
    from symgrad.train import Model as Model
    from symgrad.train import Moment as Moment
    from symgrad.train import compile as compile  # noqa: A004
    from symgrad.train import function as function
    from symgrad.train import get_threads as get_threads
    from symgrad.train import init as init
    from symgrad.train import load as load
    from symgrad.train import set_threads as set_threads
else:
    _TRAINING = (
        "Every", "History", "Model", "Moment", "compile", "function", "get_threads", "init", "load",
        "set_threads",
    )  # fmt: skip
    __all__ = [name for name in (*globals(), *_TRAINING) if not name.startswith("_")]

    def __dir__() -> list[str]:
        return sorted({*globals(), *_TRAINING})

    def __getattr__(name: str) -> object:
        if name not in _TRAINING:
            raise AttributeError(f"symgrad has no {name!r}{_remedy(name, __dir__())}")
        with _imports():
            from symgrad import train
        globals().update({each: getattr(train, each) for each in _TRAINING})
        return globals()[name]
