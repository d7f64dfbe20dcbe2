"""What README.md shows is what happens.

A block marked `python` is run, in order and in one namespace; a block marked `text` after it is
what it printed; a block marked `python kernel` is an excerpt of the last model's source, in which a
line of `...` stands for anything.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w[\w ]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "README.md").read_text())


def test_code_prints_what_is_shown(blocks):
    namespace: dict = {}
    printed = ""
    shown = 0
    for kind, content in blocks:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(content, "README.md", "exec"), namespace)
            printed = out.getvalue()
        elif kind == "text":
            assert stripped(printed) == stripped(content)
            shown += 1
        elif kind == "python kernel":
            assert_excerpt(content, namespace["model"].source)
            shown += 1
    assert shown >= 2, "README.md should show a gradient and a kernel"


def stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def assert_excerpt(excerpt: str, source: str) -> None:
    parts = ("\n".join(stripped(part)) for part in re.split(r"(?m)^ *\.\.\.$", excerpt))
    source = "\n".join(line.rstrip() for line in source.splitlines())
    position = 0
    for part in filter(None, parts):
        position = source.find(part.strip("\n"), position)
        assert position >= 0, f"the kernel does not contain\n{part}"
        position += len(part)


def test_commands_are_targets_of_the_makefile(blocks):
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"(?m)(?:^|`)make ([\w-]+)", (ROOT / "README.md").read_text())
    assert commands, "README.md should name the commands"
    for target in commands:
        assert re.search(rf"(?m)^{target}:", makefile), f"the Makefile has no target {target}"
