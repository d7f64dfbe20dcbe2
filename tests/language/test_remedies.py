"""Names of other packages: the error says what to write."""

import pytest

import symgrad as sg


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("exp", "symgrad has no 'exp'; it is SymPy's: sympy.exp"),
        ("ceil", "sympy.ceiling"),
        ("maximum", "sympy.Max"),
        ("mse_loss", "write sg.mse"),
        ("eigh", "write sg.eigvalsh"),
        ("scan", "write a Python loop whose carried value sg.let names"),
        ("conv17d", "symgrad has no 'conv17d'$"),
        ("__wrapped__", "symgrad has no '__wrapped__'$"),
    ],
)
def test_a_name_of_another_package_says_what_to_write(name, text):
    assert not hasattr(sg, name)
    with pytest.raises(AttributeError, match=text):
        getattr(sg, name)


def test_torchs_logsigmoid_is_ours():
    assert sg.logsigmoid is sg.log_sigmoid
