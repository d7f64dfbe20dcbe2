"""symgrad: write the loss as mathematics, read its gradient, run it as a kernel.

    Expr --capture--> Block --derive--> Block --update--> Block --simplify--> Block
         --lower--> Kernel --generate--> Source --build--> Step --train--> History
"""

from symgrad.calculus.gradient import gradient as gradient
from symgrad.language.contractions import dot as dot
from symgrad.language.contractions import einsum as einsum
from symgrad.language.contractions import matmul as matmul
from symgrad.language.contractions import outer as outer
from symgrad.language.indexing import take as take
from symgrad.language.levels import Expectation as Expectation
from symgrad.language.levels import batch as batch
from symgrad.language.levels import expectation as expectation
from symgrad.language.losses import binary_cross_entropy as binary_cross_entropy
from symgrad.language.losses import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from symgrad.language.losses import cross_entropy as cross_entropy
from symgrad.language.losses import huber as huber
from symgrad.language.losses import mse as mse
from symgrad.language.pointwise import indicator as indicator
from symgrad.language.pointwise import leaky_relu as leaky_relu
from symgrad.language.pointwise import log_sigmoid as log_sigmoid
from symgrad.language.pointwise import relu as relu
from symgrad.language.pointwise import sigmoid as sigmoid
from symgrad.language.pointwise import softplus as softplus
from symgrad.language.pointwise import stop_gradient as stop_gradient
from symgrad.language.pointwise import where as where
from symgrad.language.reductions import log_softmax as log_softmax
from symgrad.language.reductions import logsumexp as logsumexp
from symgrad.language.reductions import max as max  # noqa: A004
from symgrad.language.reductions import mean as mean
from symgrad.language.reductions import min as min  # noqa: A004
from symgrad.language.reductions import prod as prod
from symgrad.language.reductions import softmax as softmax
from symgrad.language.reductions import sum as sum  # noqa: A004
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
from symgrad.optimize import Rule as Rule
from symgrad.train import Every as Every
from symgrad.train import History as History
from symgrad.train import Model as Model
from symgrad.train import Moment as Moment
from symgrad.train import compile as compile  # noqa: A004
from symgrad.train import function as function
from symgrad.train import init as init

_install()
