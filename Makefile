# The commands of this repository; `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := proto_msgs libs services
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install lint format test test-models demo examples up bench bench-full lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(INSTALLED) ## make .venv with the product and everything it needs, system packages included

$(INSTALLED): requirements.lock pyproject.toml deploy/system_packages.sh
	@deploy/system_packages.sh python3-venv rabbitmq-server libcurl4
	@$(PYTHON) -c 'import sys; sys.exit("DLHub needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Try: make install PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the Python packages of requirements.lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lint: $(INSTALLED) ## style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(INSTALLED) ## all tests but those of the frameworks, on a real RabbitMQ and a real mongod; coverage at least 90 %
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-models: $(INSTALLED) ## a model of every framework through a hub; each framework is installed once
	@deploy/system_packages.sh libgomp1
	$(BIN)/python -m pytest tests/models

demo: $(INSTALLED) ## publish eleven real models, run them, compare them; the table and the plot
	$(BIN)/python -m examples.elastic_moduli.demo

examples: $(INSTALLED) ## all of the paper's use cases, one after the other; pictures into examples/out
	$(BIN)/python -m examples.every

up: $(INSTALLED) ## start the hub on this machine; Ctrl-C stops it
	$(BIN)/dlhub up

bench: $(INSTALLED) ## speed and memory against the goals, as ratios in one short run
	@deploy/system_packages.sh wrk
	$(BIN)/python -m loadtest bench --short

bench-full: $(INSTALLED) ## every scenario at full length (hours); tables and plots into docs/bench
	@deploy/system_packages.sh wrk
	$(BIN)/python -m loadtest all --out docs/bench

lock: ## pin the newest versions of everything
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

clean: ## remove what the commands above made
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
