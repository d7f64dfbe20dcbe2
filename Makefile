# Every target sets up what it needs in .venv, once; only make and Python 3.11 or newer are assumed.

PYTHON ?= python3
BIN    := .venv/bin
RUN    := $(BIN)/python
SPREAD := -n auto --dist worksteal  # tests over all cores

.PHONY: demo test test-full bench lint clean
.DELETE_ON_ERROR:

demo: .venv/.demos
	$(RUN) demos/mnist_mlp.py

test: .venv/.test
	$(RUN) -m pytest $(SPREAD)

test-full: .venv/.test
	$(RUN) -m pytest $(SPREAD) -m "full or not full" --hypothesis-profile=full

bench: .venv/.bench
	$(RUN) -m tests.bench

lint: .venv/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info demos/output
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find symgrad demos tests -name __pycache__ -type d -exec rm -rf {} +

.venv/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "symgrad needs Python 3.11")'
	$(PYTHON) -m venv .venv
	touch $@

# .venv/.<extra> says that the optional dependencies called <extra> are installed.
.venv/.demos .venv/.test .venv/.bench .venv/.lint: .venv/.%: .venv/.python pyproject.toml
	$(RUN) -m pip install --quiet --editable '.[$*]'
	touch $@
