# One front door. `make help` lists the verbs; CI runs the same ones.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
BIN := .venv/bin
PYTEST_ARGS ?=
DEMO_ARGS ?=

# The lock file decides versions; the machine decides the interpreter.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON_PREFERENCE := only-system

.PHONY: help
help: ## List what can be done.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(UV):
	@scripts/install-uv.sh "$(PYTHON)" "$(UV_VERSION)"

# The stamp is remade when the lock or a manifest changes, so that a second `make` does nothing.
.venv/.installed: $(UV) uv.lock pyproject.toml emulator/pyproject.toml
	$(UV) sync --frozen --all-extras --python "$(PYTHON)"
	@touch $@

.PHONY: install
install: .venv/.installed ## Install everything from the lock file into .venv (needs Python 3.11+, git, make).

.PHONY: browser
browser: install ## Find or install Chromium and fonts for the browser tests.
	scripts/install-browser.sh

.PHONY: node-clients
node-clients: ## Install the JavaScript client libraries that the emulator is tested with.
	scripts/install-node-clients.sh

.PHONY: openbao
openbao: install ## Install the OpenBao server that the Transit key service is tested with.
	scripts/install-openbao.sh

.PHONY: demo
demo: install ## Start the service, its workers, PostgreSQL and the emulator; print where to click.
	$(BIN)/ostiary demo $(DEMO_ARGS)

.PHONY: demo-check
demo-check: install ## Do the whole main job over HTTP with no hands.
	$(BIN)/ostiary demo --check

.PHONY: test
test: install browser node-clients openbao ## Run every test (PYTEST_ARGS="-k connect" for some).
	$(BIN)/pytest $(PYTEST_ARGS)

.PHONY: test-kill
test-kill: install ## Kill processes at each step of each flow, many times, and look what is left (KILLS=20).
	KILLS="$${KILLS:-20}" $(BIN)/pytest tests/kill $(PYTEST_ARGS)

.PHONY: test-faults
test-faults: install ## Put every fault upon a running feed, many times, and compare it with the truth (FAULTS=20).
	FAULTS="$${FAULTS:-20}" $(BIN)/pytest tests/faults -o timeout=7200 $(PYTEST_ARGS)

.PHONY: figures
figures: install browser ## Measure the figures of docs/security.md at full size, one after the other (an hour or two).
	REFRESHES="$${REFRESHES:-10000}" $(BIN)/pytest tests/kill/test_grants_kill.py -s $(PYTEST_ARGS)
	EXPIRIES="$${EXPIRIES:-1000}" $(BIN)/pytest tests/kill/test_single_flight.py -s $(PYTEST_ARGS)
	FORGERIES="$${FORGERIES:-100000}" $(BIN)/pytest tests/unit/entra/test_generated_tokens.py \
		tests/unit/signin/test_generated_states.py -s $(PYTEST_ARGS)
	THEFTS="$${THEFTS:-1000}" $(BIN)/pytest tests/integration/test_stolen_returns.py -s $(PYTEST_ARGS)
	TRIES="$${TRIES:-1000}" $(BIN)/pytest tests/integration/test_enumeration.py -s $(PYTEST_ARGS)
	CANARY_ROUNDS="$${CANARY_ROUNDS:-10}" $(BIN)/pytest tests/kill/test_canaries.py -s $(PYTEST_ARGS)
	TAMPERINGS="$${TAMPERINGS:-1000}" $(BIN)/pytest tests/e2e/test_csp_browser.py tests/integration/test_acts.py \
		tests/unit/audit/test_chain.py -s $(PYTEST_ARGS)
	MEASURE=1 $(BIN)/pytest tests/kill/test_freeze_life.py -s $(PYTEST_ARGS)

# Whatever pages, API, commands and jobs do in their own tests; each test that the database tells of an act in.
ACTS_TESTS := tests/integration tests/unit/access tests/unit/approvals tests/unit/connections tests/unit/consent \
	tests/unit/organizations tests/unit/tenants tests/unit/webhooks

