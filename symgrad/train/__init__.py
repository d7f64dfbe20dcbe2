"""Training: from a loss to a model, its data, its epochs and their history."""

from symgrad.train import init as init
from symgrad.train.callbacks import Every as Every
from symgrad.train.callbacks import Moment as Moment
from symgrad.train.checkpoint import load as load
from symgrad.train.driver import compile as compile  # noqa: A004
from symgrad.train.function import function as function
from symgrad.train.history import History as History
from symgrad.train.model import Model as Model
from symgrad.train.threads import get_threads as get_threads
from symgrad.train.threads import set_threads as set_threads
