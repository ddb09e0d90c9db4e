# Every target sets up .venv where it is missing or out of date, and installs nothing outside of it.
#
#   make demo PYTHON=python3.12                             another interpreter, 3.11 or newer
#   make demo CORPUS=ravdess:../shared/corpora/ravdess      real recordings instead of synthetic ones
#   make test PYTEST_ARGS="tests/test_audio.py -x"          a part of the tests
#   make test WORKERS=8                                     in eight processes instead of two
#
# On Linux pip's default build of PyTorch brings CUDA along, several gigabytes. For the CPU build:
#
#   make demo PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
CORPUS ?= synthetic
PYTEST_ARGS ?=
CORPORA ?= ../shared/corpora
WORKERS ?= 2
PYTEST = -m pytest --numprocesses $(WORKERS) --dist worksteal

RUN = .venv/bin/python
PIP_INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PIP_LOWEST = .venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints-lowest.txt

# The trained model, a distribution of its own.
MODEL = models/speech_emotions

.PHONY: help venv demo test test-lowest reliability lint audit format docs dist model bench bench-growth clean

help:
	@echo "make demo | test | test-lowest | lint | docs | dist | model | reliability | bench | bench-growth | audit | format | venv | clean"
	@echo "(options: the first lines of the Makefile)"

venv: .venv/.stamp

# Only the weights in resemblyzer are used, not its dependencies, of which one needs a compiler.
# setuptools comes first so that it is the pinned one that builds: an isolated build would fetch any.
.venv/.stamp: pyproject.toml constraints.txt $(MODEL)/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "skser needs Python 3.11 or newer and '$(PYTHON)' is none:" \
			"name one, as in 'make venv PYTHON=python3.12'." >&2; exit 1; }
	@echo "Setting up .venv, which takes some minutes the first time"
	@$(PYTHON) -m venv .venv
	@$(PIP_INSTALL) setuptools
	@$(PIP_INSTALL) --no-build-isolation --editable ".[plot,export,lint,test]" --editable $(MODEL)
	@$(PIP_INSTALL) --no-deps resemblyzer
	@touch $@

.venv/.stamp-docs: .venv/.stamp
	@$(PIP_INSTALL) --no-build-isolation --editable ".[docs]"
	@touch $@

.venv/.stamp-bench: .venv/.stamp
	@$(PIP_INSTALL) --no-build-isolation --editable ".[baselines]"
	@touch $@

demo: .venv/.stamp
	$(RUN) examples/quickstart.py --corpus "$(CORPUS)"

test: .venv/.stamp
	$(RUN) $(PYTEST) $(PYTEST_ARGS)

lint: .venv/.stamp
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy
	.venv/bin/lint-imports --no-cache --no-logo
	$(RUN) -m bandit --quiet --recursive skser
	$(RUN) -m numpydoc lint $$(find skser -name '*.py')

# Takes hours: kills, damaged files and recordings, random input, threads, processes, memory.
# RELIABILITY_ARGS="--only kills threads" runs some parts. Rows go to benchmarks/results/reliability.csv.
reliability: .venv/.stamp
	$(RUN) benchmarks/reliability/run.py $(RELIABILITY_ARGS)

# The lowest declared versions, torchaudio among them: 4.7 GB, and only for Python 3.11 and 3.12.
test-lowest: .venv-lowest/.stamp
	.venv-lowest/bin/python $(PYTEST) $(PYTEST_ARGS)

.venv-lowest/.stamp: pyproject.toml constraints-lowest.txt $(MODEL)/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { \
		echo "the lowest versions exist for Python 3.11 and 3.12, and '$(PYTHON)' is neither:" \
			"name one, as in 'make test-lowest PYTHON=python3.12'." >&2; exit 1; }
	@echo "Setting up .venv-lowest, which takes some minutes and 4.7 GB the first time"
	@$(PYTHON) -m venv .venv-lowest
	@{ $(PIP_LOWEST) setuptools && \
		$(PIP_LOWEST) --no-build-isolation --editable ".[plot,torchaudio,export,test]" --editable $(MODEL) && \
		$(PIP_LOWEST) --no-deps resemblyzer; } || { \
		echo "the lowest versions could not be installed in .venv-lowest (pip says why above):" \
			"a network is needed, and 5 GB of space." >&2; exit 1; }
	@.venv-lowest/bin/python -c "import torchaudio" || { \
		echo "torchaudio cannot be imported in .venv-lowest: let PIP_EXTRA_INDEX_URL name no CPU builds" \
			"of torch for it, and delete .venv-lowest." >&2; exit 1; }
	@touch $@

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

# Builds the sdists and wheels of skser and of the trained model, installs the wheels into an empty
# environment, and runs the README's example and the model there.
BUILD = -c "import sys; from setuptools import build_meta; \
	folder = sys.argv[1]; build_meta.build_sdist(folder); build_meta.build_wheel(folder)"
dist: .venv/.stamp
	@rm -rf dist build $(MODEL)/build .venv-dist
	$(RUN) $(BUILD) dist
	cd $(MODEL) && ../../$(RUN) $(BUILD) ../../dist
	@$(PYTHON) -m venv .venv-dist
	@.venv-dist/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	@.venv-dist/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--no-deps resemblyzer
	@awk '/^```python/ {inside = 1; next} /^```/ {exit} inside' README.md > dist/example.py
	@echo "from skser import load_pretrained; print(load_pretrained().predict(corpus.data[:3]))" >> dist/example.py
	cd dist && ../.venv-dist/bin/python example.py
	@rm -rf build $(MODEL)/build .venv-dist dist/example.py

# Trains the model "speech-emotions" from CORPORA, a folder that contains ravdess/ and nemo/.
model: .venv/.stamp
	$(RUN) benchmarks/ready_model.py $(CORPORA) $(MODEL)/skser_speech_emotions/model.safetensors

# Run nothing else meanwhile. BENCH_ARGS="--only import", "--threads 2", "--device cuda" and so on.
BENCH_ARGS ?=
bench: .venv/.stamp-bench
	$(RUN) benchmarks/speed/bench.py $(BENCH_ARGS)

# Up to 8,000 utterances; all sizes of the page: BENCH_ARGS="--sizes 500 2000 8000 50000".
bench-growth: .venv/.stamp
	$(RUN) benchmarks/speed/growth.py $(BENCH_ARGS)

clean:
	rm -rf .venv .venv-audit .venv-dist .venv-lowest build dist docs/_build docs/generated *.egg-info
	rm -rf $(MODEL)/build $(MODEL)/*.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
