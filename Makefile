# Every target works on a fresh clone: the environment is made first, from the hashed lock.
PYTHON ?= python3
BOOTSTRAP = @$(PYTHON) -m syncpipe._bootstrap

.DEFAULT_GOAL := help
.PHONY: help up down test check chaos-brokers chaos-targets bench lock clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up:  ## run real data through private services and check every row (KEEP=1: leave it running)
	$(BOOTSTRAP) up $(if $(KEEP),--keep)

down:  ## stop what `make up KEEP=1` left running
	$(BOOTSTRAP) down

test:  ## run the tests (ARGS="tests/unit -k fold": only some)
	$(BOOTSTRAP) test $(ARGS)

check:  ## lint, format, types, layers, locks
	$(BOOTSTRAP) check

chaos-brokers:  ## kill workers and brokers, ours and stock Celery's, and count (SHORT=1: 5 minutes; ARGS="--seed 7")
	$(BOOTSTRAP) chaos-brokers $(if $(SHORT),--short) $(ARGS)

bench:  ## measure syncpipe beside other systems (SHORT=1: 5 minutes; ARGS="--only distinct")
	$(BOOTSTRAP) bench $(if $(SHORT),--short) $(ARGS)

chaos-targets:  ## have targets, stores, operations and workers fail, and look who is harmed (SHORT=1: 4 minutes; ARGS="--only store")
	$(BOOTSTRAP) chaos-targets $(if $(SHORT),--short) $(ARGS)

lock:  ## bring uv.lock and config/requirements.lock up to date with pyproject.toml
	$(BOOTSTRAP) lock

clean:  ## stop what runs; remove the environment, data and caches
	$(BOOTSTRAP) clean
