# Every target sets up .venv where it is missing or out of date, and installs nothing outside of it.
#
#   make demo PYTHON=python3.12                             another interpreter, 3.11 or newer
#   make demo CORPUS=ravdess:../shared/corpora/ravdess      real recordings instead of synthetic ones
#   make test PYTEST_ARGS="tests/test_audio.py -x"          a part of the tests
#
# On Linux pip's default build of PyTorch brings CUDA along, several gigabytes. For the CPU build:
#
#   make demo PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
CORPUS ?= synthetic
PYTEST_ARGS ?=

RUN = .venv/bin/python
PIP_INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help venv demo test lint audit format docs bench bench-growth clean

help:
	@echo "make demo | test | lint | audit | format | docs | bench | bench-growth | venv | clean (options: the first lines of the Makefile)"

venv: .venv/.stamp

# setuptools comes first so that it is the pinned one that builds: an isolated build would fetch any.
.venv/.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "skser needs Python 3.11 or newer and '$(PYTHON)' is none:" \
			"name one, as in 'make venv PYTHON=python3.12'." >&2; exit 1; }
	@echo "Setting up .venv, which takes some minutes the first time"
	@$(PYTHON) -m venv .venv
	@$(PIP_INSTALL) setuptools
	@$(PIP_INSTALL) --no-build-isolation --editable ".[plot,export,test]"
	@touch $@

.venv/.stamp-docs: .venv/.stamp
	@$(PIP_INSTALL) --no-build-isolation --editable ".[docs]"
	@touch $@

demo: .venv/.stamp
	$(RUN) examples/quickstart.py --corpus "$(CORPUS)"

test: .venv/.stamp
	$(RUN) -m pytest $(PYTEST_ARGS)

lint: .venv/.stamp
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy
	$(RUN) -m bandit --quiet --recursive skser
	$(RUN) -m numpydoc lint $$(find skser -name '*.py')

# Needs a network: known vulnerabilities of what is pinned. The auditor has an environment of its own.
audit:
	@test -d .venv-audit || $(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

format: .venv/.stamp
	$(RUN) -m ruff format
	$(RUN) -m ruff check --fix

docs: .venv/.stamp-docs
	$(RUN) -m sphinx -W --keep-going --fresh-env -b html docs docs/_build/html
	@rm -rf examples/demo  # where the scripts of the gallery left their pictures

# Nothing else should run meanwhile. BENCH_ARGS="--only import", "--threads 2", "--device cuda" and so on.
BENCH_ARGS ?=
bench: .venv/.stamp
	$(RUN) benchmarks/speed/run.py $(BENCH_ARGS)

# Up to 8,000 utterances; BENCH_ARGS="--sizes 500 2000 8000 50000" is the whole.
bench-growth: .venv/.stamp
	$(RUN) benchmarks/speed/growth.py $(BENCH_ARGS)

clean:
	rm -rf .venv .venv-audit build dist docs/_build docs/generated *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
