# `make run` runs the product, `make test` runs all its tests on a fresh machine.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

# Arguments for `ducat serve`, as in: make run ARGS='--db sqlite:/tmp/x.db'
ARGS ?=
# Packages for bench and fuzz, as in: make bench PKG=./internal/store/...
PKG ?= ./...
# Which benchmarks or fuzz tests, and how long each of them runs.
BENCH ?= .
FUZZ ?= .
FUZZTIME ?= 20s
BENCHTIME ?= 3s

.PHONY: run build test lint bench deps fuzz clean

run: build
	./bin/ducat serve $(ARGS)

# The binary has no C in it, so that it runs on any Linux.
build:
	CGO_ENABLED=0 go build -trimpath -o bin/ducat ./cmd/ducat

deps:
	@./scripts/deps.sh

test: deps
	go vet ./...
	go test ./...
	conformance/run.sh

lint:
	@unformatted=$$(gofmt -l $$(go list -f '{{$$d := .Dir}}{{range .GoFiles}}{{$$d}}/{{.}} {{end}}{{range .TestGoFiles}}{{$$d}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$d}}/{{.}} {{end}}' ./...)); \
	if [ -n "$$unformatted" ]; then \
	  printf 'not gofmt-ed:\n%s\n' "$$unformatted" >&2; \
	  exit 1; \
	fi
	go vet ./...
	go run -modfile=tools/go.mod honnef.co/go/tools/cmd/staticcheck ./...
	@if command -v golangci-lint >/dev/null; then \
	  golangci-lint run; \
	else \
	  echo 'golangci-lint is not on PATH: skipped' >&2; \
	fi

# Packages are measured one after the other; what is compared is compared
# within one run.
bench: PKG = ./internal/bench ./internal/store/... ./conformance/browser
bench:
	go test -run='^$$' -bench='$(BENCH)' -benchtime='$(BENCHTIME)' $(PKG)

# The go command fuzzes one target of one package at a time.
fuzz:
	@for pkg in $$(go list $(PKG)); do \
	  listed=$$(go test -list='^Fuzz' "$$pkg"); \
	  for target in $$(grep '^Fuzz' <<<"$$listed" | grep -E '$(FUZZ)' || true); do \
	    go test -run='^$$' -fuzz="^$$target$$" -fuzztime='$(FUZZTIME)' "$$pkg"; \
	  done; \
	done

# Databases stay: they may be somebody's.
clean:
	rm -rf bin artifacts
