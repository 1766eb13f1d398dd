# Every target does its own set-up: Python 3.11, 3.12 or 3.13 and make are all that a machine needs.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=
# Which build of TensorFlow and XGBoost: cpu or gpu.
BUILD ?= cpu
EXTRAS := $(if $(filter gpu,$(BUILD)),gpu,train),serve,audio,scores,demo,dev,bench
PINS := --constraint constraints.txt
# Whether a Python will do. Found by running it: a name on the path may be a shim without a Python
# behind it, and Debian's Python lacks venv until python3-venv is installed.
WORKS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
  $$python -c '$(WORKS)' 2>/dev/null && echo $$python && break; done)
# Tests without a cluster, a browser, or more than a few seconds each.
FAST := -m 'not slow and not long and not cluster and not browser'
# A Ray started by these targets is this person's alone: no token, every port on loopback.
export RAY_AUTH_MODE ?= disabled
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup demo serve watch docs pictures test test-pythons test-minimum drills coverage check format browser clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s  %s\n", $$1, $$2}'

# An environment that is there keeps its Python. uv resolves and links in seconds what pip takes
# minutes for; constraints.txt pins every version.
$(STAMP): pyproject.toml constraints.txt Makefile
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then echo "Updating $(VENV)."; \
	else \
	  python='$(PYTHON)'; "$${python:-false}" -c '$(WORKS)' 2>/dev/null || \
	  { echo "Tunesmith needs Python 3.11, 3.12 or 3.13 with venv: install one, or name it with PYTHON=/path/to/python."; exit 1; }; \
	  echo "Making $(VENV) with $$("$$python" --version): 3 GB on disk, 1 GB to download, 1 to 5 minutes."; \
	  "$$python" -m venv $(VENV); \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(PINS) --editable '.[$(EXTRAS)]'
	@touch $@

setup: $(STAMP) ## make .venv and install everything into it (BUILD=gpu for NVIDIA GPUs)

demo: $(STAMP) ## real scores to an answered request on 127.0.0.1:8000 (ARGS=--once to exit)
	@$(BIN)/tunesmith demo $(ARGS)

serve: $(STAMP) ## serve the champions on 127.0.0.1:8000
	@$(BIN)/tunesmith serve $(ARGS)

# What the next two need is added to the environment when they are first asked for.
watch: $(STAMP) ## open the dashboards of a search on loopback (ARGS=TASK to choose)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PINS) --editable '.[watch]'
	@$(BIN)/tunesmith watch $(ARGS)

docs: $(STAMP) ## make the site of the pages and the reference in build/site
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PINS) --editable '.[docs]'
	@$(BIN)/sphinx-build --quiet --fail-on-warning --jobs auto docs build/site
	@echo "build/site/index.html"

pictures: $(STAMP) browser ## take the pictures of README and docs from the running product
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PINS) --editable '.[watch]'
	@$(BIN)/python docs/pictures.py

# The page is tested in Debian's Chromium. Where it cannot be installed those tests are skipped.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get -qq update && apt-get -qq install -y chromium >/dev/null; } || \
	echo "No Chromium here and no right to install it: the page's tests will be skipped."

PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup --durations 25 --durations-min 5

test: $(STAMP) browser ## run all but the long tests (ARGS='-m "not slow"' to choose, ARGS='-n0 -s' to see output)
	@$(PYTEST) $(ARGS)

test-pythons: ## run the fast tests on every Python 3.11 to 3.13 that is installed, in build/python3.*
	@tested=; for minor in 11 12 13; do \
	  for python in python3.$$minor $$HOME/.pyenv/versions/3.$$minor.*/bin/python; do \
	    $$python -c '$(WORKS)' 2>/dev/null || continue; \
	    $(MAKE) --no-print-directory test VENV=build/python3.$$minor PYTHON=$$python ARGS="$(FAST)" || exit 1; \
	    tested="$$tested 3.$$minor"; break; \
	  done; \
	done; \
	test -n "$$tested" || { echo "No Python 3.11, 3.12 or 3.13 with venv found."; exit 1; }; \
	echo "Passed on Python$$tested."

test-minimum: ## run the fast tests on the lowest versions that pyproject.toml allows, in build/minimum
	@$(MAKE) --no-print-directory test VENV=build/minimum PINS='--resolution lowest-direct' ARGS="$(FAST)" \
	  $$(python3.11 -c '$(WORKS)' 2>/dev/null && echo PYTHON=python3.11)

drills: $(STAMP) ## break a cluster and a search on this machine in every way that must do no harm (ARGS="--only NAME")
	@$(BIN)/python benchmarks/drills.py $(ARGS)

coverage: $(STAMP) ## print how much of platform/ the fast tests run
	@$(PYTEST) --cov --cov-report=term:skip-covered $(FAST) $(ARGS)

check: $(STAMP) ## lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what set-up and tools made
	rm -rf $(VENV) build dist .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
