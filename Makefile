# Every target works from a fresh checkout with Python >= 3.11, Node >= 20, make and git: `run`, `test` and `check`
# do the set-up by themselves. `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := .venv/.installed
BENCH_INSTALLED := .venv/.installed-bench
CLIENTS_INSTALLED := build/clients/.installed
WEB_CLIENT := src/raftline/web/static/converse/.copied
CONSOLE := src/raftline/console/static/.built
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" build/lock/bin/uv pip compile --python-version 3.11 --universal \
	--generate-hashes --no-emit-index-url --no-emit-find-links --quiet
PYTEST := $(BIN)/python -m pytest
SLOW_DIRS := tests/integration tests/browser tests/clients

.PHONY: help setup run test test-all spread clients sim bench check claims fmt lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) $(WEB_CLIENT) $(CONSOLE) ## Install pinned dependencies into .venv, copy the web client from npm, build the console

$(INSTALLED): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Raftline needs Python 3.11 or newer.")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(WEB_CLIENT): package.json package-lock.json .npmrc scripts/copy_web_client.py | $(INSTALLED)
	npm ci --silent
	$(BIN)/python scripts/copy_web_client.py
	@touch $@

# Types are checked first. Everything in the folder is taken for a source.
$(CONSOLE): $(shell find frontend/console -type f) | $(WEB_CLIENT)
	npm run --silent console
	@touch $@

run: setup ## Start a three-node cluster on loopback and print what to open
	$(BIN)/raftline up --open-registration --allow-plaintext

# Twice three minutes of simulation come first: seeds that nobody has seen, two at a time.
test: setup $(CLIENTS_INSTALLED) ## All tests but the long ones: simulation, the cheap ones on both cores, then real processes one by one
	$(MAKE) --no-print-directory sim MINUTES=3 JOBS=2
	$(PYTEST) -m "not long" -n 2 $(addprefix --ignore=,$(SLOW_DIRS)) tests
	$(PYTEST) -m "not long" -p no:randomly -s $(SLOW_DIRS)

test-all: setup $(CLIENTS_INSTALLED) ## All tests, the long ones too, and more simulation
	$(MAKE) --no-print-directory sim MINUTES=30 JOBS=2
	$(PYTEST) -n 2 $(addprefix --ignore=,$(SLOW_DIRS)) tests
	$(MAKE) --no-print-directory spread
	$(MAKE) --no-print-directory spread KILLS=1
	$(PYTEST) -p no:randomly -s $(SLOW_DIRS)

# KILLS=1: while leaders die. SEED: when they do, as a former run has printed it. TESTS: which, all by default.
spread: setup ## The XEP tests once more, over three real nodes
	PYTHONPATH=tests $(PYTEST) -p spread.over_nodes $(if $(KILLS),--kill-leaders) $(if $(SEED),--kill-seed=$(SEED)) \
		$(or $(TESTS),tests/xmpp_im)

clients: setup $(CLIENTS_INSTALLED) ## Real chat clients against a cluster; writes docs/clients.md
	RAFTLINE_REQUIRE_ALL_TESTS=1 REWRITE=1 $(PYTEST) -p no:randomly tests/clients

$(CLIENTS_INSTALLED): requirements/clients.txt $(INSTALLED)
	$(PIP) install --quiet --require-hashes --only-binary :all: --no-deps --upgrade --target $(@D) -r $<
	@touch $@

# SEED: the first seed, drawn if absent. MINUTES: how long. JOBS: how many processes. KIND: core, stack or both.
# SEEDS: stop after so many.
sim: $(INSTALLED) ## Simulated clusters of fresh seeds for some minutes; a seed that fails says how to run it again
	PYTHONPATH=tests:src $(BIN)/python -m sim $(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),1) \
		--jobs $(or $(JOBS),1) $(if $(KIND),--kind $(KIND)) $(if $(SEEDS),--seeds $(SEEDS))

# SCENARIOS, SERVERS: names, all by default. ROUNDS, OUT: how often, where to. BENCH_OPTIONS: see `python -m bench --help`.
bench: setup $(BENCH_INSTALLED) ## Measure Raftline beside its peers, which must be installed: docs/benchmarks/README.md
	$(BIN)/python -m bench $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(SERVERS),--servers $(SERVERS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(OUT),--out $(OUT)) $(BENCH_OPTIONS)

$(BENCH_INSTALLED): requirements/bench.txt $(INSTALLED)
	$(PIP) install --quiet --require-hashes --only-binary :all: -r requirements/bench.txt
	@touch $@

check: $(INSTALLED) ## Format, lint, types, import rules, house rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) -q tests/tidy

claims: $(INSTALLED) ## Write doap.xml and docs/xeps.md from the modules and tests/requirements
	PYTHONPATH=tests $(BIN)/python -m claims write

fmt: $(INSTALLED) ## Format, and fix what can be fixed by itself
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

lock: $(INSTALLED) ## Pin dependencies anew from pyproject.toml and package.json
	test -x build/lock/bin/python || $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements/lock.txt
	$(LOCK) --upgrade pyproject.toml -o requirements/run.txt
	$(LOCK) --upgrade pyproject.toml --group dev --group build -c requirements/run.txt -o requirements/dev.txt
	$(LOCK) --upgrade requirements/bench.in -o requirements/bench.txt
	$(LOCK) --upgrade --no-deps requirements/clients.in -o requirements/clients.txt
	$(LOCK) --upgrade requirements/lock.in -o requirements/lock.txt
	npm install --package-lock-only
