# The few commands that everybody needs. `make` alone lists them.

CARGO ?= cargo
export CARGO

.DEFAULT_GOAL := help
.PHONY: help demo test setup check fmt newcomer clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a failover from beginning to end, on this machine only
	$(CARGO) run --release --locked -- demo

test: setup ## install what the tests need, then run all of them
	$(CARGO) test --locked

setup: ## install what the tests need, if it is missing
	@scripts/setup-tests

check: ## formatting, lints and documentation, as the gate sees them
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --locked
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --locked --document-private-items

fmt: ## format the sources
	$(CARGO) fmt

newcomer: ## clone the last commit into a fresh folder and run the demo there
	@scripts/newcomer

clean: ## remove everything that was built
	$(CARGO) clean
