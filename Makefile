# Every target sets up what it needs; `make demo` and `make test` are all a newcomer has to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: setup
setup: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "opsintel needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $(STAMP)

.PHONY: demo
demo: setup ## a simulated retailer, 14 days at once and then live, on http://127.0.0.1:8080/
	OPSINTEL_DATA_DIR=$${OPSINTEL_DATA_DIR:-data/demo} $(BIN)/opsintel demo --fresh

# Three workers keep two cores busy, because much of the time is waiting. A file stays with one worker, and files go out in
# the order of tests/conftest.py, not by their number of tests, so that no long one is left for the end.
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 15
# Where this is set, every worker and every service that a test starts compiles all code anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: test
test: setup chromium test-servers ## style, types and all tests but those of `make blackbox`; some fifteen minutes on two cores
	@$(MAKE) --no-print-directory -j 2 lint collected
	$(PYTEST) -m "not blackbox"

# Beside the linters, which keep one core busy: the workers would all compile the tests at once.
.PHONY: collected
collected: setup
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null || $(BIN)/python -m pytest --collect-only -qq

.PHONY: blackbox
blackbox: setup chromium ## whole services, killed, flooded and attacked, and the shared checks of them; some eight minutes
	$(PYTEST) -m blackbox

# `make test` tries these on a fifth of the examples: one that asks the engine takes up to two seconds.
.PHONY: properties
properties: setup ## properties of what the engine answers, on all examples; some three minutes
	DEEP_PROPERTIES=1 $(PYTEST) --timeout 1800 -m hypothesis $$(grep -rl --include='test_*.py' 'tests.support.examples' tests)

.PHONY: lint
lint: setup ## style, types and the import order of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The browser tests drive Debian's Chromium; without apt they are skipped and say how to install it.
.PHONY: chromium
chromium:
	@if [ -n "$$OPSINTEL_CHROMIUM" ] || command -v chromium >/dev/null 2>&1; then :; \
	elif command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	  echo "installing Chromium for the browser tests"; apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	else echo "NOTE: no Chromium; the browser tests will be skipped. Install it with: sudo apt-get install chromium"; fi

# Real servers for tests: the pollers ask Debian's RabbitMQ, Redis and PostgreSQL, remote write is fed by its Prometheus.
# The packages must not start services of their own: the tests start theirs, on free ports, and stop them.
SERVERS := rabbitmq-server redis-server postgresql prometheus
.PHONY: test-servers
test-servers:
	@if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && command -v redis-server >/dev/null 2>&1 && command -v prometheus >/dev/null 2>&1 && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then :; \
	elif command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
	  echo "installing $(SERVERS) for the tests"; \
	  policy=/usr/sbin/policy-rc.d; \
	  if [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' > $$policy && chmod +x $$policy && trap "rm -f $$policy" EXIT; fi; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SERVERS) >/dev/null; \
	else echo "NOTE: tests against real servers will be skipped. Install them with: sudo apt-get install $(SERVERS)"; fi

.PHONY: bench
bench: setup ## spans/s acknowledged and stored, CPU seconds per million spans
	$(BIN)/python -m tests.bench.bench_ingest

# rotel, the opponent, comes with the extra `bench`: it has wheels for few platforms.
.PHONY: bench-ingest
bench-ingest: setup ## this collector beside rotel: rates, CPU, memory, latency, losses; BENCH=--quick for two minutes
	@$(BIN)/python -c 'import rotel, numpy' 2>/dev/null || $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m tests.bench.compare $(BENCH)

.PHONY: bench-process
bench-process: setup ## process intelligence beside pm4py: map, variants, durations, rework, increments; BENCH=--quick for two minutes
	$(BIN)/python -m tests.bench.process_bench $(BENCH)

.PHONY: bench-kpi
bench-kpi: setup ## all KPIs over 10 million business events, the minute job, a page's queries, a year's report; BENCH="--events 1000000" for a minute
	$(BIN)/python -m tests.bench.kpi_bench $(BENCH)

# FUZZ is the time for each of some 20 attacks in seconds, FUZZ_SEED the first seed (else a new one every time).
FUZZ ?= 15
.PHONY: fuzz
fuzz: setup ## bad input at every door, about five minutes; FUZZ=120 for an hour
	FUZZ_SECONDS=$(FUZZ) $(BIN)/python -m pytest tests/fuzz --timeout 7200 -rP $(ARGS)

.PHONY: durability
durability: setup ## the black-box kill test with 50 rounds; about 20 minutes
	$(BIN)/python ../shared/acceptance/durability.py --opsintel $(abspath $(BIN)/opsintel) --rounds 50

.PHONY: fault-matrix
fault-matrix: setup ## every fault at every stage on the real service, and what was observed; about 20 minutes, as root for small disks
	$(BIN)/python -m tests.faults.matrix --out docs/fault-matrix.md

.PHONY: soak
soak: setup ## four hours of load in ten minutes: memory must stay flat and the books exact; SOAK=... for other lengths
	$(BIN)/python -m tests.soak.soak --out docs/soak.md $(SOAK)

.PHONY: docs
docs: setup ## the generated pages
	$(BIN)/python -m metrics.docs_gen
	$(BIN)/python -m kpis.documentation
	$(BIN)/python -m api.settings_doc

.PHONY: lock
lock: setup ## pins every dependency anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra dev --extra oracle --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header pyproject.toml -o requirements.lock

.PHONY: help
help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
