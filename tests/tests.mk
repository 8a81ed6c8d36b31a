# tests.mk - builds and runs the tests; included by the Makefile.
# tests/unit/test_*.c are libcheck programs of one module each; tests/lib is shared by them.

TEST_LIB_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/lib/*.c))
TOOL_LIB_OBJ := $(filter-out %/ktest.o %/graph_check.o,$(TEST_LIB_OBJ)) # without libcheck
UNIT_NAMES   := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
UNIT_BIN     := $(UNIT_NAMES:%=$(BUILD)/tests/%)
TOOL_NAMES   := $(basename $(notdir $(wildcard tests/tools/*.c)))
TOOL_BIN     := $(TOOL_NAMES:%=$(BUILD)/%)
TEST_CPPFLAGS := -Itests/lib $(shell $(PKG_CONFIG) --cflags check 2>/dev/null) -DTEST_BUILD='"$(abspath $(BUILD))"' \
                 -DTEST_SOURCE='"$(CURDIR)"'
TEST_LIBS     := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

.PHONY: tests tools run-tests
tests: $(UNIT_BIN)
tools: $(TOOL_BIN)

include tests/plugins/plugins.mk
include tests/oracles/oracles.mk
include tests/oracles/crossval/crossval.mk
include tests/fuzz/fuzz.mk
include tests/checkkern/checkkern.mk
include tests/arm64.mk
include tests/digests/digests.mk
include tests/torture/torture.mk
include tests/workflows/workflows.mk

# Everything `make check` runs; each program reports how many tests passed.
run-tests: all library test-plugins evex $(UNIT_BIN) $(CHECKKERN) $(TORTURE_BIN) $(GOLDEN_BIN) $(TEMPLATE_LINES) $(JINJA_LINES) $(ORACLES)/vocab.stamp $(BUNDLE).stamp
	@tests/run.sh $(UNIT_BIN) "$(GOLDEN_BIN) $(VOCAB_GGUF)" $(FIRST_TOKEN) \
	    "$(NODE) tests/oracles/templates.mjs $(ORACLES) $(TEMPLATE_LINES)" $(JINJA_TEST) "tests/cli.sh $(BUILD)" "tests/outputs.sh $(BUILD)" "tests/hostile.sh $(BUILD)" "tests/chat.sh $(BUILD)" \
	    "tests/parity.sh $(BUILD)" "tests/model.sh $(BUILD) $(MODEL)" \
	    "tests/receipts/check.sh $(BUILD)" "tests/receipts/provenance.sh $(BUILD) $(MODEL)" $(TORTURE_BIN) "tests/library/check.sh $(BUILD)" "tests/hub/check.sh $(BUILD)" \
	    "tests/workflows/check.sh $(BUILD)" $(BASELINES_TEST) "tests/papers.sh $(BUILD)" \
	    "$(CHECKKERN) $(PLUGIN_FILES)" $(EVEX_FILES:%="$(CHECKKERN) %")

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
check-long:
	+@V=0 tests/run.sh "env BITNET_SCHEDULES=10000 $(BUILD)/tests/test_schedule" "tests/hub/check.sh $(BUILD) 200" $(LONG_TARGETS:%="$(MAKE) --no-print-directory V=0 %") \
	    "scripts/ci-sanitize.sh asan" "scripts/ci-sanitize.sh tsan"

# Tests know where the build lies.
$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/where
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(TEST_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

$(UNIT_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(TEST_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(CORE_LIBS)

$(TOOL_BIN): $(BUILD)/%: $(BUILD)/obj/tests/tools/%.o $(TOOL_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)
