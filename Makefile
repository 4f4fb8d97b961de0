# Two commands for users: `make demo` and `make test`. For developers: `make check` and `make docs`.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PARTS := __init__.py cli.py core plugins registry.yaml py.typed

.PHONY: demo test check docs types install clean

demo: $(VENV)/.installed                   ## a first run, offline, on the built-in sample
	HF_HUB_OFFLINE=1 $(BIN)/medplug run task=text_diagnosis

test: $(VENV)/.installed-test types        ## every test
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.installed-test types       ## style, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=docs $(BIN)/mypy -p generator
	$(BIN)/python -m pytest -q tests/test_house.py

docs: $(VENV)/.installed-docs               ## the documents as a site, in build/site
	NO_MKDOCS_2_WARNING=1 HF_HUB_OFFLINE=1 $(BIN)/mkdocs build --strict --quiet

install: $(VENV)/.installed-test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[offline]"
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[all,test]"
	touch $(VENV)/.installed $@

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

types: build/types/medplug/.linked         ## the package as a folder of links, for type checkers and PYTHONPATH

build/types/medplug/.linked: Makefile
	mkdir -p build/types/medplug
	for part in $(PARTS); do ln -sfn ../../../$$part build/types/medplug/$$part; done
	touch $@

clean:
	rm -rf build dist *.egg-info .venv .mypy_cache .ruff_cache .pytest_cache
