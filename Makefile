# `make` lists the targets. CI runs the same ones: .ci/run.
PKG       ?= ./...
FUZZTIME  ?= 30s
BENCH     ?= .
KILLS     ?= 200
staticcheck = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Laws over every byte of a file leave much garbage: collecting it seldom halves the time of the suite.
# CI runs vet by itself.
gotest      = GOGC=800 go run ./.ci/gotest -count=1 -vet=off -timeout 6m
# ./... leaves out directories with a dot.
all         = ./... ./.ci/gotest ./.ci/benchpeers ./.packaging/generate

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## build ./rtmptool, static
	CGO_ENABLED=0 go build -trimpath -o rtmptool .

# Outside CI the rest is run without the programs that are missing.
.PHONY: test
test: ## install what the tests need, then run them all (PKG=./pkg/flv: only those)
	@.ci/tools || [ "$$CI" != true ]
	@$(gotest) $(PKG)

# The other packages below pkg have neither goroutines nor anything shared (internal/arch).
.PHONY: race
race: PKG = ./cmd ./internal/... ./pkg/container/... ./pkg/rtmp
race: ## run the tests with the race detector, one of the real-time tests only
	@.ci/tools race
	@RTMPTOOL_RACE=1 $(gotest) -race $(PKG)

.PHONY: crash
crash: ## kill the server KILLS times (200) while it records three streams, and fix what is left
	@.ci/tools || [ "$$CI" != true ]
	RTMPTOOL_KILLS=$(KILLS) go test -v -count=1 -timeout 2h -run '^TestKilledWhileRecording$$' ./internal/e2e

.PHONY: snapshot
snapshot: ## build archives, deb and rpm into dist/, and try them out
	@.ci/tools || [ "$$CI" != true ]
	@.ci/snapshot

.PHONY: accept
accept: ## prove every numbered item of docs/acceptance.md in a fresh clone of HEAD
	@CI=true .ci/accept $(ITEMS)

# Finishing a killed recording of 2 h and 1.9 GB may take 0.5 s, and packets 5 ms longer while a disk hangs: docs/performance.md.
.PHONY: bench
bench: ## run the benchmarks (BENCH=regexp, PKG=./pkg/flv)
	@go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG) | awk '{ print; fflush() } /^(FAIL|--- FAIL)/ { bad = 1 } \
		/^BenchmarkHangingDisk/ { for (i = 1; i < NF; i++) v[$$(i + 1)] = $$i; hung = 1 } \
		/^BenchmarkFinish\/program/ { took = $$3 / 1e9 } /^BenchmarkFinish\/ffmpeg/ { ffmpeg = $$3 / 1e9 } \
		END { if (took > 0.5 || hung && v["p99-growth-ms"] > 5) bad = 1; \
			if (hung) printf "10 streams of 4 Mbit/s, 20 viewers: p99 of a packet %.1f ms, %.1f ms while the disk hangs: %+.1f ms, at most 5 allowed\n", \
				v["p99-well-ms"], v["p99-hanging-ms"], v["p99-growth-ms"]; \
			if (took) printf "finishing a killed recording of 2 h, 1.9 GB: %.3f s (median), at most 0.5 s allowed\n", took; \
			if (took && ffmpeg) printf "ffmpeg -c copy of the same file: %.1f s, %.0f times as long\n", ffmpeg, ffmpeg / took; \
			else if (took) print "ffmpeg -c copy of the same file: not measured, FFmpeg is missing: run .ci/tools"; \
			exit bad }'

.PHONY: bench-peers
bench-peers: ## measure rtmptool beside nginx-rtmp (SRS_BIN, MEDIAMTX_BIN, LAL_BIN: those too), into docs/performance.md
	@go run ./.ci/benchpeers -write; a=$$?; go run ./.ci/benchpeers -limits . -write && exit $$a

.PHONY: bench-sync
bench-sync: ## measure what --record-sync costs with 1, 30 and 100 recordings, into docs/performance.md
	@go run ./.ci/benchpeers -sync flv -duration 15s -write

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@.ci/fuzz $(FUZZTIME) $(PKG)

.PHONY: lint
lint: fmt vet staticcheck tidy ## gofmt, vet, staticcheck and go mod tidy, changing nothing

.PHONY: fmt
fmt:
	@files=$$(gofmt -l .) && { [ -z "$$files" ] || { echo "not in gofmt's format:" $$files; exit 1; }; }

.PHONY: vet
vet:
	@go vet $(all)

.PHONY: staticcheck
staticcheck:
	@go run $(staticcheck) $(all)

.PHONY: tidy
tidy:
	@go mod tidy -diff

# Vet also compiles the tests of the platform that differs most.
.PHONY: cross
cross: ## build for the platforms that the tests do not run on
	@set -e; export CGO_ENABLED=0; for p in darwin/amd64 darwin/arm64 windows/amd64 linux/arm64; do \
		GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null .; done; \
	GOOS=windows GOARCH=amd64 go vet ./...
