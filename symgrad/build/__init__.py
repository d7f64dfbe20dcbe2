"""From generated code to something that runs: compile, keep on disk, load, call.

    Source --compiler--> object code --cache--> files --linker--> address --executable--> Compiled

What is kept is object code, not numba's pickles: a later process imports no numba, evaluates
nothing that it read, and is at its first step some 30 ms after it asked.
"""

from symgrad.build.cache import CacheWarning as CacheWarning
from symgrad.build.executable import Compiled as Compiled
from symgrad.build.executable import build as build
