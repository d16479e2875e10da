# The one door for people and for CI; `make` alone lists what there is.
# What is installed is remembered in $(VENV), so a second run needs no network.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
# More arguments: make test ARGS="tests/gold -x"
ARGS ?=
# Measured battery data, where it lies beside the repository.
DATA := $(wildcard ../shared/data)
UV := $(shell command -v uv)
# The development set holds the local one.
INSTALLED := $(VENV)/$(if $(wildcard $(VENV)/.dev),.dev,.local)

.PHONY: bundle-check help demo test test-spark42 lint bench proof notebooks docs requirements clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## simulate a fleet, run the whole lakehouse on it, write the report
	@$(BIN)/battery-lake demo $(if $(DATA),--data $(DATA)) $(ARGS)

# Three Sparks side by side: on tests' small data one alone keeps less than one core busy.
test: $(VENV)/.dev ## run the tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

SPARK42 := .venv-spark42
test-spark42: $(SPARK42)/.ready ## run the tests of sources, streams and the lake with Spark 4.2
	@$(SPARK42)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder \
	  tests/sources/eventhubs tests/sources/files tests/pipelines tests/lake $(ARGS)

lint: $(VENV)/.dev ## check style, types, layers and declared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src

bundle-check: $(VENV)/.dev ## check the Databricks bundle, with Databricks' own command line too where there is one
	@$(BIN)/battery-lake bundle check $(ARGS)
	@if ! command -v databricks >/dev/null; then \
	  echo "skipped: databricks bundle validate (no Databricks CLI on the PATH)"; \
	elif ! databricks current-user me >/dev/null 2>&1; then \
	  echo "skipped: databricks bundle validate (the CLI reaches no workspace: databricks auth login)"; \
	else \
	  for target in dev staging prod; do databricks bundle validate --strict --target $$target; done; \
	fi

bench: $(VENV)/.dev ## run the benchmarks
	@for script in $(filter-out benchmarks/accuracy.py benchmarks/plots.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python "$$script"; done

# With Java and Spark as users have them: tests/conftest.py sets them for small data.
proof: $(VENV)/.dev ## run the slow proofs: kill loops, scale, fuzz
	@BATTERY_LAKE_SPARK__JAVA_OPTIONS= $(BIN)/python -m pytest -m proof $(ARGS)

notebooks: $(VENV)/.dev ## run the notebooks on the demo's lake and keep what they show
	@$(BIN)/python notebooks/render.py $(ARGS)

docs: $(VENV)/.dev ## build the documentation site into site/
	@$(BIN)/zensical build --clean --strict
	@echo "open site/index.html"

PIN := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url pyproject.toml
requirements: ## pin the dependencies anew; needs uv
	$(PIN) --extra dev --output-file requirements/dev.txt
	echo 'pyspark==4.2.0' | $(subst pyproject.toml,-,$(PIN)) --no-deps --output-file requirements/spark42.txt
	$(PIN) --extra azure --extra local --extra report --constraint requirements/dev.txt --output-file requirements/local.txt

clean: ## remove the environment, the caches and the demo's lake
	rm -rf $(VENV) $(SPARK42) .battery_lake .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .cache site

# Hashed pins first, then the package itself without looking at dependencies again, then the Delta jars.
PIP := $(if $(UV),VIRTUAL_ENV=$(VENV) uv pip,$(BIN)/python -m pip --disable-pip-version-check)
$(VENV)/.local $(VENV)/.dev: $(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/$*.txt into $(VENV) (a minute or two, once)"
	@$(PIP) install --quiet --require-hashes -r requirements/$*.txt
	@$(PIP) install --quiet --no-deps --editable .
	@$(BIN)/python -c 'from battery_lake.jars import delta_jars; delta_jars()'
	@touch $@

# The same set with another Spark in it.
$(SPARK42)/.ready: requirements/dev.txt requirements/spark42.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/dev.txt with Spark 4.2 into $(SPARK42) (a minute or two, once)"
	@$(BIN)/python -m venv --clear $(SPARK42)
	@for file in dev spark42; do \
	  $(if $(UV),VIRTUAL_ENV=$(SPARK42) uv pip,$(SPARK42)/bin/python -m pip --disable-pip-version-check) \
	    install --quiet --no-deps --require-hashes -r requirements/$$file.txt; \
	done
	@$(if $(UV),VIRTUAL_ENV=$(SPARK42) uv pip,$(SPARK42)/bin/python -m pip --disable-pip-version-check) \
	  install --quiet --no-deps --editable .
	@touch $@

# The first Python of 3.12 or 3.11 that really runs: a version manager's stand-in may not.
$(BIN)/python:
	@for python in python3.12 python3.11 python3 none; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then echo "Python 3.11 or 3.12 is needed; none is on the PATH." >&2; exit 1; fi; \
	if [ -n "$(UV)" ]; then uv venv --quiet --clear --python "$$(command -v "$$python")" $(VENV); exit; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  version="$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing python$$version-venv"; \
	    apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "python$$version-venv" >/dev/null; \
	  else \
	    echo "$$python lacks the venv module; as root: apt-get install python$$version-venv" >&2; exit 1; \
	  fi; \
	fi; \
	"$$python" -m venv --clear $(VENV)
