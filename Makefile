# The targets that users and CI call; CMake does the work. PRESET chooses the build (dev, release, asan, tsan).
PRESET ?= release
BUILD = build/$(PRESET)
JOBS ?= $(shell nproc)
TIMINGS ?= 5,1,3 20,1,3 30,10,10

.PHONY: demo test check build fuzz soak sanitize bench bench-failover lint clean deps-build deps-test

demo: deps-build ## a cluster of three on this machine, switched over and crashed before your eyes
	@tools/demo

build:
	@mkdir -p build
	@cmake --preset $(PRESET) > build/.configure.log 2>&1 || { cat build/.configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS)

test: deps-test ## all that CI runs
	@$(MAKE) --no-print-directory build PRESET=$(PRESET)
	@tools/check_layout
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j $(JOBS)

check: deps-test ## the quick part, while working
	@$(MAKE) --no-print-directory build PRESET=dev
	@tools/check_layout
	@ctest --test-dir build/dev --output-on-failure --no-tests=error -j $(JOBS) -L unit

sanitize: deps-test ## ASan+UBSan over all tests; TSan over unit and cluster tests, simulator, and a short run of the lab
	@$(MAKE) --no-print-directory build PRESET=asan
	@ctest --test-dir build/asan --output-on-failure --no-tests=error
	@$(MAKE) --no-print-directory build PRESET=tsan
	@ctest --test-dir build/tsan --output-on-failure --no-tests=error -L 'unit|cluster|simulation'
	@CASTLE_BIN=$(CURDIR)/build/tsan/bin/pgcastle tests/lab/run --quick switchover postmaster_killed agent_frozen host_lost

fuzz: deps-test ## each fuzzer of tests/fuzz for FUZZ_SECONDS (600), JOBS at a time; goes on from what it has reached
	@$(MAKE) --no-print-directory build PRESET=$(PRESET)
	@ls tests/fuzz/*_fuzz.cpp | sed 's,.*/,,; s,_fuzz.cpp,,' | \
		xargs -P $(JOBS) -I NAME tests/fuzz/run $(BUILD) NAME $(or $(FUZZ_SECONDS),600)

soak: deps-test ## many simulated seeds (SEED, SEEDS), every fault of tests/lab (FAULTS, ROUNDS, TIMINGS), memory (MINUTES)
	@$(MAKE) --no-print-directory build PRESET=release
	@build/release/bin/pgcastle simulate --seed $(or $(SEED),1) --seeds $(or $(SEEDS),200000)
	@CASTLE_BIN=$(CURDIR)/build/release/bin/pgcastle tests/lab/run $(FAULTS) --rounds $(or $(ROUNDS),3) --time-limit 86400 \
		$(addprefix --timing ,$(TIMINGS))
	@CASTLE_BIN=$(CURDIR)/build/release/bin/pgcastle bench/memory --minutes $(or $(MINUTES),60)

bench: deps-test ## ratios to the peers, measured in the same run
	@$(MAKE) --no-print-directory build PRESET=release
	@bench/run

bench-failover: deps-test ## what an outage costs, ours and the peer in turn on the same faults; ROUNDS of each, 10 without
	@$(MAKE) --no-print-directory build PRESET=release
	@CASTLE_BIN=$(CURDIR)/build/release/bin/pgcastle bench/failover --rounds $(or $(ROUNDS),10)

lint: ## changed files against .clang-format and the layering
	@tools/lint
	@tools/check_layout

clean:
	rm -rf build

deps-build:
	@tools/install-deps build

deps-test:
	@tools/install-deps test
