# `make demo` and `make test` need Python 3.11 or newer and nothing else: whatever runs
# here runs in .venv, which the first target that needs it makes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-bench
CUDA := .venv-cuda
GPU := .venv-gpu
PIP := -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test explorer-test cuda-test cuda-report gpu lint format bench clean

help:
	@echo "make demo     train on real digits, and see what the compiler did"
	@echo "make test     run the tests"
	@echo "make lint     ruff and mypy"
	@echo "make explorer-test   the explorer in a real browser, which must be there: chromium"
	@echo "make cuda-test       CUDA kernels to machine code, without a GPU (large downloads)"
	@echo "make cuda-report     a table of those kernels in build/cuda.md; fails on spills and the like"
	@echo "make gpu      the tests of kernels on this machine's NVIDIA GPU, then the workloads"
	@echo "              beside JAX, torch and CuPy (large downloads, an hour; ONLY=softmax)"
	@echo "make format   let ruff put the code in order"
	@echo "make bench    measure beside NumPy, JAX, PyTensor and torch (large downloads, an"
	@echo "              hour or two; ONLY=softmax: just the workloads with this in their name)"
	@echo "make clean    remove the environments and whatever was built"

demo: $(VENV)/installed
	@$(BIN)/symgraph demo

test: $(VENV)/installed
	@$(BIN)/python -m pytest --quiet -n auto $(ARGS)

# Screenshots are left in build/explorer.
explorer-test: $(VENV)/installed-browser
	@$(BIN)/python -m pytest --quiet -m browser tests/browser $(ARGS)

# The compiler and the assembler of the CUDA toolkit, which need no GPU.
# In an environment of their own: with them numba has another simulator.
cuda-test: $(CUDA)/installed
	@$(CUDA)/bin/python -m pytest --quiet -n auto -m cuda tests $(ARGS)

# What the assembler says of each kernel of the workloads, examples and tests' targets.
cuda-report: $(CUDA)/installed
	@mkdir -p build
	@$(CUDA)/bin/python bench/cuda_report.py --no-races --write build/cuda.md $(ARGS)

# The first thing it asks is whether there is a GPU: without one nothing is installed.
# The peers have an environment of their own, so that the tests do not wait for them.
gpu:
	@$(PYTHON) tests/gpu_ready.py
	@$(MAKE) --no-print-directory $(CUDA)/installed
	@$(CUDA)/bin/python -m pytest --quiet -n 4 -m gpu --device cuda tests $(ARGS)
	@$(MAKE) --no-print-directory $(GPU)/installed
	@$(GPU)/bin/python bench/gpu.py --only '$(ONLY)'

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: $(VENV)/installed-dev
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format

# Compiled ahead, as what is installed from a wheel is: the editable tree might never be.
bench: $(VENV)/installed $(PEERS)/installed
	@$(BIN)/python -m compileall -q symgraph codegen
	@$(PEERS)/bin/python bench/compare.py --python $(BIN)/python --only '$(ONLY)'
	@test -n '$(ONLY)' || \
	    for each in import_time roofline scaling batch_sizes growth loops; do \
	        $(PEERS)/bin/python bench/$$each.py --python $(BIN)/python || exit 1; \
	    done

clean:
	@rm -rf $(VENV) $(PEERS) $(CUDA) $(GPU) build dist *.egg-info symgraph-demo
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: each is as new as the pyproject.toml that it was installed from.
$(VENV)/installed: pyproject.toml | $(BIN)/pip
	@echo "Installing symgraph into $(VENV) ..."
	@$(BIN)/python $(PIP) --editable '.[test]'
	@$(BIN)/python -m compileall -q symgraph codegen
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/installed
	@echo "Installing the developers' tools into $(VENV) ..."
	@$(BIN)/python $(PIP) --editable '.[test,dev]'
	@touch $@

$(VENV)/installed-browser: pyproject.toml | $(VENV)/installed
	@echo "Installing what drives a browser into $(VENV) ..."
	@$(BIN)/python $(PIP) --editable '.[test,browser]'
	@touch $@

$(CUDA)/installed: pyproject.toml | $(CUDA)/bin/pip
	@echo "Installing symgraph and the CUDA toolkit's compilers into $(CUDA) ..."
	@$(CUDA)/bin/python $(PIP) --editable '.[test,cuda]'
	@touch $@

$(GPU)/installed: pyproject.toml | $(GPU)/bin/pip
	@echo "Installing symgraph and its peers on GPUs into $(GPU) ..."
	@$(GPU)/bin/python $(PIP) --editable '.[bench-gpu]'
	@touch $@

$(PEERS)/installed: pyproject.toml | $(PEERS)/bin/pip
	@echo "Installing the peers into $(PEERS) ..."
	@$(PEERS)/bin/python $(PIP) --editable '.[bench]'
	@touch $@

# An environment without pip is one that was interrupted: made anew.
%/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "symgraph needs Python 3.11 or newer: make PYTHON=/path/to/it" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $*
