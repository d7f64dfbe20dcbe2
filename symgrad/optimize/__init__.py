"""Optimisers: each is a row, the update as an expression."""

from symgrad.optimize.rule import Rule as Rule
from symgrad.optimize.sgd import SGD as SGD
