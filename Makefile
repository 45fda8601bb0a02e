# hutong: everything a newcomer, a contributor or a CI machine runs. Needs Python 3.11 or newer with pip and venv, and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

PORT ?= 8000
SALES ?= 100000
SEED ?= 1
SEEDS ?= 10
FAULTS ?= 1
HOST ?= 127.0.0.1
# Processes that tests run in: one more than the cores that the time is promised for, because tests also wait.
WORKERS ?= 3
PYTEST ?=
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$each >/dev/null 2>&1 && $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$each; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq
LOCK := pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --universal

.PHONY: help
help: ## Say what there is
	@echo 'make TARGET, where TARGET is one of'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'
	@echo 'PORT=8000 chooses the port of demo and serve.'

.PHONY: demo
demo: run-setup ## Set up, then run the demonstration network with live trade on http://localhost:PORT
	@exec $(BIN)/hutong demo --host $(HOST) --port $(PORT) $(ARGS)

.PHONY: serve
serve: run-setup ## Set up, then run an empty network on http://localhost:PORT
	@exec $(BIN)/hutong serve --host $(HOST) --port $(PORT) $(ARGS)

.PHONY: test
test: setup ## Set up, then run every test (PYTEST='-k tills' passes options on)
	@command -v chromium >/dev/null 2>&1 || test -n "$$HUTONG_CHROMIUM" || \
		echo 'No chromium here: browser tests will be skipped. Debian: apt-get install chromium fonts-noto-cjk'
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m 'not slow and not real' $(PYTEST)

.PHONY: test-slow
test-slow: setup ## The tests that take longer: whole programs killed and started again, the real files, feeds that go late
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m 'slow and not real' $(PYTEST)

.PHONY: real-input
real-input: setup ## Send both whole real data files through the API and check every penny (minutes; needs ../shared/data)
	HUTONG_REAL_INPUT=1 $(BIN)/python -m pytest -q -s -m real tests/importer

.PHONY: simulate-payments
simulate-payments: setup ## Tell SALES stories of payments under faults (SALES=1000000 SEED=1 SEEDS=10 FAULTS=1 or 4); last line JSON
	PYTHONPATH=src $(BIN)/python -m tests.simulation.payments --sales $(SALES) --seed $(SEED) --seeds $(SEEDS) --faults $(FAULTS)

.PHONY: fuzz
fuzz: setup ## The generated tests with a hundred times as many examples (half an hour and more)
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -q -n $(WORKERS) --timeout 7200 tests/security $(PYTEST)

.PHONY: conformance
conformance: setup ## Let Alipay's own SDK and another client judge the sandbox (their environments are made once: minutes, 450 MB)
	$(BIN)/python conformance/run.py

.PHONY: check
check: setup ## Style, types, floors and size limits
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict src
	PYTHONPATH=src $(BIN)/lint-imports
	$(BIN)/python scripts/check_sizes.py
	$(BIN)/python scripts/check_doors.py
	$(BIN)/python scripts/check_text.py

.PHONY: format
format: setup ## Put the code into the one format and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: setup ## Run all benchmarks; each prints one line of JSON last
	$(BIN)/hutong bench all $(ARGS)

.PHONY: wheel
wheel: setup ## Build the wheel, browser files included, into dist/
	$(BIN)/python -m build --wheel --no-isolation

.PHONY: lock
lock: ## Renew requirements/*.txt after a change to *.in (needs uv)
	uv $(LOCK) requirements/run.in -o requirements/run.txt
	uv $(LOCK) requirements/build.in -o requirements/build.txt
	uv $(LOCK) requirements/node.in -o requirements/node.txt
	uv $(LOCK) requirements/dev.in -o requirements/dev.txt

.PHONY: clean
clean: ## Remove what was built and fetched; keeps .data (the network's database)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/hutong/platform/web/static/vendor
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. Each step leaves a stamp and is done again only when what it depends on has changed.

.PHONY: setup run-setup
setup: $(VENV)/.dev run-setup ## All that demo, tests and checks need, and nothing twice
run-setup: $(VENV)/.run $(VENV)/.project $(VENV)/.browser

$(VENV)/.made:
	@test -n '$(PYTHON)' || { echo 'hutong needs Python 3.11 or newer, and none was found; PYTHON=/path/to/python names one'; exit 1; }
	@echo 'Setting up: a Python environment in $(VENV)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo 'the module venv does not work here; Debian: apt-get install python3-venv'; exit 1; }
	@touch $@

$(VENV)/.run: requirements/run.txt | $(VENV)/.made
	@echo 'Setting up: packages that hutong runs on (a minute or two)'
	@$(PIP) --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.run
	@echo 'Setting up: packages for tests and checks (a minute)'
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.node: requirements/node.txt | $(VENV)/.made
	@command -v npm >/dev/null 2>&1 || { echo 'Setting up: npm from a wheel'; $(PIP) --require-hashes -r requirements/node.txt; }
	@touch $@

$(VENV)/.browser: scripts/fetch_browser_files.py $(VENV)/.node | $(VENV)/.run
	@$(BIN)/python scripts/fetch_browser_files.py
	@touch $@

$(VENV)/.project: pyproject.toml requirements/build.txt | $(VENV)/.run
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
