# parley's everyday commands; "make help" lists them.

# Go is taken from the PATH, or from where its own installer puts it.
GO := $(shell command -v go 2>/dev/null || { test -x /usr/local/go/bin/go && echo /usr/local/go/bin/go; } || echo go)
FUZZTIME ?= 60s

# A checkout that belongs to another user has no version that git would tell, and
# Go refuses to build there unless told not to ask.
VCS := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo true || echo false)
ifeq ($(VCS),false)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif

export PATH := $(PATH):/usr/local/go/bin

.DEFAULT_GOAL := help
.PHONY: help run build test bench fuzz fmt lint scan compose go

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

run: build ## build, start the server and print the playground's address
	@exec bin/parley serve --free-port

build: go ## leave the binary at bin/parley
	@CGO_ENABLED=0 $(GO) build -buildvcs=$(VCS) -trimpath -ldflags '-s -w' -o bin/parley ./cmd/parley

test: go ## install what the tests need where that is possible, then run them all
	@deploy/make/test.sh

bench: go ## run the benchmarks and print one table
	@$(GO) run ./internal/bench $(BENCH)

fuzz: go ## run every fuzz target for FUZZTIME (60s) each
	@deploy/make/fuzz.sh "$(FUZZTIME)"

fmt: go ## format the code
	@$(GO) fmt ./...

lint: go ## go vet, and golangci-lint with .golangci.yml
	@deploy/make/lint.sh

scan: go ## look for known vulnerabilities in what parley calls, as make test does
	@deploy/make/vulnerabilities.sh

compose: ## start parley and Redis with Docker; settings in deploy/.env
	@deploy/make/compose.sh

go:
	@deploy/make/go.sh
