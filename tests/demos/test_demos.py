"""Every demo runs as it is, checks its own numbers, and says what its page promises."""

import re

import numpy as np
import pytest

from tests.demos.running import DEMOS, in_a_process

LONGEST = 100  # lines


def numbers(text: str, pattern: str) -> np.ndarray:
    """What the groups of a pattern match in a text, as numbers."""
    return np.array(re.findall(pattern, text), dtype=float)


@pytest.mark.parametrize("path", sorted(DEMOS.glob("*.py")), ids=lambda path: path.stem)
def test_a_demo_is_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def test_gradient_descent_by_hand(tmp_path):
    """As from the command line, where nothing was imported before."""
    printed = in_a_process("gradient_descent_by_hand", tmp_path)
    assert "w: 2*x*(b + w*x - y)\nb: 2*(b + w*x - y)\n" in printed
    updates = numbers(printed, r"-> ([\d.]+), ([\d.]+)")
    assert updates.shape == (10, 2)
    np.testing.assert_allclose(updates[0], [2.2, 0.4])
    np.testing.assert_allclose(updates[-1], [3.0255, 1.9490], atol=6e-5)
    assert "df/dx: 2*x" in printed
    assert (tmp_path / "gradient_descent_by_hand.png").stat().st_size > 10_000


def test_minibatch_sgd(run_demo, tmp_path):
    printed = run_demo("minibatch_sgd")
    assert numbers(printed, r"one step on .* w = ([\d.]+)").tolist() == [99.8020, 92.3770]
    assert numbers(printed, r"(\d+) updates").tolist() == [10, 100, 1000]
    assert (tmp_path / "minibatch_sgd.png").stat().st_size > 10_000


def test_linear_regression(run_demo, tmp_path):
    printed = run_demo("linear_regression")
    costs = numbers(printed, r"(?m)^ *(\d+) +([\d.]+) +([\d.]+)$")
    assert costs[:, 0].tolist() == list(range(100, 1001, 100))
    np.testing.assert_array_equal(costs[:, 1], costs[:, 2])
    assert "point (4, 42): 62.5" in printed
    assert "point (4, 44): 52.5" in printed
    assert "21 gradients are 2 each; accumulated in one update they are 42" in printed
    assert (tmp_path / "linear_regression.png").stat().st_size > 10_000


def test_two_layer_network(run_demo, tmp_path):
    printed = run_demo("two_layer_network")
    losses = numbers(printed, r"(?m)^ *(\d+) +([\d.e-]+) +([\d.e-]+)$")
    assert losses[:, 0].tolist() == [100, 200, 300, 400, 500]
    np.testing.assert_allclose(losses[:2, 1], losses[:2, 2], rtol=1e-3)
    assert (tmp_path / "two_layer_network.png").stat().st_size > 10_000


def test_click_model(run_demo, tmp_path):
    printed = run_demo("click_model")
    assert "gradient w: E[z_bar*x]" in printed
    lines, pairs = numbers(printed, r"progressive validation loss ([\d.]+)")[:2]
    assert pairs < 0.8 * lines, "pairs of pixels say what single ones do not"
    assert (tmp_path / "click_model.png").stat().st_size > 10_000


def test_click_model_reads_libsvm(run_demo, tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{2 * (k % 2) - 1} {1 + k % 2}:1 {rng.integers(3, 9)}:0.5" for k in range(60)]
    (tmp_path / "clicks").write_text("\n".join(lines) + "\n")
    options = "--libsvm", str(tmp_path / "clicks"), "--epochs", "10"
    printed = run_demo("click_model", *options)
    assert "60 samples" in printed and "100.0% are right" in printed


def test_matrix_factorization(run_demo, tmp_path):
    printed = run_demo("matrix_factorization", "--epochs", "4")
    errors = numbers(printed, r"(?m)^epoch +\d+: RMSE ([\d.]+)")
    assert len(errors) == 4 and errors[-1] < 3.2
    item, *others = numbers(printed, r"item +27: (\d+), (\d+), (\d+), (\d+)")[0].astype(int)
    assert {item, *others} & {19, 28, 35, 26}, "a pixel is most like its neighbours"
    assert (tmp_path / "matrix_factorization.png").stat().st_size > 10_000


@pytest.mark.parametrize("sign", ["\t", "::", ","])
def test_matrix_factorization_reads_what_movielens_wrote(run_demo, tmp_path, sign):
    rng = np.random.default_rng(0)
    rows = [(u, i, 3 + u % 2, 881250949) for u in range(1, 21) for i in range(50, 70)]
    lines = [sign.join(map(str, row)) for row in rng.permutation(rows)]
    heading = ["userId,movieId,rating,timestamp"] if sign == "," else []
    (tmp_path / "ratings").write_text("\n".join(heading + lines))
    options = "--ratings", str(tmp_path / "ratings"), "--epochs", "3"
    printed = run_demo("matrix_factorization", *options)
    assert "ratings of 20 items by 20 users" in printed
    assert len(numbers(printed, r"(?m)^epoch +\d+: RMSE ([\d.]+)")) == 3


def test_ranking(run_demo, tmp_path):
    printed = run_demo("ranking", "--epochs", "12")
    found = numbers(printed, r"(?m)^epoch .* AUC ([\d.]+)%")
    assert len(found) == 12 and found[-1] > 91
    assert (tmp_path / "ranking.png").stat().st_size > 10_000


def test_ranking_reads_a_file_of_choices(run_demo, tmp_path):
    rng = np.random.default_rng(0)
    pairs = [(f"u{u}", f"{u % 2}{i}") for u in range(30) for i in rng.permutation(20)[:8]]
    (tmp_path / "choices").write_text("\n".join(map("\t".join, pairs)) + "\n")
    options = "--choices", str(tmp_path / "choices"), "--epochs", "30", "--rank", "4"
    printed = run_demo("ranking", *options)
    assert "210 choices among 40 items by 30 users" in printed


def test_word2vec(run_demo, tmp_path):
    printed = run_demo("word2vec", "--epochs", "5")
    losses = numbers(printed, r"(?m)^epoch .* loss ([\d.]+)")
    assert len(losses) == 5 and losses[-1] < 2.5
    (near,) = re.findall(r"(?m)^ *string: (.*)$", printed)
    related = {"sep", "fillchar", "suffix", "prefix", "formatted", "representation", "printable"}
    assert related & set(near.split(", ")), near


def test_word2vec_reads_any_text(run_demo, tmp_path):
    (tmp_path / "text").write_text("the cat sat on the mat\n" * 50, encoding="utf-8")
    options = "--text", str(tmp_path / "text"), "--epochs", "1", "--words", "cat", "dog"
    printed = run_demo("word2vec", *options)
    assert "300 words, 5 different ones" in printed
    assert "cat:" in printed and "dog:" not in printed


def test_mnist_mlp_on_scikit_learns_digits(run_demo, tmp_path, monkeypatch):
    monkeypatch.setenv("SYMGRAD_DATA", str(tmp_path))
    printed = run_demo("mnist_mlp", "--activation", "relu", "--epochs", "3")
    assert numbers(printed, r"(?m)^epoch +(\d+): loss").tolist() == [1, 2, 3]
    assert (tmp_path / "mnist_mlp.png").stat().st_size > 10_000
