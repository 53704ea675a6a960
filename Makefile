# What can be done with this repository. Each target says what it does and what it found.
#
#   make run                 set up, build, serve on 127.0.0.1:8080 with ./data
#   make build               the program: build/release/weir
#   make test                set up, build, all tests, a summary
#   make bench               speed against the floor (bench/), as ratios, and against bench/base.json
#   make profile             CPU, allocations and memory under the surge, as flame graphs
#   make surge               50,000 patients in 30 s and in 1 s, each report read back
#   make crash CYCLES=25     kill -9 under load, restart, verify, again
#   make fuzz SECONDS=60     each fuzz target in turn, for so long
#   make check               format, clang-tidy, layers, words
#   make asan, make tsan     all tests under AddressSanitizer and UBSan, ThreadSanitizer
#   make soak SECONDS=600    the whole server under ThreadSanitizer, at a reduced rate
#   make clean               remove build/ (never data/)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
JOBS ?= $(shell nproc)
CYCLES ?= 25
# How long it takes, or each fuzz target runs (`make fuzz SECONDS=60`), else the default given.
given_seconds = $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),$1)
# A phony target takes no implicit rule, so the presets are named: a static pattern rule.
BUILDS := $(addprefix build-,dev release asan tsan fuzz)
export WEIR_JOBS := $(JOBS)
export WEIR_TRUTH ?= $(abspath ../shared/truth)

.PHONY: run setup build test bench profile surge crash fuzz check asan tsan soak clean
.PHONY: $(BUILDS)

setup:
	@scripts/setup

build: build-release
	@echo "build: build/release/weir"

$(BUILDS): build-%: setup
	@scripts/build $*

run: build-release
	@echo "run: data in ./data; Ctrl-C ends it"
	@exec build/release/weir serve --set DataDir=./data

test: build-release
	@scripts/run-tests release

profile: build-release
	@bench/profile

bench: build-release
	@bench/run

surge: build-release
	@scripts/surge

crash: build-release
	@tests/crash/run --cycles $(CYCLES)

fuzz: build-fuzz
	@scripts/fuzz $(call given_seconds,60)

check: build-release
	@scripts/check

asan: build-asan
	@scripts/run-tests asan

tsan: build-tsan
	@scripts/run-tests tsan

soak: build-release build-tsan
	@tests/soak/run --seconds $(call given_seconds,600)

clean:
	@rm -rf build && echo "clean: build/ is gone; data/ is as it was"
