"""Names and comments: nothing of the user's gets into code."""

import pytest

from symgrad.generate.text import Lines, Names, remark, suffix
from symgrad.lower.kernel import Buffer


@pytest.mark.parametrize("label", ["a\nb", "é", '"', "#", "\\", "\r", "\x00", "x" * 1000])
def test_labels_become_harmless(label):
    assert all(c.isascii() and c.isalnum() for c in suffix(label).removeprefix("_"))
    assert len(suffix(label)) <= 17
    assert remark(label).isprintable() and remark(label).isascii() and len(remark(label)) <= 120


def test_names_are_distinct_also_for_equal_labels():
    names = Names()
    buffers = [Buffer("scratch", "h", (2,), "float32") for _ in range(3)]
    assert len({names(b) for b in buffers}) == 3
    again = Buffer("parameter", "new", (2,), "float32", storage=buffers[0])
    assert names(again) == names(buffers[0])


def test_lines_are_indented_by_blocks():
    lines = Lines()
    with lines.block("for i in range(2):"):
        lines.add("x = 1", "")
    assert lines.text == "for i in range(2):\n    x = 1\n\n"
