# `make help` explains the targets. Everything is installed from package registries; nothing is installed by hand.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
CLUSTER ?= kind
export FACILITY_CLUSTER := $(CLUSTER)
PART ?= thread
# one process a core; the tests of a file share what is costly to start
PARALLEL := -n auto --dist loadfile

.PHONY: help check test pool-tests soak demo demo-down cluster images charts docs bench lint types layers unit chart-tests cluster-tests vault-tests lock crds

help: ## explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.installed: tests/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes --only-binary :all: -r tests/requirements.txt
	@touch $@

check: lint types layers unit chart-tests ## all that needs no cluster: linters, types, layers, unit tests, charts

lint: $(VENV)/.installed ## ruff, formatting
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.installed ## mypy, strict
	$(VENV)/bin/mypy

layers: $(VENV)/.installed ## the house's layers
	$(VENV)/bin/lint-imports

unit: $(VENV)/.installed ## unit tests
	$(VENV)/bin/pytest $(PARALLEL) tests/unit

chart-tests: $(VENV)/.installed ## charts: lint, schemas, kubeconform
	$(VENV)/bin/pytest $(PARALLEL) tests/charts

test: check cluster-tests ## everything: check, then the facility on a real cluster

cluster-tests: $(VENV)/.installed ## the facility on a real cluster (raises the demo first)
	$(RUN) -m facility.dev.demo up
	$(VENV)/bin/pytest -m "not long" tests/cluster

pool-tests: $(VENV)/.installed ## what of the pool's and caches' tests takes too long for make test, with 10,000 jobs of 200 people (FACILITY_LONG=1: parts away for an hour)
	$(RUN) -m facility.dev.demo up
	$(VENV)/bin/pytest -m long tests/cluster

soak: $(VENV)/.installed ## read for SOAK_SECONDS (1200) through 60 s tokens while every part is ended twice
	$(RUN) -m facility.dev.demo up
	SOAK_SECONDS=$${SOAK_SECONDS:-1200} $(VENV)/bin/pytest -s tests/cluster/tokens_never_go_stale_test.py

vault-tests: $(VENV)/.installed ## sessions in a real HashiCorp Vault, built from its Go module (minutes, the first time)
	FACILITY_VAULT=$$($(RUN) -m facility.dev.vault) $(VENV)/bin/pytest tests/unit/broker_stores_in_vault_test.py

demo: $(VENV)/.installed ## from an empty machine to embargoed data read by notebook and jobs (CLUSTER=current: on the cluster of the kubeconfig, images pushed to REGISTRY)
	$(RUN) -m facility.dev.demo up
	$(RUN) -m facility.dev.demo run

demo-down: $(VENV)/.installed ## remove everything that the demo made
	$(RUN) -m facility.dev.demo down

cluster: $(VENV)/.installed ## only the local kind cluster
	$(RUN) -m facility.dev.cluster up

images: $(VENV)/.installed ## build the container images that changed
	$(RUN) -m facility.dev.images build

bench: $(VENV)/.installed ## measure (PART=thread) and print a table
	$(VENV)/bin/pytest -s tests/bench/$(PART)_bench.py

charts: $(VENV)/.installed ## write each chart's README from its values
	$(RUN) -m facility.dev.charts

docs: $(VENV)/.installed ## write the reference of the objects from the models
	$(RUN) -m facility.dev.reference

crds: $(VENV)/.installed ## write charts/crds from the models
	$(RUN) -m facility.operator.crds > charts/crds/templates/crds.yaml

lock: $(VENV)/.installed ## resolve all locked Python requirements anew
	$(RUN) -m facility.dev.images lock
