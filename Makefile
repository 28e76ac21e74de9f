# Targets with a "##" comment are listed by "make help".

PKG     := github.com/parbench/parbench
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X $(PKG)/internal/cli.version=$(VERSION)

# "./..." leaves out directories whose name starts with a dot.
CI_PKGS := $(patsubst %/,./%,$(sort $(dir $(wildcard .ci/*/*.go .ci/*/*/*.go))))

# What starts processes, goroutines or servers runs under the race detector.
RACE_PKGS := $(addsuffix /...,$(wildcard ./strategies ./workloads ./internal/entry ./internal/harness ./internal/claims ./internal/host ./internal/doctor ./internal/cli))

# Pinned: a newer linter finds new things on a day of its own choosing.
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(or $(shell command -v golangci-lint 2>/dev/null),$(wildcard $(shell go env GOPATH)/bin/golangci-lint))

FUZZTIME ?= 5s
BENCH    ?= .

.DEFAULT_GOAL := all

.PHONY: all
all: fmt lint test ## format, lint and test (what plain "make" does)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./parbench, static and reproducible
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o parbench .

.PHONY: fmt
fmt: ## format the Go code
	@gofmt -l -w .

.PHONY: vet
vet: ## go vet, for Linux and for a system that has none of its features
	go vet ./... $(CI_PKGS)
	GOOS=darwin go vet ./...
	GOARCH=arm64 go vet ./strategies/multiproc/spawn

.PHONY: layout
layout: ## check the import table, the top level and what files hold
	@go run ./.ci/layout

.PHONY: lint
lint: vet layout ## vet, layout and the linters
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted; run make fmt:"; echo "$$unformatted"; exit 1; fi
ifneq ($(GOLANGCI),)
	$(GOLANGCI) run ./... $(CI_PKGS)
else
	@echo "golangci-lint is missing: 'make tools' installs it (about two minutes)"; [ "$$PARBENCH_REQUIRE_ALL" != 1 ]
endif

.PHONY: tools
tools: ## install the pinned linter into GOPATH/bin
	go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: test
test: ## vet and test; needs only Go, and names what it skips
	go vet ./... $(CI_PKGS)
	@go run ./.ci/testsummary -vet=off ./... $(CI_PKGS)

.PHONY: race
race: ## test what runs things in parallel under the race detector (needs a C compiler)
	@CGO_ENABLED=1 go run ./.ci/testsummary -race -vet=off $(RACE_PKGS)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (5s)
	@.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## run the Go benchmarks (BENCH selects, a regular expression)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: bench-shapes
bench-shapes: ## measure the known shapes on this machine, which should be quiet
	@.ci/bench-shapes

# The whole table with its usual number of rounds goes into the documentation, a part of it to the terminal only.
OUT ?= $(if $(ROUNDS)$(filter-out .,$(BENCH)),,docs/multiproc-speed.md)

.PHONY: bench-multiproc
bench-multiproc: ## multiproc beside Python's multiprocessing (BENCH selects rows; ROUNDS, OUT)
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./.ci/bench-multiproc ./.ci/bench-multiproc/small ./.ci/bench-multiproc/tiny
	@bin/bench-multiproc -run '$(BENCH)' $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(OUT),-o $(OUT)) -raw parbench-out/bench-multiproc.jsonl

.PHONY: ci
ci: ## everything that continuous integration runs
	.ci/run

.PHONY: clean
clean: ## remove what was built
	rm -rf parbench bin
	find . -path ./.git -prune -o -type f \( -name '*.test' -o -name '*.prof' \) -exec rm -f {} +
