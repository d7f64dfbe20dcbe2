"""Optimisers: each is a row, the update as an expression."""

from symgrad.optimize.adagrad import Adagrad as Adagrad
from symgrad.optimize.adam import Adam as Adam
from symgrad.optimize.rmsprop import RMSprop as RMSprop
from symgrad.optimize.rule import DenseUpdateWarning as DenseUpdateWarning
from symgrad.optimize.rule import Rule as Rule
from symgrad.optimize.sgd import SGD as SGD
