# Lizi: the same commands for people and CI. A fresh machine needs python3 (3.11 or newer, with venv), make and the network.
#
#   make run     set up, then serve http://127.0.0.1:8080 on a real local model
#   make test    set up, then pass the tests          (ARGS="-k veil -x" goes to pytest)
#   make lint    style, types, who imports whom, generated pages
#   make fix     what can be repaired by a program
#   make deep    the properties, with many more examples
#   make bench   measure, beside the rivals           (ARGS goes to benchmarks/bench.py)
#   make tour    the three-minute proof
#   make docs    write the generated reference pages
#   make clean   remove everything that can be made again (not models/ and var/)

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
MODEL := smollm2-135m
export LIZI_MODELS ?= $(CURDIR)/models
# Never fetch a Python: the one that is here is the one that people mean.
export UV_PYTHON_DOWNLOADS := never

# The first Python that is new enough; set PYTHON=… to choose.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)

.PHONY: help run test lint fix deep bench tour docs clean setup setup-dev model requirements

help:
	@sed -n 's/^#   //p' Makefile

run: setup model
	@$(BIN)/lizi serve --dev $(ARGS)

test: setup-dev model
	@$(BIN)/python -m pytest $(ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

fix: setup-dev
	$(BIN)/ruff check --fix .

deep: setup-dev
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest tests/rooms tests/wire tests/path $(ARGS)

bench: setup-dev
	$(BIN)/python benchmarks/bench.py $(ARGS)

tour: setup
	@$(BIN)/python -m tour $(ARGS)

docs: setup-dev
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv .tools dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage benchmarks/versus/.work

# --- setting up: each step leaves a stamp, so that the second time nothing is done -------------

setup: .venv/.installed
setup-dev: .venv/.installed-dev
model: $(LIZI_MODELS)/$(MODEL).gguf

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Lizi needs Python 3.11 or newer; set PYTHON=/path/to/python3." >&2; exit 1; }
	@command -v "$(UV)" >/dev/null 2>&1 || { echo "Setting up (once): uv …"; \
		$(PYTHON) -m venv .tools && .tools/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/tools.txt; }
	@$(UV) venv -q --allow-existing --python "$(PYTHON)" .venv

.venv/.installed: requirements/run.txt requirements/local.txt requirements/build.txt pyproject.toml | .venv/bin/python
	@echo "Setting up (once): Lizi and its libraries …"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(UV) pip install -q --python $(BIN)/python --require-hashes --only-binary xllamacpp -r requirements/local.txt \
		|| { echo "The engine for local models has no build for this machine; everything else works." >&2; \
		echo "Instead of the local model give a partner of yours: in lizi.toml set base_url and credential under [partners.NAME]," >&2; \
		echo "name it in the targets of [models.assistant] and [models.writer], and start with: $(BIN)/lizi serve" >&2; }
	@touch $@

.venv/.installed-dev: requirements/dev.txt .venv/.installed
	@echo "Setting up (once): tools for tests …"
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

$(LIZI_MODELS)/$(MODEL).gguf: | .venv/.installed
	@$(BIN)/lizi model get $(MODEL)

# Pins again from the ranges in pyproject.toml. The output names no host and no path.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
requirements:
	$(COMPILE) requirements/tools.in -o requirements/tools.txt
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) requirements/local.in -o requirements/local.txt
	$(COMPILE) pyproject.toml --extra dev --extra otel --extra hyperscan -c requirements/run.txt -o requirements/dev.txt
