# labkit: `make` alone lists what can be made.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
LIB := target/lib
VENV := target/venv
BENCH := target/bench
SOAK := target/soak
CFLAGS_TEST := -std=gnu99 -Wall -Wextra -Wpedantic -Werror -O1 -g -pthread -Iinclude

# Every binding's tests load what ships, not a test build.
export LABKIT_LIBRARY := $(CURDIR)/$(LIB)/liblabkit.so.0
export LD_LIBRARY_PATH := $(CURDIR)/$(LIB):$(LD_LIBRARY_PATH)
# Preloaded by tests, gives a process a resolver that hangs.
export LABKIT_SILENT_DNS := $(CURDIR)/target/c/silent_dns.so

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up -------------------------------------------------------------------

.PHONY: setup
setup: ## Install what tests and demo need (Debian packages as root, PyPI)
	@scripts/setup $(VENV)

# --- the library --------------------------------------------------------------

.PHONY: lib
lib: ## Build the shared and static library and Go's object into target/lib
	@scripts/build-lib $(LIB)

.PHONY: header
header: ## Write include/labkit.h anew from src/ffi
	@scripts/header include/labkit.h

.PHONY: tracker
tracker: ## Build the tracker into target/release
	@cargo build --quiet --release -p labkit-tracker

.PHONY: dist
dist: lib tracker ## Pack library, header, pkg-config file and tracker into target/dist
	@scripts/dist $(LIB) target/dist

.PHONY: install
install: dist ## Install them under PREFIX (/usr/local)
	@mkdir -p $(DESTDIR)$(PREFIX)
	@cp -a target/dist/. $(DESTDIR)$(PREFIX)/
	@sed -i 's|^prefix=.*|prefix=$(PREFIX)|' $(DESTDIR)$(PREFIX)/lib/pkgconfig/labkit.pc
	@echo "installed under $(DESTDIR)$(PREFIX)"

# --- tests --------------------------------------------------------------------

.PHONY: test
test: setup lib tracker test-rust models test-c test-abi sanitize fuzz test-ruby test-go test-python test-frameworks test-tracker demo ## Run every test
	@echo "all tests passed"

.PHONY: test-rust
test-rust: ## Library: unit, property, delivery, fork, corpus
	@echo "== rust"
	@cargo test --quiet -p labkit

.PHONY: models
models: ## Queue, flush, shutdown and fork under a model checker
	@echo "== models"
	@cd models && cargo test --quiet --lib models::
	@cd models && cargo test --quiet --lib --features weak models::

$(LABKIT_SILENT_DNS): tests/c/silent_dns.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_TEST) -shared -fPIC $< -o $@

.PHONY: test-c
test-c: lib tracker $(LABKIT_SILENT_DNS) ## Corpus, abuse, leaving and example in C, in part under valgrind
	@echo "== c"
	@tests/c/run "$(CC) $(CFLAGS_TEST)" $(LIB)

.PHONY: test-abi
test-abi: lib ## Layout, stored description, and a program of the first header
	@echo "== abi"
	@tests/abi/run "$(CC) $(CFLAGS_TEST)" $(LIB)

.PHONY: sanitize
sanitize: $(LABKIT_SILENT_DNS) ## The C programs with AddressSanitizer in them and in the library
	@echo "== sanitize"
	@scripts/sanitize "$(CC) $(CFLAGS_TEST)" target/sanitize

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZ_SECONDS (10)
	@echo "== fuzz"
	@scripts/fuzz $${FUZZ_SECONDS:-10} target/fuzz

.PHONY: test-ruby
test-ruby: lib $(LABKIT_SILENT_DNS) ## Ruby: corpus and specs
	@echo "== ruby"
	@cd bindings/ruby && rspec --format progress

.PHONY: test-go
# Not from the cache: it does not see the library, the header or the corpus change.
test-go: lib $(LABKIT_SILENT_DNS) ## Go: corpus and tests, static, shared and without cgo, with the race detector
	@echo "== go"
	@cd bindings/go && go test -count=1 -race ./... && go test -count=1 -race -tags labkit_shared ./...
	@cd bindings/go && CGO_ENABLED=0 go test -count=1 ./...
	@cd bindings/go && CGO_ENABLED=0 go test -count=1 -tags labkit_null -run WithoutTheLibrary .
	@cd bindings/go/labkitgrpc && go test -count=1 -race ./... && CGO_ENABLED=0 go test -count=1 ./...

.PHONY: test-python
test-python: lib $(LABKIT_SILENT_DNS) ## Python: corpus and tests
	@echo "== python"
	@cd bindings/python && $(CURDIR)/$(VENV)/bin/python -m pytest -q

.PHONY: test-frameworks
test-frameworks: lib tracker wheel ## Puma, Rails, Sidekiq, net/http, gRPC, gunicorn, uvicorn, uWSGI, Celery, with a tracker
	@echo "== frameworks"
	@cd bindings/ruby && rspec integration --format progress
	@cd bindings/go/integration && go test -count=1 ./...
	@cd bindings/python && $(CURDIR)/$(VENV)/bin/python -m pytest -q integration

.PHONY: wheel
wheel: setup ## Build Python's wheel for glibc 2.17 and later into target/wheel
	@bindings/python/build-wheel $(VENV) target/wheel

.PHONY: test-tracker
test-tracker: tracker ## Tracker: transitions, stores, corpus, the real binary, its pages in a browser
	@echo "== tracker"
	@cargo test --quiet -p labkit-tracker
	@$(VENV)/bin/python -m pytest -q -p no:cacheprovider tracker/tests

# --- checks -------------------------------------------------------------------

.PHONY: check
check: setup ## Formatting, lints, header drift, licences, in every language
	@scripts/check $(VENV)

# --- the rest -----------------------------------------------------------------

.PHONY: demo
demo: setup lib tracker ## Ruby, Go and Python share experiences; ends with a table of outcomes
	@examples/gitlab/run $(VENV)/bin/python

.PHONY: bench
bench: setup lib tracker ## Figures beside their peers, as a table and in target/bench/*.jsonl
	@mkdir -p $(BENCH)
	@scripts/bench $(BENCH) $(VENV)

.PHONY: soak
soak: lib ## Long runs of fork and of kill, results in target/soak/*.jsonl
	@mkdir -p $(SOAK)
	@scripts/soak $(SOAK)

.PHONY: clean
clean: ## Remove what was built
	@rm -rf target bindings/go/lib
