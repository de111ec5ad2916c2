# labkit: `make` alone lists what can be made.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
LIB := target/lib

# Every binding's tests load what ships, not a test build.
export LABKIT_LIBRARY := $(CURDIR)/$(LIB)/liblabkit.so.0

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- the library ------------------------------------------------------------

# Without the rlib beside them cross-crate LTO works: a third of the size.
.PHONY: lib
lib: ## Build the shared and static library and Go's object into target/lib
	@scripts/build-lib $(LIB)
