# `make quickstart` and `make test` work in a fresh clone on a machine with only Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
WORKSPACE := work/quickstart

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow check clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

quickstart: $(VENV)/.installed  ## Set up, then build and verify a small dataset from real input.
	$(RUN)/algstack build --manifest quickstart --workspace $(WORKSPACE)
	$(RUN)/algstack verify $(WORKSPACE)/releases/0.1.0

test: $(VENV)/.installed-dev  ## Set up, then run the tests.
	$(RUN)/python -m pytest --numprocesses auto --dist worksteal -m "not slow"

test-slow: $(VENV)/.installed-dev  ## Set up, then run the tests that take minutes.
	$(RUN)/python -m pytest --numprocesses auto --dist worksteal -m slow

check: $(VENV)/.installed-dev  ## Formatting, lints and types.
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy

clean:  ## Remove what the other targets made.
	rm -rf $(VENV) work dist build

# uv where there is one, else venv + pip. The marker is written last: a set-up that was cut off starts again.
$(VENV)/.installed: pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --python $(RUN)/python --editable . ; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable . ; \
	fi
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --quiet --python $(RUN)/python --editable '.[dev]' ; \
	else \
		$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' ; \
	fi
	@touch $@
