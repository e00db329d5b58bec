.DEFAULT_GOAL := help
.PHONY: help demo test fast check check-code check-tests bench native race format docs environment

SHELL := /bin/sh
PYTHON := .venv/bin/python
SOURCES := accounts idp migration_tools tests bench demo examples scripts
PRESENT := $(wildcard $(SOURCES))
# Rounds of each race between 64 racers: a few while working, a thousand in CI.
export YITONG_RACE_ROUNDS ?= $(if $(CI),1000,20)
PERSONS ?= 10000
# Tests that read the code, the documents and the catalogues. They need no database server and no browser.
CHECKS := tests/architecture tests/journeys/test_pages_catalogues.py

help: ## List every target
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Start a city with four services on this machine; RESET=1 starts over
	@scripts/environment demo
	@$(PYTHON) demo/run.py

test: environment ## Install what the tests need, then run all of them; ARGS=tests/unit runs those alone
	@scripts/install-test-tools
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@$(PYTHON) -m pytest -n auto --dist worksteal -m "not alone" $(if $(CHECKED),$(CHECKS:%=--ignore=%))
	@$(PYTHON) -m pytest -m alone
endif

fast: environment ## The protocol, the pages and the units on SQLite: the tests to run while working
	@$(PYTHON) -m pytest -q -n auto -m "not race and not browser" -k "not postgresql" tests/unit tests/protocol tests/journeys $(CHECKS:%=--ignore=%) $(ARGS)

check: environment ## Formatting, lint, types, import rules; what an entry of a registry still lacks
	@$(MAKE) --no-print-directory -j2 --output-sync=target check-code check-tests

check-code:
	@$(PYTHON) -m ruff format --check $(PRESENT)
	@$(PYTHON) -m ruff check $(PRESENT)
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports

check-tests:
	@$(PYTHON) -m pytest -q $(CHECKS)

bench: native ## Measure beside node-oidc-provider; PERSONS=5000000 for a full city
	@scripts/install-test-tools
	@PYTHONPATH=. $(PYTHON) bench/run.py --persons $(PERSONS) $(ARGS)

native: environment ## Build Argon2 for this machine's processor: faster password checks, the same hashes
	@scripts/native-argon2

race: environment ## Race every single-use thing: 64 racers, 1,000 rounds, both databases
	@scripts/install-test-tools
	@YITONG_RACE_ROUNDS=1000 $(PYTHON) -m pytest -m race

format: environment ## Rewrite the code as the formatter has it
	@$(PYTHON) -m ruff format $(PRESENT)
	@$(PYTHON) -m ruff check --fix $(PRESENT)

docs: environment ## Rewrite what is made from the code: references, catalogues of messages
	@$(PYTHON) scripts/build-docs

environment:
	@scripts/environment development
