PYTHON ?= python3
BIN := .venv/bin
RESULTS ?= results
URI ?=
.PHONY: demo test test-slow lint format schema bench gpu-check ui

demo: .venv/.installed  ## the default experiment: images, generators, detectors, report
	$(BIN)/snakemake --cores all
	@$(BIN)/python -m pipeline.report.console results

test: .venv/.installed  ## everything but the slow learning tests
	$(BIN)/pytest -q -m "not slow"

test-slow: .venv/.installed  ## what each family must learn, and long runs
	$(BIN)/pytest -q -m slow

lint: .venv/.installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile workflow && $(BIN)/snakemake --lint

format: .venv/.installed
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(BIN)/snakefmt Snakefile workflow

schema: .venv/.installed  ## config/schema.json, from pipeline/settings.py
	$(BIN)/python -m pipeline.settings > config/schema.json

bench: .venv/.installed  ## images a second of every family on this machine's CPU
	$(BIN)/python benchmarks/throughput.py

gpu-check:  ## every family on whatever accelerator is here; needs neither Snakemake nor MLflow
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m pipeline.gpu_check

ui: .venv/.installed  ## MLflow's pages, on this machine only; RESULTS=results-neu for other results, URI=… for a shared store
	$(BIN)/python -m pipeline.tracking.ui $(RESULTS) $(URI)

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
