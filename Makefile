.DEFAULT_GOAL := help
.PHONY: help test check demo build bench chaos

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

test: ## everything that must be green: format, analysis, tests on both databases
	scripts/test.sh

check: ## format and static analysis only
	scripts/check.sh

demo: ## the product with a simulated WhatsApp, on this machine
	go run . demo

build: ## a static binary in bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/flowhq .

bench: ## measure product and reference in one run, results in bench/results
	scripts/setup.sh
	scripts/with-postgres.sh go run ./bench $(BENCH)

chaos: ## the crash tests in full; hours
	scripts/setup.sh
	go build -o bin/flowhq .
	scripts/previous.sh bin/flowhq-previous
	failed=0; \
	FLOWHQ_BINARY=$(CURDIR)/bin/flowhq FLOWHQ_PREVIOUS_BINARY=$(CURDIR)/bin/flowhq-previous FLOWHQ_CHAOS=full scripts/with-postgres.sh go test -timeout 12h -parallel 1 -run 'Crash|Flood|Redelivery|RetryReceipt|LostAck|Backlog|Database|Fleet|Zombie|Partition|Clock|Deploy' -v ./e2e || failed=1; \
	FLOWHQ_CHAOS=full scripts/with-postgres.sh go test -timeout 1h -run 'TestStore_' -v ./worker/whatsapp || failed=1; \
	exit $$failed
