# Two commands matter: `make run` and `make test`. Both set everything up first; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Cached bytecode saves seconds in every one of the stack's processes.
unexport PYTHONDONTWRITEBYTECODE

UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/.ready
# A file's tests stay together: they may share a stack.
# In the order of their names, so that the end-to-end run, the longest file, starts first.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup run test test-all lint bench clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

setup: $(READY) ## Create .venv and install exactly what requirements.lock names

$(READY): requirements.lock pyproject.toml
	@bash scripts/setup.sh "$(UV_VERSION)"
	@touch $@

run: $(READY) ## Start everything and run the line: make run [ONCE=1] [DATA=folder]
	@$(BIN)/ledgerline run $(if $(ONCE),--once) $(if $(DATA),--data "$(DATA)")

test: $(READY) ## The tests that every change must pass
	@$(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(ARGS)

test-all: $(READY) ## Those and the slow sweeps
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: $(READY) ## What pre-commit and CI hold: ruff, mypy, import-linter
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(READY) ## Every benchmark, one after the other; each prints its figures as JSON
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file $(ARGS); done

clean: ## Stop a running stack and remove its state (.ledgerline); the installation stays
	@if [ -x $(BIN)/ledgerline ]; then $(BIN)/ledgerline down; fi
	@rm -rf .ledgerline
