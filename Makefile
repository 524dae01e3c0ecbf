# Altostack. `make help` lists what there is.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export CGO_ENABLED ?= 0
GOFLAGS_BUILD := -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
DEMO ?= /var/lib/altostack-demo
LISTEN ?= 127.0.0.1:9080
IMAGE := .cache/tiny.qcow2

.DEFAULT_GOAL := help
.PHONY: help build demo demo-down test check lint vuln test-unit test-race test-e2e interop bench coverage-api generate image clean setup-run setup-test kill-test man completion

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/altostack
	@go build $(GOFLAGS_BUILD) -o bin/altostack ./cmd/altostack

demo: setup-run image build ## from nothing to a first server that answers on SSH
	@bin/altostack demo --data $(DEMO) --listen $(LISTEN) --image $(IMAGE)

demo-down: ## end the demo and remove all of it
	@if [ -x bin/altostack ]; then bin/altostack wipe --data $(DEMO); else echo "nothing was built, so nothing runs"; fi

image: $(IMAGE) ## build the tiny guest image from Debian packages
$(IMAGE): guest-image/build-tiny
	@tools/setup image
	@mkdir -p .cache
	@TINY_CACHE=.cache/debs guest-image/build-tiny $@

test: setup-test ## install what the tests need, and run them all
	@tools/test

setup-run:
	@tools/setup run image demo
setup-test:
	@tools/setup run image demo test

check: lint ## lint, generated files, file and import rules
	@tools/check-generated
	@go test -count=1 -run 'TestArchitecture|TestDocs' .

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	@go vet ./...
	@cd tools && go build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@bin/staticcheck ./...

vuln: ## known vulnerabilities in what we link (needs the Go vulnerability database)
	@tools/vuln

test-unit: ## tests of all packages, PostgreSQL and real QEMU and network included
	@go test ./...

test-race: ## the in-process tests under the race detector
	@CGO_ENABLED=1 go test -race -short ./...

kill-test: ## kill the cloud at every step boundary, 2,000 times and more
	@go test -v -count=1 -timeout 60m -run TestKilled$$ ./wire -args -kills=2000 | grep -v -E "^ *(===|--- PASS: TestKilled/)"; exit $${PIPESTATUS[0]}

test-e2e: build image ## the openstack client against real guests
	@e2e/run

interop: build image ## Tempest against a cloud of its own: make interop SERVICE=smoke|identity|compute|…
	@tools/setup interop
	@e2e/interop $(or $(SERVICE),smoke)

bench: build image ## start a cloud, measure it, print medians and 99th percentiles
	@e2e/bench

coverage-api: build ## how much of the OpenStack APIs is routed, by service and tier
	@bin/altostack coverage

generate: ## make every generated file again
	@go generate ./kernel/fault
	@[ -z "$$ALTOSTACK_API_DATA" ] || go generate ./...

man: build ## write the manual pages to bin/man
	@bin/altostack man bin/man

completion: build ## write bash completion to bin/altostack.bash
	@bin/altostack completion bash > bin/altostack.bash

clean: ## remove what was built
	@rm -rf bin .cache
