.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup up example test check test-long bench format lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv and install what is pinned

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Atalaia needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing packages (the first time takes about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@echo "$(CURDIR)/shared" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/atalaia-shared.pth"
	@touch $(STAMP)

up: $(STAMP) ## start the whole platform here: NATS, Postgres, Redis and the four services
	@exec $(BIN)/python -m services --with-parent $$PPID

example: $(STAMP) ## start examples/shop beside a running platform
	@exec env PYTHONPATH=shared:. $(BIN)/python -m examples.shop --with-parent $$PPID

test: $(STAMP) ## run the tests, against real servers that they start
	@$(BIN)/python -m pytest -m "not long"

test-long: $(STAMP) ## soaks and repeats: minutes
	@HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest tests/unit
	@$(BIN)/python -m pytest -m long

bench: $(STAMP) ## every figure about speed: minutes
	@$(BIN)/python -m benchmarks

check: $(STAMP) ## lint, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=shared:. $(BIN)/lint-imports

format: $(STAMP) ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## pin every dependency anew, with hashes (needs uv)
	@for group in collector alerting api loadgen platform dev bench; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    $(UPGRADE) --group $$group pyproject.toml -o requirements/$$group.txt || exit 1; done

clean: ## remove the environment, the caches and the local servers' data
	rm -rf $(VENV) .data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
