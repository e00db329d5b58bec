.DEFAULT_GOAL := help
.PHONY: help demo test check bench format docs environment

SHELL := /bin/sh
PYTHON := .venv/bin/python
SOURCES := accounts idp migration_tools tests bench demo examples scripts
PRESENT := $(wildcard $(SOURCES))

help: ## List every target
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Start a city with two services on this machine; RESET=1 starts over
	@scripts/environment demo
	@$(PYTHON) demo/run.py

test: environment ## Install what the tests need, then run all of them
	@scripts/install-test-tools
	@$(PYTHON) -m pytest $(ARGS)

check: environment ## Formatting, lint, types, import rules, test data
	@$(PYTHON) -m ruff format --check $(PRESENT)
	@$(PYTHON) -m ruff check $(PRESENT)
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports
	@$(PYTHON) scripts/check-test-data

bench: environment ## Measure the endpoints beside a peer
	@$(PYTHON) bench/run.py $(ARGS)

format: environment ## Rewrite the code as the formatter has it
	@$(PYTHON) -m ruff format $(PRESENT)
	@$(PYTHON) -m ruff check --fix $(PRESENT)

docs: environment ## Rewrite the parts of the documentation that are made from the code
	@$(PYTHON) scripts/build-docs

environment:
	@scripts/environment development
