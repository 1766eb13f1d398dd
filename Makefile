# Every target does its own set-up: Python 3.11 and make are all a fresh machine needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=
# Which build of TensorFlow and XGBoost: cpu or gpu.
BUILD ?= cpu
TRAINERS := $(if $(filter gpu,$(BUILD)),gpu,train)
# A Ray started by these targets is this person's alone: no token, every port on loopback.
export RAY_AUTH_MODE ?= disabled
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format watch serve clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# uv resolves and links in seconds what pip takes minutes for; constraints.txt pins every version.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[$(TRAINERS),serve,demo,dev,bench]'
	@touch $@

setup: $(STAMP) ## make .venv and install everything into it

demo: $(STAMP) ## real scores to an answered request on 127.0.0.1:8000 (ARGS=--once to exit)
	$(BIN)/python jobs/demo.py $(ARGS)

# The page is tested in Debian's Chromium. Where it cannot be installed those tests are skipped.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get -qq update && apt-get -qq install -y chromium >/dev/null; } || \
	echo "No Chromium here and no right to install it: the page's tests will be skipped."

test: $(STAMP) browser ## run the tests on all cores (ARGS='-m "not slow"' to choose, ARGS='-n0 -s' to see output)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup $(ARGS)

check: $(STAMP) ## lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The pages are optional tools: they are added to the environment when they are first asked for.
watch: $(STAMP) ## open the pages that show a search on loopback (ARGS=TASK to choose)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[watch]'
	$(BIN)/python jobs/watch.py $(ARGS)

.PHONY: docs
docs: $(STAMP) ## make the site of the pages and the reference in build/site
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[docs]'
	$(BIN)/sphinx-build --quiet --fail-on-warning --jobs auto docs build/site
	@echo "build/site/index.html"

serve: $(STAMP) ## serve the champions on 127.0.0.1:8000
	$(BIN)/serve run serve/config.yaml

clean: ## remove what set-up and tools made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