.PHONY: acts
acts: install ## Watch the database during the tests for acts without a record, and name what was not exercised.
	PYTHONPATH=.:scripts nice $(BIN)/pytest -q -p act_census $(ACTS_TESTS) --deselect tests/integration/test_acts.py \
		--deselect tests/integration/test_migrations.py $(PYTEST_ARGS)

.PHONY: drill
drill: install ## Lose the database and restore it; rehearse the steps after an incident; print how long each took.
	DRILL=1 $(BIN)/pytest -s tests/integration/sync/test_restore.py tests/integration/connect/test_incident_rehearsal.py \
		$(PYTEST_ARGS)

.PHONY: tamper
tamper: install ## Tamper with sealed values and count what opens (TAMPER=100000).
	TAMPER="$${TAMPER:-100000}" $(BIN)/pytest tests/unit/vault/test_tamper.py -s $(PYTEST_ARGS)

# The modules that guard secrets, sign-ins, the trail and permissions; the tests of these areas.
SECURITY_TESTS := tests/unit/access tests/unit/audit tests/unit/connections tests/unit/consent tests/unit/signin \
	tests/unit/vault tests/unit/webhooks tests/unit/entra/test_two_certificates.py \
	tests/unit/web/test_permissions.py tests/unit/web/test_requirement.py tests/contract/test_key_services.py \
	tests/integration/test_row_security.py tests/integration/test_migrations.py \
	tests/integration/test_audit_commands.py tests/integration/test_keys_and_people.py
MEASURED := COVERAGE_FILE=.mutation/coverage TEST_DURATIONS=.mutation/durations.json PYTHONPATH=scripts

.PHONY: coverage-security
coverage-security: install ## Branch coverage of vault, flow, audit and authorization by their own tests; below 95 % it fails.
	@mkdir -p .mutation
	$(MEASURED) nice $(BIN)/coverage run --rcfile=scripts/coverage-security.ini -m pytest -q -p test_contexts \
		$(SECURITY_TESTS) $(PYTEST_ARGS)
	$(MEASURED) $(BIN)/coverage report --rcfile=scripts/coverage-security.ini

.PHONY: mutation
mutation: install ## Mutation score of the same modules by their unit tests (SAMPLE=40 of each area, SEED=1, SECONDS_EACH; after coverage-security).
	@test -f .mutation/coverage || $(MAKE) coverage-security
	PYTHONPATH=. nice -n 19 $(BIN)/python scripts/mutation.py --sample "$${SAMPLE:-40}" --seed "$${SEED:-1}" \
		--seconds "$${SECONDS_EACH:-7200}" $(AREAS)

.PHONY: check
check: install ## Format, lint, types, import contracts.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

.PHONY: format
format: install ## Format the code and mend what the linter can.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: docs
docs: install ## Write the generated reference pages (settings, reasons).
	$(BIN)/python scripts/reference_pages.py

.PHONY: bench
bench: install ## Measure how fast it is beside others and write docs/benchmarks.md (about 10 minutes, nothing else running).
	$(BIN)/python bench/run.py

.PHONY: bench-choices
bench-choices: install ## Measure the choices that were made by measuring.
	$(BIN)/python bench/http_client.py

.PHONY: bench-emulator
bench-emulator: install ## Measure the emulator's own cost.
	$(BIN)/python -m m365_emulator.bench

.PHONY: fuzz-emulator
fuzz-emulator: install ## Fuzz the emulator (FUZZ_SECONDS=600).
	FUZZ_SECONDS="$${FUZZ_SECONDS:-600}" $(BIN)/pytest emulator/tests/fuzz -m fuzz $(PYTEST_ARGS)

.PHONY: fuzz-api
fuzz-api: install ## Try every call and every page as every kind of caller (FUZZ_SECONDS=600, FUZZ_SEED=1).
	FUZZ_SECONDS="$${FUZZ_SECONDS:-600}" $(BIN)/pytest tests/fuzz -s --show-capture=no $(PYTEST_ARGS)

.PHONY: clean
clean: ## Remove what was installed and built here; the demo's data stays.
	rm -rf .venv .tools dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
