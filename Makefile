# Every command of this checkout. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help replay-core fuzz-frames planted-faults setup chaos fuzz-api demo up down status test test-kafka-outages lint format bench fuzz-core wheel ci generate generated lock coverage clean synth
BIN := .venv/bin
PYTEST_ARGS ?=
# Tests and stack start hundreds of processes; with bytecode kept, each is two to four times quicker.
export PYTHONDONTWRITEBYTECODE =

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: ## make .venv from the lock files (all other commands do it when needed)
	@infra/bootstrap.sh

demo: setup ## set up, start everything, run the whole trading flow, print what happened, stop
	@$(BIN)/trading demo

up: setup ## start the platform and return when it is healthy
	@$(BIN)/trading up

down: setup ## stop what `make up` started
	@$(BIN)/trading down

status: setup ## show the health of every part
	@$(BIN)/trading status

test: setup ## run all tests, the core's own both interpreted and compiled: JOBS=1 one by one
	@$(BIN)/python -m infra.run_tests $(if $(JOBS),--jobs $(JOBS)) -- $(PYTEST_ARGS)

test-%: setup ## run one level of tests, for example `make test-unit`
	@$(BIN)/python -m infra.supervise $(BIN)/python -m pytest tests/$* $(PYTEST_ARGS)

test-kafka-outages: setup ## kill a real Kafka broker under writers, for minutes
	@KAFKA_OUTAGES=1 $(BIN)/python -m pytest tests/contract -m repeated_outages $(PYTEST_ARGS)

lint: ## check style, types, import rules and template.yaml
	@infra/bootstrap.sh --cdk
	@failed=0; \
	for check in \
	    "ruff check ." \
	    "ruff format --check ." \
	    "mypy functions hotpath infra shared stacks tests setup.py" \
	    "lint-imports --no-logo" \
	    "cfn-lint template.yaml"; \
	do \
	    echo "== $$check"; PYTHONPATH=. $(BIN)/$$check || failed=1; \
	done; \
	exit $$failed

format: setup ## let ruff mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## measure the engine; figures in docs/PERFORMANCE.md
	@$(BIN)/trading bench

fuzz-core: setup ## compare the core with the naive market: COMMANDS=10000000 SEEDS=20
	@$(BIN)/python -m tests.reference --commands $(or $(COMMANDS),200000) --seeds $(or $(SEEDS),4) --jobs 2

replay-core: setup ## replay one journal in many processes, all alike: COMMANDS=1000000
	@$(BIN)/python -m tests.reference.replays --commands $(or $(COMMANDS),1000000)

fuzz-api: setup ## send requests made from the API's document: CASES=20000
	@API_CASES=$(or $(CASES),2000) $(BIN)/python -m pytest tests/security $(PYTEST_ARGS)

fuzz-frames: setup ## throw mutated frames at a real engine, sockets and rings: FRAMES=10000000
	@$(BIN)/python -m tests.fuzz --frames $(or $(FRAMES),50000) $(if $(SEED),--seed $(SEED))

planted-faults: setup ## put lines of the core wrong: the fuzzer finds each
	@$(BIN)/python -m tests.reference.planted_faults

chaos: setup ## kill the engine under load: KILLS=1000, BREAK=ack-before-sync|publish-before-sync
	@$(BIN)/python -m tests.chaos --kills $(or $(KILLS),100) --break "$(BREAK)" $(if $(SEED),--seed $(SEED))

sim: setup ## simulate everything failing at once, from seeds: SEEDS=200 SEED=first
	@$(BIN)/python -m tests.sim --seeds $(or $(SEEDS),200) $(if $(SEED),--seed $(SEED))

wheel: setup ## compile the core into .venv/compiled-core
	@$(BIN)/python -m hotpath.build

generate: setup ## write the documents and resources that are made from the code
	@$(BIN)/python -m infra.generated

generated: setup ## check that those documents and resources are current
	@$(BIN)/python -m infra.generated --check

synth: ## write the CloudFormation of stacks/ to cdk.out (needs Node)
	@infra/bootstrap.sh --cdk
	$(BIN)/python -m stacks.app

ci: lint generated ## what CI checks besides the tests

coverage: setup ## run all tests once and report what they do not reach
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/coverage combine
	$(BIN)/coverage report

lock: setup ## write infra/locks from pyproject.toml
	@$(BIN)/python -m infra.lock

clean: ## remove what was built; keeps .venv and the platform's state
	rm -rf build dist cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
