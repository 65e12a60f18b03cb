# `make demo` and `make test` do everything, set-up included.

PYTHON ?= python3
BIN := .venv/bin
# This environment comes first for stages too (stages/run.sh), whatever other is active
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests run in two processes. A file stays in one of them: its tests share what is slow to set up.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo repro test test-slow gate docs dist check check-page vendor setup system lock clean

demo: setup  ## draw a photo library, learn from it, compare
	$(BIN)/dvc repro
	@echo
	@$(BIN)/python -c "import json; print('The model:', json.load(open('reports/metrics.json'))['outcome'])"
	@echo "The comparison:  reports/comparison.html  (open it in a browser)"
	@echo "The runs:        $(BIN)/mlflow ui         (then open the address it prints)"

repro: setup  ## run the pipeline on the library that params.yaml names
	$(BIN)/dvc repro

docs: setup  ## the documentation as a site, site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

dist: setup  ## both packages, as sdist and wheel, in dist/
	rm -rf dist
	$(BIN)/python -m build --quiet --no-isolation --outdir dist base
	$(BIN)/python -m build --quiet --no-isolation --outdir dist .
	$(BIN)/twine check --strict dist/*

test: setup check  ## lint, types, import directions, all tests except the slow ones
	$(PYTEST)

test-slow: setup  ## tests that train many networks, or repeat the pipeline
	$(PYTEST) -m slow

gate: setup  ## fail where the results are worse than main's; GATE=--accept-changed-test
	$(BIN)/cropperhead gate $(GATE)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-page: tools/page/node_modules  ## types of the page's scripts; needs npm
	tools/page/node_modules/.bin/tsc --project tools/page

vendor: setup tools/page/node_modules  ## copy the packages that the page uses; needs npm
	$(BIN)/python tools/page/vendor.py

tools/page/node_modules: tools/page/package-lock.json
	npm ci --prefix tools/page --ignore-scripts --no-audit --no-fund
	@touch $@

setup: system .venv/installed

# Hashes are checked, so that what is installed is what was tested.
.venv/installed: requirements.lock pyproject.toml base/pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --editable ./base --editable .
	@touch $@

system:
	@sh tools/system.sh $(PYTHON)

lock:  ## pin the newest versions of everything; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-package cropperhead-base \
	  --upgrade --extra dev \
	  --output-file requirements.lock pyproject.toml

clean:  ## remove what can be made again, but no trained model and no extracted photo
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
