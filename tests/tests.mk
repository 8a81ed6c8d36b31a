# tests.mk - builds and runs the tests; included by the Makefile.
# tests/unit/test_*.c are libcheck programs of one module each; tests/lib is shared by them.

TEST_LIB_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/lib/*.c))
TOOL_LIB_OBJ := $(filter-out %/ktest.o %/graph_check.o,$(TEST_LIB_OBJ)) # without libcheck
UNIT_NAMES   := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
UNIT_BIN     := $(UNIT_NAMES:%=$(BUILD)/tests/%)
TOOL_NAMES   := $(basename $(notdir $(wildcard tests/tools/*.c)))
TOOL_BIN     := $(TOOL_NAMES:%=$(BUILD)/%)
TEST_CPPFLAGS := -Itests/lib $(shell $(PKG_CONFIG) --cflags check 2>/dev/null) -DTEST_BUILD='"$(call absolute,$(BUILD))"' \
                 -DTEST_SOURCE='"$(CURDIR)"'
TEST_LIBS     := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

.PHONY: tests tools run-tests
tests: $(UNIT_BIN)
tools: $(TOOL_BIN)

include tests/plugins/plugins.mk
include tests/oracles/oracles.mk
include tests/oracles/schemas.mk
include tests/serve/serve.mk
include tests/oracles/crossval/crossval.mk
include tests/oracles/bench_llama.mk
include tests/fuzz/fuzz.mk
include tests/checkkern/checkkern.mk
include tests/arm64.mk
include tests/riscv64.mk
include tests/digests/digests.mk
include tests/torture/torture.mk
include tests/workflows/workflows.mk

# Everything `make check` runs; each program reports how many tests passed. What comes from the npm registry is
# fetched first; where that fails, all else is run, and what could not be is named and counted as failed.
# With a sanitizer are those that run what it watches. (Python is not built with one, and cannot load a library that is.)
WATCHED := $(if $(filter release debug,$(VARIANT)),,yes)
SCRIPTS := \
    tests/cli.sh \
    $(if $(WATCHED),,tests/readme.sh) \
    tests/outputs.sh \
    tests/quantize.sh \
    tests/convert/check.sh \
    tests/hostile.sh \
    tests/chat.sh \
    tests/batch.sh \
    tests/parity.sh \
    tests/reports.sh \
    tests/terminal.sh \
    tests/slots.sh \
    tests/cases.sh \
    tests/mutants.sh \
    tests/receipts/check.sh \
    tests/hub/check.sh \
    tests/serve/check.sh tests/serve/tools.sh tests/serve/templates.sh tests/serve/load.sh tests/serve/same.sh tests/serve/harness.sh tests/serve/kill.sh \
    $(if $(WATCHED),,tests/workflows/check.sh tests/papers.sh tests/rooms.sh tests/packaging/completions.sh \
        tests/packaging/service.sh tests/packaging/portability.sh)

# These run make in the build folder, so never two at once.
INSTALLING := \
    $(if $(WATCHED),,tests/python/check.sh tests/packaging/check.sh) \
    tests/library/check.sh

TEST_JOBS ?= $(shell nproc 2>/dev/null || echo 1) # test programs at a time
# The same kernels in another encoding have no address or overflow of their own.
ENCODED := $(if $(WATCHED),,$(EVEX_FILES))
run-tests: fetched all library test-plugins $(ENCODED) $(UNIT_BIN) $(CHECKKERN) $(TORTURE_BIN) $(TORTURE_CMD_BIN) $(GOLDEN_BIN) \
    $(TEMPLATE_LINES) $(JINJA_LINES) $(SCHEMA_LINES)
	@TEST_JOBS=$(TEST_JOBS) tests/run.sh $(UNIT_BIN) "needs=$(ORACLES)/vocab.stamp $(GOLDEN_BIN) $(VOCAB_GGUF)" $(FIRST_TOKEN) \
	    $(TEMPLATES_TEST) $(JINJA_TEST) $(JINJA_DIFFER) $(SCHEMA_TEST) $(SCHEMA_OUTPUTS_TEST) $(CLIENTS_TEST) $(SCRIPTS:%="% $(BUILD)") \
	    $(INSTALLING:%="alone=make % $(BUILD)") "alone=make tests/model.sh $(BUILD) $(MODEL)" \
	    "tests/receipts/provenance.sh $(BUILD) $(MODEL)" $(TORTURE_BIN) "tests/torture/commands.sh $(BUILD)" $(BASELINES_TEST) \
	    "$(CHECKKERN) $(PLUGIN_FILES)" $(ENCODED:%="$(CHECKKERN) %")

.PHONY: fetched
fetched:
	@+$(MAKE) --no-print-directory -k $(ORACLES)/vocab.stamp $(BUNDLE).stamp $(CLIENTS)/npm.stamp || echo 'not all could be fetched: the tests that need it will not be run'

# The receipts that came with a release, by the program of today.
BASELINES_TEST = "tests/baselines.sh $(BUILD) $(MODEL)"
.PHONY: check-baselines
check-baselines: all
	@tests/run.sh $(BASELINES_TEST)

# `make go-no-go FULL=1`: besides, what needs a model of 1.2 GB and llama.cpp.
.PHONY: go-no-go
go-no-go:
	@scripts/go-no-go.sh $(if $(FULL),--full)

# Everything that can be tested here, one after the other; ends with one line of sums. An hour and more.
LONG_TARGETS := run-tests check-kernels-long check-mutations vocabulary-files tokenizer-diff crossval check-arm64 check-extremes \
                check-kernels-arm64 check-digests
.PHONY: check-long
check-long: all $(TORTURE_CMD_BIN)
	+@V=0 tests/run.sh "env BITNET_SCHEDULES=10000 $(BUILD)/tests/test_schedule" "tests/hub/check.sh $(BUILD) 200" "tests/torture/commands.sh $(BUILD) all" "$(BUILD)/bitnet-mutants 20000 2" $(LONG_TARGETS:%="$(MAKE) --no-print-directory V=0 %") \
	    "scripts/ci-sanitize.sh asan" "scripts/ci-sanitize.sh tsan"

# Tests know where the build lies.
$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/where $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(HERE) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(TEST_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

$(UNIT_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(TEST_LIB_OBJ) $(PATHS) $(SERVE) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(CORE_LIBS)

$(TOOL_BIN): $(BUILD)/%: $(BUILD)/obj/tests/tools/%.o $(TOOL_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)
