PYTHON ?= python3
BIN := .venv/bin
RESULTS ?= results
URI ?=
CONFIG ?= config/config.yaml
# A test file at a time on every core, a thread each; as fast as the longest file allows. Bytecode is kept, for the
# processes that tests start.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -q -n logical --dist loadfile
.PHONY: demo plan test test-slow test-slurm test-kubernetes test-services test-faults test-all lint format schema bench gpu-check ui draw

# Networks this small leave a graphics card mostly idle: four at once on one that has the memory, the others wait.
demo: .venv/.installed  ## the default experiment: images, generators, detectors, report
	$(BIN)/snakemake --cores all --resources gpu=99 --config jobs_per_gpu=4
	@$(BIN)/python -m pipeline.report.console results

plan: .venv/.installed  ## what a run would do, a line a stage, and how long it will take; CONFIG="mine.yaml …" for your own
	@$(BIN)/python workflow/plan.py $(CONFIG)

test: .venv/.installed  ## everything but the slow learning tests
	$(PYTEST) -m "not slow and not slurm and not kubernetes and not services and not faults"

test-slow: .venv/.installed  ## what each family must learn, and long runs
	$(PYTEST) -m slow $$(grep -rl mark.slow tests --include='test_*.py')

test-slurm: .venv/.installed  ## the cluster profiles on a SLURM of two nodes that runs on this machine; installs it where it may
	@tests/slurm/install.sh || echo "SKIPPED: SLURM could not be installed"
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m slurm tests/slurm

test-kubernetes: .kubernetes/.installed  ## the profile for Kubernetes, on an API and a store that run on this machine
	OMP_NUM_THREADS=1 .kubernetes/bin/python -m pytest -q -m kubernetes tests/kubernetes

test-services: .venv/.installed  ## MLflow's server on PostgreSQL, broken in every way; the pages in a browser
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m services tests/services

test-faults: .venv/.installed  ## full disks, folders that cannot be written, killed jobs, clocks, hostile names
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m faults tests/faults

test-all: test test-slow test-slurm test-kubernetes test-services test-faults

lint: .venv/.installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check workflow && $(BIN)/snakemake --lint
	$(BIN)/mypy

format: .venv/.installed
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(BIN)/snakefmt workflow

schema: .venv/.installed  ## config/schema.json and config/all-settings.yaml, from pipeline/settings/
	$(BIN)/python -m pipeline.settings > config/schema.json
	$(BIN)/python -m pipeline.settings listing > config/all-settings.yaml

bench: .bench/.installed  ## training, sampling and the panel beside other packages; what the comparison of detectors finds
	.bench/bin/python -m benchmarks.peers
	.bench/bin/python -m benchmarks.panel
	.bench/bin/python -m benchmarks.coverage
	.bench/bin/python -m benchmarks.power
	.bench/bin/python -m benchmarks.joint_coverage
	.bench/bin/python -m benchmarks.controls

gpu-check:  ## is the accelerator here sound, and how fast; needs neither Snakemake nor MLflow
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m pipeline.gpu_check

ui: .venv/.installed  ## MLflow's pages, on this machine only; RESULTS=results-neu for other results, URI=… for a shared store
	$(BIN)/python -m pipeline.tracking.ui $(RESULTS) $(URI)

draw: .venv/.installed  ## a page to draw from finished models, on this machine only; RESULTS=results-neu for other results
	$(BIN)/python -m pyrite draw $(RESULTS)

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv --upgrade-deps .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# The peers in an environment of their own, with the project's torch, so that both sides run on one build.
.bench/.installed: benchmarks/requirements.txt .venv/.installed
	$(BIN)/python -m venv .bench
	.bench/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" > $$(.bench/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/project.pth
	@touch $@

# The plugins for Kubernetes in an environment of their own, beside the packages of the project's.
.kubernetes/.installed: pyproject.toml .venv/.installed
	$(BIN)/python -m venv .kubernetes
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" > $$(.kubernetes/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/project.pth
	.kubernetes/bin/pip install --quiet --disable-pip-version-check -e '.[kubernetes]' 'moto[s3,server]==5.2.5'
	@touch $@
