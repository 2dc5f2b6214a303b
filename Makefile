# The front door. `make` lists what there is; the scripts it calls are in scripts/.
.DEFAULT_GOAL := help
.PHONY: help demo run test check fmt bench torture lock clean

BIN := .venv/bin
export PYTHON

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo:  ## start the whole story on this machine and print the addresses to open
	@scripts/setup run
	@$(BIN)/parvar demo $(ARGS)

run:  ## start Parvar for real use; settings come from PARVAR_... in the environment
	@scripts/setup run
	@$(BIN)/parvar run $(ARGS)

test:  ## run all tests; ARGS="-k box tests/web" runs some of them
	@scripts/setup dev
	@scripts/services
	@scripts/test $(ARGS)

check:  ## what must hold before a change lands: style, types, floors, house rules, migrations, examples
	@scripts/setup dev
	@scripts/check

fmt:  ## mend style and layout
	@scripts/setup dev
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench:  ## measure speed; ARGS names a benchmark
	@scripts/setup dev
	@$(BIN)/python -m benchmarks $(ARGS)

torture:  ## kill, cut, fill and starve it for as long as MINUTES says (default 10)
	@scripts/setup dev
	@scripts/services
	@scripts/test --torture "$${MINUTES:-10}" $(ARGS)

lock:  ## write the lock files anew; UPGRADE=1 takes the newest versions
	@scripts/setup dev
	@scripts/lock

clean:  ## remove the environment, caches and the demo's data
	rm -rf .venv .build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage .coverage.* demo-data test-results dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
