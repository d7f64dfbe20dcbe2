"""The table of words and the LLVM text of an entry point."""

import llvmlite.binding as llvm
import pytest

from symgrad.build.entry import INTEGER, entry_text, words_of


@pytest.mark.parametrize("kinds", [[], [INTEGER], ["float32"], ["int64", INTEGER, "float64"]])
def test_the_text_is_valid_llvm(kinds):
    text = entry_text("entry", "kernel", kinds)
    assert llvm.parse_assembly(text).get_function("entry")
    assert len(words_of(kinds)) == len(kinds) + 1
