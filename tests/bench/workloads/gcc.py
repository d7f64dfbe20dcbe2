"""C code as a library in this process, by gcc as somebody after speed would call it."""

import ctypes
import subprocess
import tempfile
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")


def library(code: str) -> ctypes.CDLL:
    """Compiled with -ffast-math and linked without: with it, gcc's start-up code would have the
    whole process flush denormal numbers to 0."""
    with tempfile.TemporaryDirectory() as folder:
        source, made, linked = (Path(folder, f"code.{end}") for end in ("c", "o", "so"))
        source.write_text(code)
        subprocess.run(["gcc", *FLAGS, "-c", source, "-o", made], check=True)
        subprocess.run(["gcc", "-shared", made, "-o", linked, "-lmvec", "-lm"], check=True)
        return ctypes.CDLL(str(linked))
