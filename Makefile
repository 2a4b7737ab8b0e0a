# Gantry. `make help` lists what there is.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
NAME   ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types imports lock bench soak compose up down format

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 10

demo: $(READY) ## the whole of Gantry with twins of its devices and of the platform; DEMO_SECONDS=30 ends it by itself
	@$(BIN)/gantry up --demo

test: $(READY) ## all tests, on real embedded servers, one per core (at most 4)
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal

check: lint types imports test ## what CI runs

lint: $(READY) ## style, and lock files that name no host
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@! grep -n '://' requirements*.lock

types: $(READY) ## mypy, strict
	$(BIN)/mypy

imports: $(READY) ## the boundaries between the parts
	$(BIN)/lint-imports

format: $(READY) ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

compose: $(READY) ## the stack of docker-compose.yml on this machine's Docker engine: contained, scaled, cut off, killed, audited
	$(BIN)/pytest tests/compose --timeout 0

lock: $(READY) ## resolve the dependencies anew into hashed lock files
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --no-header -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --no-header -q -o requirements-dev.lock
	echo hatchling | $(BIN)/uv pip compile - -c requirements-dev.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements-build.lock

bench: $(READY) ## figures, one JSON line each: make bench NAME=pipeline, or NAME=delivery PART=singles,arrays
	@test -f benchmarks/$(NAME).py || { echo "NAME is one of: $$(ls benchmarks/*.py | xargs -n1 basename | sed s/.py// | tr '\n' ' ')"; exit 2; }
	@$(BIN)/python benchmarks/$(NAME).py

soak: $(READY) ## long trials: make soak NAME=scripts, kills, delivery, outage, journal or dashboard
	@case "$(NAME)" in \
	scripts) TRIAL_EXAMPLES=$${TRIAL_EXAMPLES:-400} TRIAL_STEPS=$${TRIAL_STEPS:-250} $(BIN)/pytest tests/trial --timeout 0 -s ;; \
	kills) KILLS_EVENTS=$${KILLS_EVENTS:-10000} KILLS_RATE=$${KILLS_RATE:-200} $(BIN)/pytest tests/end_to_end/test_kills.py --timeout 0 -s ;; \
	delivery) DELIVERY_SECONDS=$${DELIVERY_SECONDS:-600} $(BIN)/pytest tests/end_to_end/test_delivery.py --timeout 0 -s ;; \
	journal) JOURNAL_KILLS=$${JOURNAL_KILLS:-100} $(BIN)/pytest tests/end_to_end/test_journal.py --timeout 0 -s ;; \
	dashboard) DASHBOARD_SECONDS=$${DASHBOARD_SECONDS:-3600} $(BIN)/pytest tests/end_to_end/test_dashboard_soak.py --timeout 0 -s ;; \
	outage) OUTAGE_SECONDS=$${OUTAGE_SECONDS:-120} $(BIN)/pytest tests/end_to_end/test_outage.py --timeout 0 -s ;; \
	*) echo "NAME is one of: scripts kills delivery outage journal dashboard"; exit 2 ;; esac

up: $(READY) ## Gantry on this machine, settings from .env
	@$(BIN)/gantry up

down: $(READY) ## stop the `make up` or `make demo` of this folder
	@$(BIN)/gantry down

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "Gantry needs Python 3.11 or newer: apt-get install python3 (found: $$($(PYTHON) --version 2>&1))"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	|| { echo "Python's venv is missing: apt-get install python3-venv"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
