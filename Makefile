# The two commands: make test (no Docker) and make e2e (a real cluster). See README.md.

GO ?= go
# Built rather than run by go run, which turns every exit code into 1. make itself exits with 2 when a recipe fails; whoever
# needs the code itself runs bin/ingress-auth.
CLI := bin/ingress-auth
# KEEP=1 leaves the cluster up after make e2e; ARGS passes requirement IDs or flags, such as ARGS="PASSTHROUGH- --strict".
KEEP ?=
ARGS ?=

# What make agreement judges, one after the other.
AUTH_SERVICES := proxy oauth2-proxy-7.8.1 oauth2-proxy-7.6.0

.PHONY: agreement vuln differences test-redis bench bench-idp interop soak-idp help test race e2e up down doctor images local lint bin

bin:
	@$(GO) build -o $(CLI) ./suites/cmd/ingress-auth

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

test: ## unit tests, controls and the suites on the local platform; needs no Docker
	$(GO) test ./...

test-redis: ## sessions of the proxy against a real Redis, 10,000 logins; installs redis-server on Debian as root
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server; }
	$(GO) test -race -count=1 -tags redisserver -v -run 'RealServer|FrozenServer|MixedUp' ./proxy

race: ## the same with the race detector
	$(GO) test -race ./...

e2e: bin ## the suites on kind with ingress-nginx; uses the cluster of make up, or creates and deletes one
	@$(CLI) run --platform kind $(if $(KEEP),--keep) $(ARGS)

up: bin ## bring the cluster up and leave it
	@$(CLI) up

down: bin ## delete the cluster, stop a private engine
	@$(CLI) down

local: bin ## the suites on loopback, with a report
	@$(CLI) run --platform local $(ARGS)

agreement: bin ## the contract against our proxy and the real oauth2-proxy, which is compiled the first time; on loopback
	@set -e; for service in $(AUTH_SERVICES); do $(CLI) run --platform local --auth-service $$service $(ARGS); done

bench: ## the proxy's auth endpoint beside the real oauth2-proxy and a bare handler; three minutes, on a quiet machine
	@$(GO) build -o bin/bench ./proxy/bench
	@bin/bench -out docs/proxy-performance.md

interop: ## clients that others wrote log in through mockidp, and refuse broken logins; writes docs/interop.md; installs what it needs on Debian as root
	@$(GO) build -o bin/interop ./mockidp/interop
	@bin/interop -out docs/interop.md

bench-idp: ## mockidp beside three other mock providers; writes docs/mockidp-performance.md; ten minutes, on a quiet machine
	@$(GO) build -o bin/bench-idp ./mockidp/bench
	@bin/bench-idp -out docs/mockidp-performance.md

soak-idp: ## 100,000 logins in mockidp in a row: memory flat, no goroutine left
	$(GO) test ./mockidp -run TestSoak -v -timeout 30m -soak 100000

differences: ## the flags of the real oauth2-proxy, and the tables of docs/differences.md; compiles it the first time
	cd fixtures/images/oauth2-proxy-7.8.1 && $(GO) build -o ../../../bin/oauth2-proxy-7.8.1 github.com/oauth2-proxy/oauth2-proxy/v7
	bin/oauth2-proxy-7.8.1 --help 2>&1 | sed -nE 's/^ +(-[a-z], )?--([a-z0-9-]+).*/\2/p' | LC_ALL=C sort -u > proxy/testdata/oauth2-proxy-7.8.1-flags.txt
	UPDATE_DIFFERENCES=1 $(GO) test ./proxy -run 'Differences|FlagOfOAuth2Proxy|Advice'

vuln: ## govulncheck over all packages; needs vuln.go.dev, or VULNDB=file:///a/copy
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.8.0 $(if $(VULNDB),-db $(VULNDB)) ./...

doctor: bin ## what this machine has and lacks
	@$(CLI) doctor

images: bin ## get every image
	@$(CLI) images --get

lint: ## gofmt and go vet
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...

.PHONY: faults
faults: ## the fault catalogue against our proxy and the real oauth2-proxy, which is compiled the first time; UPDATE=1 writes the table, REPEAT=3 judges thrice
	FAULTS_OAUTH2_PROXY=1 UPDATE_FAULT_RESULTS=$(UPDATE) FAULTS_REPEAT=$(REPEAT) $(GO) test ./suites -run FaultCatalogue -count=1 -timeout 30m -v
