# Needs git, make and Python 3.11 to 3.13. Everything else goes into .venv; nothing outside this folder is changed.
# Another Python: `make install PYTHON=/path/to/python3.12`. Other indexes: pip's and uv's own configuration counts.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install demo test test-all test-cluster test-load bench check airflow docs lock clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PURE := .venv-pure
PURE_READY := $(PURE)/ready
EXAMPLE := example_project
MANIFEST := $(EXAMPLE)/target/manifest.json
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## Show this list
	@echo "dbt-af-k8s: a dbt project becomes Airflow DAGs by one line."
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

install: $(READY) ## Make the environment in .venv (about a minute; at once the second time)
	@echo "Ready: $(BIN)/dbt-af-k8s --help"
	@echo "Next:  make demo"

demo: $(READY) ## Run a shop's DAGs, one of every kind, through real Airflow (2 minutes)
	@$(BIN)/python $(EXAMPLE)/demo.py

airflow: $(READY) ## Start Airflow with the example shop in it, and print its address and login
	@$(BIN)/python $(EXAMPLE)/standalone.py

check: $(READY) ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The minutes that each part takes on 2 idle cores stand beside it.
test: check $(MANIFEST) $(PURE_READY) ## Check, and all tests but the longest
	@# The demo leaves a manifest with the names of its own database.
	@$(BIN)/dbt parse --quiet --project-dir $(EXAMPLE) --profiles-dir $(EXAMPLE)
	$(PURE)/bin/python -m pytest -n 2 -m "not airflow and not dbt and not scheduler and not load and not long" $(PURE_TESTS) # 1: no Airflow, no dbt
	$(BIN)/python -m pytest -n 2 -m "(airflow or dbt) and not scheduler and not load and not long" $(PURE_TESTS) # 1: what those left out
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not scheduler and not load and not long" $(OTHER_TESTS) # 15
	$(BIN)/python -m pytest -m "scheduler and not long" # 6: one scheduler for all
	@echo
	@echo "All tests pass. Next: make demo shows it at work; docs/index.md is the way into the documentation."

# Properties look for new faults here: other examples each time. In CI `make test` has drawn theirs, and a red test means
# a fault of this change.
PROPERTIES ?= search

test-all: $(READY) $(MANIFEST) ## What `make test` leaves out: load, long tests, more examples of properties
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "(long or load) and not scheduler"
	[ -n "$(CI)" ] || DBT_AF_K8S_TEST_PROPERTIES=$(PROPERTIES) $(BIN)/python -m pytest -n 2 -m "hypothesis and not long and not load and not scheduler"
	$(BIN)/python -m pytest -m "scheduler and long" || [ $$? = 5 ]
	@echo
	@echo "All long tests pass."

test-cluster: $(READY) ## The tests of Kubernetes, against the cluster of KUBECONFIG if that is set
	@[ -n "$(KUBECONFIG)" ] || echo "KUBECONFIG is not set: the tests run against the stand-in on this machine."
	DBT_AF_K8S_TEST_KUBECONFIG="$(KUBECONFIG)" $(BIN)/python -m pytest -m cluster -rs $(CLUSTER_TESTS)

# Files with tests that are marked `cluster`.
CLUSTER_TESTS = $(shell grep -rlE "mark\.cluster\b" tests --include="test_*.py")

# Tests of the rooms that need neither Airflow nor dbt, and all others.
PURE_TESTS := $(wildcard $(addprefix tests/,test_names.py test_errors.py manifest config graph route schedule k8s pods jobs plan))
# The longest files come first: one that begins last is what the other core waits for.
LONGEST_TESTS := tests/docs tests/example tests/dbt tests/airflow
OTHER_TESTS := $(LONGEST_TESTS) $(filter-out $(LONGEST_TESTS) $(PURE_TESTS) tests/scheduler tests/__pycache__,$(patsubst %/,%,$(wildcard tests/*/)))

test-load: $(READY) ## The dbt server under load, 200 invocations, and a plan of 100,000 tasks (3 minutes)
	$(BIN)/python -m pytest -m load tests/server tests/plan/test_many_tasks.py

bench: $(READY) ## Measure parsing, compiling and starting dbt beside the peers (half an hour), and write the page
	$(BIN)/python tests/benchmarks/run.py

docs: $(READY) ## Write the reference pages from the code and check every link
	$(BIN)/python docs/generate.py

# All extras but `gke` and `eks`, which bring 110 and 20 packages: only who runs dbt in those clouds wants them.
LOCKED := $(addprefix --extra ,airflow dbt duckdb postgres tableau monte-carlo kubernetes server graph)

lock: $(READY) ## Take the newest versions that pyproject.toml allows into requirements-dev.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 $(LOCKED) --group dev --no-annotate \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -o requirements-dev.txt pyproject.toml

clean: ## Remove what these commands made, .venv included
	rm -rf $(VENV) $(PURE) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	rm -rf $(EXAMPLE)/target $(EXAMPLE)/logs $(EXAMPLE)/dbt_packages $(EXAMPLE)/*.duckdb $(EXAMPLE)/*.duckdb.wal

$(READY): requirements-dev.txt pyproject.toml .ci/install.py
	@$(need_python)
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python .ci/install.py
	@touch $@

$(PURE_READY): requirements-dev.txt pyproject.toml .ci/install.py
	@$(need_python)
	@echo "Making $(PURE): the base dependencies alone, neither Airflow nor dbt"
	@[ -x $(PURE)/bin/python ] || $(PYTHON) -m venv $(PURE)
	@$(PURE)/bin/python .ci/install.py --pure
	@touch $@

$(MANIFEST): $(READY) $(shell find $(EXAMPLE) dbt_af_k8s/dbt/package -name target -prune -o -name logs -prune -o -name dbt_packages -prune -o -type f ! -name '*.duckdb*' -print)
	@$(BIN)/dbt-af-k8s package install --project-dir $(EXAMPLE) >/dev/null
	@$(BIN)/dbt parse --quiet --project-dir $(EXAMPLE) --profiles-dir $(EXAMPLE)
	@touch $@

define need_python
[ -n "$(PYTHON)" ] || { \
	echo "No Python 3.11, 3.12 or 3.13 with venv found on the PATH."; \
	echo "Install one (on Debian and Ubuntu: python3 and python3-venv), or name it: make install PYTHON=/path/to/python3"; \
	exit 1; }
endef
