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

# uv where there is one. Elsewhere venv, into which pip brings uv, since pip alone takes minutes where uv takes seconds;
# where there is no uv for the machine, pip does all.
UV = $(or $(shell command -v uv),$(wildcard $(RUN)/uv))

define install
	@if [ -n "$(UV)" ]; then \
		$(UV) pip install --quiet --python $(RUN)/python --editable '$(1)' ; \
	else \
		$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable '$(1)' ; \
	fi
	@touch $@
endef

$(VENV)/.created:
	@if [ -n "$(UV)" ]; then \
		$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV) ; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		{ $(RUN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: uv || true ; } ; \
	fi
	@touch $@

# The markers are written last: a set-up that was cut off starts again.
$(VENV)/.installed: pyproject.toml | $(VENV)/.created
	$(call install,.)

$(VENV)/.installed-dev: $(VENV)/.installed
	$(call install,.[dev])
