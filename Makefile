# Every verb of this repository. What is checked, and how, is in tools/checks.py.
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= python3
VENV := .venv/bin
# Our tools first; system programs such as iptables are not on the PATH of a plain user on Debian.
export PATH := $(CURDIR)/$(VENV):$(PATH):/usr/sbin:/sbin
CHECKS := $(VENV)/python tools/checks.py

SCENARIOS := $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
SINGLE := link yamllint ruff mypy catalogue changelog reuse role-specs unit frame lint docs sanity integration unit-slow build rulebook gpusim-consumers histories ledger callbacks slurm kubernetes playbooks bmc prometheus logs dashboards

.PHONY: help setup venv lab-variables demo demo-down test test-fast test-kubernetes molecule bench role-docs release clean $(SINGLE) $(addprefix molecule-,$(SCENARIOS))

help: ## This list
	@echo "Usage: make TARGET"
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "One check each, its output on the screen (make test runs all of them and molecule):"
	@printf '  %s\n' $(SINGLE)
	@echo
	@echo "One molecule scenario each:"
	@printf '  molecule-%s\n' $(SCENARIOS)

setup: ## Prepare this machine: system packages, .venv, the collection link
	@$(PYTHON) tools/bootstrap.py

# What starts no container needs no container engine either.
venv: .venv/requirements.sha256
.venv/requirements.sha256: requirements.txt requirements-dev.txt
	@$(PYTHON) tools/bootstrap.py --python-only && touch $@

# A wrong variable is told before anything is installed.
lab-variables:
	@$(PYTHON) tools/demo_plan.py

demo: lab-variables setup ## Bring the lab up, break GPUs, watch the loop heal them (a few minutes)
	@$(VENV)/python tools/demo.py up

demo-down: ## Remove everything the demo made
	@$(VENV)/python tools/demo.py down

test: setup ## Every check, with one table at the end (about an hour on two cores)
	@$(CHECKS) all

test-fast: venv ## The checks one runs while working (about a minute)
	@$(CHECKS) fast

$(SINGLE): venv
	@$(CHECKS) --live $@

molecule: setup ## Every molecule scenario, the lab and then two at a time
	@$(CHECKS) molecule

$(addprefix molecule-,$(SCENARIOS)): setup
	@$(CHECKS) --live $@

test-kubernetes: kubernetes ## The engine Kubernetes on a real API server (builds it once, about ten minutes)

bench: setup ## Measure: kernel line to drained node (needs the running demo)
	@$(VENV)/python benchmarks/kernel_line_to_drain.py

role-docs: venv ## Write role defaults and README tables from their specifications
	@$(VENV)/python tools/role_specs.py --write

release: venv ## Turn the changelog fragments into a release of the version in galaxy.yml
	@$(VENV)/antsibull-changelog release && $(VENV)/python tools/role_specs.py --write

clean: ## Remove what builds and checks left; .venv and the lab's images stay
	rm -rf .cache/logs .cache/build .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/output
	find . -name __pycache__ -not -path './.venv*' -type d -prune -exec rm -rf {} +
