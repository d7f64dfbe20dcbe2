"""A file that is no input of a demo is answered with one line: what is there, what was expected."""

import pytest

from tests.demos.running import here

OPTIONS = {"matrix_factorization": "--ratings", "ranking": "--choices", "word2vec": "--text",
           "click_model": "--libsvm"}  # fmt: skip
RATINGS = b"userId,movieId,rating,timestamp\n" + b"7,9,3.5,0\n" * 200
WRONG = {  # of each demo: a file, and what is said about it
    "matrix_factorization": [
        (b"", "line 1 is ''"),
        (b"the cat sat", "line 1 is 'the cat sat'"),
        (b"movieId,title,genres\n1,Toy Story,Comedy\n", "line 1 holds ['movieId',"),
        (b"1\t2\t3\t4\n" * 200 + b"1\t2\tx\t4\n", "line 201 holds ['1', '2', 'x']"),
        (b"1::2::3::4\n1::2\n", "line 2 holds ['1', '2', 'nan']"),
        (RATINGS + b"7,9\n", "line 202 holds ['7', '9', 'nan']"),
        (RATINGS + b"7,9,inf,0\n", "line 202 holds ['7', '9', 'inf']"),
        (b"1\t2\t3\t4\n", "1 ratings are too few"),
        (b"\x7fELF\0\xff\xfe\n", "line 1 is "),
    ],
    "ranking": [
        (b"", "0 choices by 0 users"),
        (b"the cat sat", "1 choices by 1 users"),
        (b"a b\na\n", "line 2 is 'a'"),
        (b"a b\n\na c\n", "line 2 is ''"),
        (b"userId,movieId\n1,2\n3,2\n", "2 choices by 2 users"),
        (b"\x7fELF\0\xff\xfe\n", "line 1 is "),
    ],
    "word2vec": [
        (b"", "0 of 0 words"),
        (b"the cat sat", "0 of 3 words"),
        ("мир и труд ".encode() * 100, "0 of 0 words"),
        ("the cat sat on the mat ".encode("utf-16") * 100, "zeros are in it"),
    ],
    "click_model": [
        (b"", "0 sample"),
        (b"label,age,height\n1 1:2\n", "line 1 is b'label,age,height'"),
        (b"1 1:2 3:4\n-1 2:x\n", "line 2 is b'-1 2:x'"),
        (b"1 1:nan\n", "line 1 is b'1 1:nan'"),
        (b"1 3:2 1:4\n", "sorted"),
        (b"\x7fELF\0\xff\xfe\n", "line 1 is "),
    ],
}  # fmt: skip


def answer(name: str, file, output, monkeypatch) -> str:
    """The one line with which a demo ends."""
    with pytest.raises(SystemExit) as ended:
        here(name, monkeypatch, OPTIONS[name], file, "--output", output)
    text = ended.value.code
    assert isinstance(text, str) and text.startswith(f"{file}: ")
    assert "; expected " in text and "\n" not in text and len(text) < 300
    return text


@pytest.mark.parametrize(
    ("name", "text", "said"), [(name, *case) for name, cases in WRONG.items() for case in cases]
)
def test_a_malformed_file_is_answered_in_a_line(tmp_path, monkeypatch, name, text, said):
    (tmp_path / "given").write_bytes(text)
    assert said in answer(name, tmp_path / "given", tmp_path, monkeypatch)


@pytest.mark.parametrize("name", OPTIONS)
def test_no_file_or_a_directory_is_answered_in_a_line(tmp_path, monkeypatch, name):
    assert "No such file" in answer(name, tmp_path / "none", tmp_path, monkeypatch)
    assert "Is a directory" in answer(name, tmp_path, tmp_path, monkeypatch)
