# make demo    the whole loop on made-up data; ends with demo/report.html
# make test    lint and tests, as in CI
PYTHON ?= python3
VENV := .venv
PIN := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint bench clean

demo: $(VENV)/.local
	$(VENV)/bin/mmrad demo --out demo

test: lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.dev
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(VENV)/bin/python "$$script"; done

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The stamps say which extras were installed from the present pyproject.toml and constraints.txt; dev includes local.
$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIN) -e '.[dev]'
	touch $(VENV)/.local $@

$(VENV)/.local: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIN) -e '.[local]'
	touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "mmrad needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	       "name another one:  make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
