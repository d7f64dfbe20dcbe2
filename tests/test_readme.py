"""What README.md shows is what happens.

A block marked `python` is run, in order and in one namespace; a block marked `text` after it is
what it printed; a block marked `python kernel` is the loop of the source of its `model`.  With
`--update-golden` the page is rewritten to what happens.
"""

import contextlib
import io
import itertools
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w[\w ]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_code_prints_what_is_shown(update_golden):
    namespace: dict = {}
    happens = {"text": "", "python kernel": ""}

    def as_it_happens(block: re.Match) -> str:
        kind, content = block.groups()
        if kind == "python":
            happens["text"] = output_of(content, namespace)
            happens["python kernel"] = loop_of(namespace["model"].source)
        return f"```{kind}\n{happens.get(kind, content)}```"

    page = README.read_text()
    assert {"python", "text", "python kernel"} <= {block[1] for block in BLOCK.finditer(page)}
    true = BLOCK.sub(as_it_happens, page)
    if update_golden:
        README.write_text(true)
    else:
        assert page == true, "README.md differs from what happens; --update-golden rewrites it"


def output_of(code: str, namespace: dict) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "README.md", "exec"), namespace)
    return out.getvalue()


def loop_of(source: str) -> str:
    """The loop over the mini-batches: its head and all that is indented below it."""
    lines = source[source.index("    for at in") :].splitlines(keepends=True)
    body = itertools.takewhile(lambda line: line.startswith(" " * 8) or line == "\n", lines[1:])
    return lines[0] + "".join(body).rstrip() + "\n"


def test_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"(?m)(?:^|`)make ([\w-]+)", README.read_text())
    assert commands, "README.md should name the commands"
    for target in commands:
        assert re.search(rf"(?m)^{target}:", makefile), f"the Makefile has no target {target}"
