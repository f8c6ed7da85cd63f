PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Every target sets up what it needs.
.PHONY: install demo test test-slow bench-inference bench-grader bench-sandbox bench-search bench-consistency bench-db check format clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Stepforge needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with make PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (about two minutes the first time)"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	@$(BIN)/stepforge demo $(ARGS)

test: install
	@$(BIN)/python -m pytest $(ARGS)

test-slow: install
	@$(BIN)/python -m pytest -m slow $(ARGS)

bench-sandbox: install
	@deploy/sandbox/prepare-debian.sh
	@$(BIN)/python -m tests.benchmarks.bench_sandbox $(ARGS)

bench-grader: install
	@$(BIN)/python -m tests.benchmarks.bench_grader $(ARGS)

bench-inference: install
	@$(BIN)/python -m tests.benchmarks.bench_inference

bench-search: install
	@$(BIN)/python -m tests.benchmarks.bench_search $(ARGS)

bench-consistency: install
	@$(BIN)/python -m tests.benchmarks.bench_consistency $(ARGS)

bench-db: install
	@$(BIN)/python -m tests.benchmarks.bench_db $(ARGS)

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports

format: install
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build
