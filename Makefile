# Two commands on a fresh machine: `make demo` and `make test`. Python ≥ 3.11 is all they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
BENCH := .venv-bench
SYNAPSE := .venv-synapse
JS := tests/homeserver/js
ARGS ?=
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: setup homeserver demo demo-telegram test test-fast test-servers test-matrix campaign bench \
	lint format lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Préau needs Python 3.11 or later: make PYTHON=/path/to/python3 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Préau needs Python's venv; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up (about a minute, once)…"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	@$(BIN)/preau demo $(ARGS)

# The demo, and a Bot API server for tests with a page on which one is several people.
demo-telegram: setup
	@$(BIN)/python -m tests.bot_api --demo $(ARGS)

# One run and one summary; tests/conftest.py puts those that need a server last.
test: lint homeserver
	$(PYTEST) --junit-xml=build/tests.xml $(ARGS)

test-fast: setup
	$(PYTEST) -m "not servers" --junit-xml=build/fast.xml $(ARGS)

test-servers: setup homeserver
	$(PYTEST) -m servers --junit-xml=build/servers.xml $(ARGS)

# Every journey on Matrix (some ten minutes); `make test` makes those that are marked `everywhere`.
test-matrix: setup homeserver
	$(PYTEST) tests/journeys --matrix-all -m matrix --junit-xml=build/matrix.xml $(ARGS)

campaign: setup homeserver
	$(BIN)/python -m campaigns $(ARGS)

bench: setup homeserver $(BENCH)/.ready
	$(BIN)/python -m benchmarks $(ARGS)

# What Préau is only measured against: aiogram does not go with our pydantic.
$(BENCH)/.ready: requirements-bench.lock
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $< \
		&& touch $@ || { rm -rf $(BENCH); echo "aiogram 3 cannot be set up: its rows will be missing"; }

# A real Matrix server and a second client of it, each apart: their pins and ours do not meet.
homeserver: $(SYNAPSE)/.ready $(JS)/node_modules/.ready

$(SYNAPSE)/.ready: requirements-synapse.lock
	@echo "Setting up Synapse (about a minute, once)…"
	@$(PYTHON) -m venv $(SYNAPSE)
	@$(SYNAPSE)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

$(JS)/node_modules/.ready: $(JS)/package-lock.json $(SYNAPSE)/.ready
	@cd $(JS) && PATH="$(CURDIR)/$(SYNAPSE)/bin:$$PATH" npm ci --silent
	@touch $@

lint: setup
	@mkdir -p build
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-cache --no-logo > build/imports.txt 2>&1 || { cat build/imports.txt; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/hadolint Dockerfile
	@echo "lint: well"

format: setup
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format .

# The lock files name no host; uv resolves for every platform at once.
lock: setup
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--no-emit-find-links --no-header --all-extras pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--no-emit-find-links --no-header pyproject.toml -o requirements-run.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--no-emit-find-links --no-header requirements-bench.in -o requirements-bench.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--no-emit-find-links --no-header requirements-synapse.in -o requirements-synapse.lock

clean:
	rm -rf $(VENV) $(BENCH) $(SYNAPSE) $(JS)/node_modules build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
