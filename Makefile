# Needs Python >= 3.11 and make; everything else comes from the locked requirements. `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
# `make test BACKEND=containers` takes PostgreSQL and Valkey from a Docker engine, BACKEND=debian the oldest PostgreSQL
# among Debian's packages.
BACKEND ?= embedded
export BACKEND
PYTEST := $(BIN)/python -m pytest
# Two at a time, a file's tests together: each process has servers of its own.
PARALLEL := -n 2 --dist loadfile
# What takes long as well, more made-up cases, more rolling restarts, more failovers.
NIGHTLY := HYPOTHESIS_PROFILE=nightly ROLLING_ROUNDS=10 SENTINEL_KILLS=10 FOLLOWER_KILLS=200 EXPORT_KILLS=40 FOLLOW_KILLS=100 $(PYTEST) -m "nightly or not nightly" --timeout 900

# What making a wheel leaves beside the code. Old metadata there would be found before that of the environment, and with
# it old commands; old modules would go into the next wheel.
BUILT := build *.egg-info clients/python/build clients/python/src/*.egg-info

.DEFAULT_GOAL := help
.PHONY: help run venv check hooks test test-unit test-integration test-debian test-pgbouncer test-e2e test-counts check-counts update-counts test-system test-nightly coverage test-contract test-e2e-datastorage wheels image test-image test-kind manifests chaos bench-datastorage bench-large bench-slow-clients bench-greedy bench-export check-performance-baseline update-performance-baseline test-performance loadtest lint types client openapi format lock clean
# A stamp must not outlive a recipe that was interrupted.
.DELETE_ON_ERROR:

help: ## List the targets.
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  \1#\2/p' $(MAKEFILE_LIST) | while IFS='#' read -r name text; do printf '%-28s %s\n' "$$name" "$$text"; done

run: $(VENV)/.run ## Start PostgreSQL, Valkey and the service here (PORT, DATA_DIR, DATABASE_URL, REDIS_URL).
	@$(BIN)/datastorage dev

venv: $(VENV)/.test ## Make or refresh the virtual environment for developing.

check: lint types test-unit ## Check style, format, directions of imports and types, and run the unit tests: under 90 seconds.

hooks: ## Have git check the files that are staged before each commit (scripts/check-changed).
	@hook="$$(git rev-parse --git-path hooks)/pre-commit"; \
	if [ -e "$$hook" ] && ! grep -qs check-changed "$$hook"; then \
	  echo "$$hook is there and is another: call scripts/check-changed from it" >&2; exit 1; \
	fi; \
	mkdir -p "$${hook%/*}" && printf '#!/bin/sh\nexec scripts/check-changed\n' >"$$hook" && chmod +x "$$hook" && echo "made $$hook"

# One after the other even under -j: each takes two cores.
test: ## Run what every change has to pass, against real servers: under five minutes on two cores.
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-integration
	@$(MAKE) --no-print-directory test-e2e
	@$(MAKE) --no-print-directory test-counts

test-unit: $(VENV)/.test ## Run the unit tests.
	$(PYTEST) $(PARALLEL) tests/unit

test-integration: $(VENV)/.test ## Run the tests against PostgreSQL and Valkey.
	$(PYTEST) $(PARALLEL) tests/integration

test-debian: $(VENV)/.test ## Run the integration tests on the PostgreSQL of Debian's packages (15 on Debian 12).
	BACKEND=debian $(PYTEST) $(PARALLEL) tests/integration

test-pgbouncer: $(VENV)/.test ## Run the integration tests with PgBouncer in transaction mode in front of PostgreSQL.
	POOLER=pgbouncer $(PYTEST) tests/integration

test-e2e: $(VENV)/.test ## Run the tests against the service under gunicorn.
	$(PYTEST) $(PARALLEL) tests/e2e

test-e2e-datastorage: $(VENV)/.test ## Run the end-to-end tests that break nothing against a deployment (BASE_URL=https://… TOKEN=…).
	$(PYTEST) tests/e2e/deployment

wheels: $(VENV)/.test ## Build the wheels of the service and of the client into dist/.
	rm -rf $(BUILT) dist
	$(BIN)/python -m pip wheel --quiet --no-index --no-build-isolation --no-deps --wheel-dir dist . clients/python
	rm -rf $(BUILT)

image: ## Build the container image (IMAGE=datastorage:dev; ENGINE=docker or podman).
	scripts/build-image

test-image: $(VENV)/.test ## Build the image without cache and run the end-to-end tests that break nothing against it.
	scripts/build-image --no-cache
	scripts/test-image

test-system: $(VENV)/.test ## Run the tests that need packages of Debian's (scripts/debian-packages system); each says what it lacks.
	$(PYTEST) tests/system

# Figures of time are judged here and nowhere before: run it on a machine that does nothing else.
test-nightly: $(VENV)/.test ## Run everything, what takes long too: campaigns, large tables, many made-up cases, timed ratios.
	$(NIGHTLY) $(PARALLEL) tests/unit tests/integration tests/e2e
	$(NIGHTLY) tests/system
	$(MAKE) --no-print-directory test-counts
	$(MAKE) --no-print-directory test-contract EXAMPLES=40
	$(MAKE) --no-print-directory chaos SECONDS=120
	$(MAKE) --no-print-directory coverage
	$(MAKE) --no-print-directory check-performance-baseline
	$(MAKE) --no-print-directory test-performance

coverage: $(VENV)/.test ## Run unit, integration and end-to-end tests and show what of app/ they cover (at least 97 %).
	rm -f .coverage .coverage.*
	for layer in unit integration e2e; do \
	  $(PYTEST) $(PARALLEL) --cov --cov-append --cov-report= tests/$$layer || exit 1; \
	done
	$(BIN)/python -m coverage report --skip-covered --fail-under=97

test-kind: $(VENV)/.test ## Install the chart into a Kind cluster and run the end-to-end tests that break nothing there.
	scripts/test-kind

manifests: $(VENV)/.test ## Render the chart into deploy/kubernetes (HELM=helm).
	$(BIN)/python scripts/render-chart

.PHONY: test-client-outage bench-client
test-client-outage: $(VENV)/.test ## Try the client's buffered store with 100,000 events through outages, in memory and with the spool.
	CLIENT_OUTAGE_EVENTS=100000 $(PYTEST) tests/e2e/test_buffered_store.py -k outage

bench-client: $(VENV)/.test ## Measure how long the buffered store's store() takes.
	$(BIN)/python clients/python/benchmarks/store.py

chaos: $(VENV)/.test ## Run the fault campaign (SECONDS=60 SEED=1).
	$(BIN)/python -m bench.campaign --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

test-contract: $(VENV)/.test ## Test the service against its document with thousands of made-up requests (EXAMPLES=150 SEED=1).
	$(BIN)/python -m bench.contract --examples $(or $(EXAMPLES),150) --seed $(or $(SEED),1)

bench-datastorage: $(VENV)/.test ## Measure the service against what this machine can do (RUNS=3, JSON=bench.json).
	$(BIN)/python -m bench.measure --runs $(or $(RUNS),1) --json $(or $(JSON),bench.json)

bench-large: $(VENV)/.test ## Measure many stored events against one million (ROWS=10000000 DATA=folder to keep).
	$(BIN)/python -m bench.large --rows $(or $(ROWS),10000000) $(if $(DATA),--data $(DATA))

bench-slow-clients: $(VENV)/.test ## Measure what silent and slow clients cost the others (ROUNDS=3, JSON=file).
	$(BIN)/python -m bench.slow_clients --rounds $(or $(ROUNDS),3) $(if $(JSON),--json $(JSON))

bench-greedy: $(VENV)/.test ## Measure what one caller that asks without end costs the others (ROUNDS=3, JSON=file).
	$(BIN)/python -m bench.greedy --rounds $(or $(ROUNDS),3) $(if $(JSON),--json $(JSON))

bench-export: $(VENV)/.test ## Measure exports of many events (ROWS=1000000, JSON=file).
	$(BIN)/python -m bench.export --rows $(or $(ROWS),1000000) $(if $(JSON),--json $(JSON))

loadtest: $(VENV)/.test ## Run a load scenario (SCENARIO=write_storm BASE_URL= PROCESSES=2 SECONDS= ROWS= WEB=1).
	@$(BIN)/python -m loadtests $(or $(SCENARIO),write_storm) $(if $(BASE_URL),--base-url $(BASE_URL)) \
	  $(if $(PROCESSES),--processes $(PROCESSES)) $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(ROWS),--rows $(ROWS)) $(if $(WEB),--web)

check-performance-baseline: $(VENV)/.test ## Hold the service against .perf-baseline.json (SHORT=1: ratios alone).
	$(BIN)/python -m bench.check $(if $(SHORT),--short)

update-performance-baseline: $(VENV)/.test ## Accept what is measured now as the baseline, and note it in the history.
	$(BIN)/python -m bench.check --update

test-performance: $(VENV)/.test ## Test that the performance check notices a slower service.
	$(PYTEST) tests/bench

check-counts: $(VENV)/.test ## Hold what the service does, counted, against tests/counts/baseline.json (ONLY=event, JSON=file).
	$(BIN)/python -m tests.counts $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON))

update-counts: $(VENV)/.test ## Accept what is counted now as the baseline (ONLY=event).
	$(BIN)/python -m tests.counts --update $(if $(ONLY),--only $(ONLY))

# Without coverage, whose tracer would be counted.
test-counts: $(VENV)/.test ## Test that the counts hold, and that the check notices what makes the service slower.
	$(PYTEST) tests/counts

lint: $(VENV)/.test ## Check style, formatting and the directions of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.test ## Check the types.
	$(BIN)/mypy

openapi: $(VENV)/.test ## Write the API document anew from its source and the schemas of the code.
	$(BIN)/python -m scripts.openapi

client: $(VENV)/.test ## Write the models and operations of the Python client from the API document, and its client.py from aio.py.
	$(BIN)/python -m scripts.client

format: $(VENV)/.test ## Bring the code into its form.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Resolve the requirements anew, with hashes.
	scripts/lock

clean: ## Remove what was made, except the data of `make run`.
	rm -rf $(VENV) dist $(BUILT) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -f .coverage .coverage.*

# An environment that is there and works is kept.
$(VENV)/.made:
	@if $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then touch $@; exit; fi; \
	for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer is needed, and there is only: $$(python3 --version 2>/dev/null || echo none). Install python3.11." >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$found cannot make virtual environments: install python3-venv (Debian, Ubuntu) or another Python." >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV) && touch $@

# requirements/test.txt holds what requirements/dev.txt does, and more: whichever was installed last, both work.
$(VENV)/.run: requirements/dev.txt pyproject.toml clients/python/pyproject.toml $(VENV)/.made
	@$(call install,requirements/dev.txt)

$(VENV)/.test: requirements/test.txt pyproject.toml clients/python/pyproject.toml $(VENV)/.made
	@$(call install,requirements/test.txt)
	@touch $(VENV)/.run

# --no-build-isolation: setuptools is among the requirements, so that nothing comes from outside the lock.
define install
echo "installing $(1) into $(VENV)" && \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e clients/python && \
rm -rf $(BUILT) && touch $@
endef
