"""SymPy, imported while Python's cycle collector rests: a sixth of the time of `import symgrad`."""

from symgrad.language.garbage import rare_collections

with rare_collections():
    import sympy as sympy
