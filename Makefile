# Each target makes .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint lint-page fuzz faults bench starter study clean

demo: $(VENV)/.ready
	$(BIN)/mvtec demo --out demo-out --overwrite

# Two processes, each with the tests of whole files; torch has one thread in each.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=20

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory lint-page; \
	else echo "skipped: the page of annotate is not checked, because npm is not installed"; fi

# eslint and TypeScript, in the versions of package-lock.json, for the page of annotate.
lint-page: node_modules/.package-lock.json
	npm run --silent lint

node_modules/.package-lock.json: package-lock.json
	npm ci --silent --no-audit --no-fund
	touch $@

fuzz: $(VENV)/.dev
	MVTEC_FUZZ=10000 $(BIN)/python -m pytest tests/fuzz

faults: $(VENV)/.dev
	MVTEC_FAULTS_EVERY=1 $(BIN)/python -m pytest tests/faults -k all

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/convert.py
	$(BIN)/python benchmarks/segment.py
	$(BIN)/python benchmarks/annotate.py

starter: $(VENV)/.ready
	$(BIN)/python -m mvtec.starter --out starter

study: $(VENV)/.dev
	$(BIN)/python benchmarks/study.py --out study

clean:
	rm -rf $(VENV) demo-out

# What running needs; `make demo` needs no more.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[annotate]'
	touch $@

# The tools of developers, too. Of these supervision depends on opencv-python, whose library links to libGL: the last step lays
# the build without display libraries over it, the same version and the same module.
$(VENV)/.dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps \
	  "opencv-python-headless==$$($(BIN)/python -c 'import importlib.metadata as m; print(m.version("opencv-python-headless"))')"
	touch $@
