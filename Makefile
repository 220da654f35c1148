# Needs Python >= 3.11 and make; everything else comes from the locked requirements. `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
# `make test BACKEND=containers` takes PostgreSQL from a Docker engine.
BACKEND ?= embedded
export BACKEND
PYTEST := $(BIN)/python -m pytest
# One file of measurements a layer: each is judged by what it covers itself.
COVERED = COVERAGE_FILE=.coverage.$@ $(PYTEST) --cov=app --cov-report=term

.DEFAULT_GOAL := help
.PHONY: help run venv test test-unit test-integration test-e2e chaos bench-datastorage lint types format lock clean
# A stamp must not outlive a recipe that was interrupted.
.DELETE_ON_ERROR:

help: ## List the targets.
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  \1#\2/p' $(MAKEFILE_LIST) | while IFS='#' read -r name text; do printf '%-20s %s\n' "$$name" "$$text"; done

run: $(VENV)/.run ## Start PostgreSQL, Valkey and the service here (PORT, DATA_DIR, DATABASE_URL, REDIS_URL).
	@$(BIN)/datastorage dev

venv: $(VENV)/.test ## Make or refresh the virtual environment for developing.

# One after the other even under -j: they share cores, and time matters in some of them.
test: ## Run all tests, against real servers.
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-integration
	@$(MAKE) --no-print-directory test-e2e

test-unit: $(VENV)/.test ## Run the unit tests (at least 70 % of app/ covered).
	$(COVERED) --cov-fail-under=70 tests/unit

test-integration: $(VENV)/.test ## Run the tests against PostgreSQL and Valkey (at least 50 % covered).
	$(COVERED) --cov-fail-under=50 tests/integration

test-e2e: $(VENV)/.test ## Run the tests against the service under gunicorn.
	$(COVERED) tests/e2e

chaos: $(VENV)/.test ## Run the fault campaign (SECONDS=60 SEED=1).
	$(BIN)/python -m tests.chaos --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

bench-datastorage: $(VENV)/.test ## Measure the service against what this machine can do.
	$(BIN)/python -m tests.performance.bench

lint: $(VENV)/.test ## Check style, formatting and the directions of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.test ## Check the types.
	$(BIN)/mypy

format: $(VENV)/.test ## Bring the code into its form.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Resolve the requirements anew, with hashes.
	scripts/lock

clean: ## Remove what was made, except the data of `make run`.
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
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
$(VENV)/.run: requirements/dev.txt pyproject.toml $(VENV)/.made
	@$(call install,requirements/dev.txt)

$(VENV)/.test: requirements/test.txt pyproject.toml $(VENV)/.made
	@$(call install,requirements/test.txt)
	@touch $(VENV)/.run

# --no-build-isolation: setuptools is among the requirements, so that nothing comes from outside the lock.
define install
echo "installing $(1) into $(VENV)" && \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && touch $@
endef
