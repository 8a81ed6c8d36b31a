# fuzz.mk - builds and runs the fuzzers; included by tests.mk.
# Each tests/fuzz/fuzz_*.c is one libFuzzer program. They need clang:
#   make VARIANT=fuzz CC=clang fuzz            builds them
#   make VARIANT=fuzz CC=clang fuzz-run        runs each for FUZZ_SECONDS (60), FUZZ_JOBS (1) at once
#   ASAN_OPTIONS=intercept_memcmp=0 make VARIANT=fuzz CC=clang FUZZ_COVER=-fsanitize-coverage=inline-8bit-counters,pc-table fuzz-run
#                                              two to three times as many a second, which do not learn from comparisons: for long
#                                              runs of inputs that have grown already
# They begin with the inputs of seeds.py. Inputs that found something new are kept in build/fuzz/corpus/; a crash leaves its input there.

FUZZ_NAMES := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_BIN   := $(FUZZ_NAMES:%=$(BUILD)/tests/%)
FUZZ_SECONDS ?= 60
FUZZ_JOBS    ?= 1

.PHONY: fuzz fuzz-run
fuzz: $(FUZZ_BIN)

ifeq ($(VARIANT),fuzz)
# One of them reads command lines, which the library does not.
$(BUILD)/tests/fuzz_args: $(BUILD)/obj/core/cmd/args.o $(BUILD)/obj/core/cmd/spelling.o
$(FUZZ_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/fuzz/%.o $(TEST_LIB_OBJ) $(PATHS) $(SERVE) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) -fsanitize=fuzzer $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(CORE_LIBS)

fuzz-run: $(FUZZ_BIN)
	@tests/fuzz/run.sh $(BUILD) $(FUZZ_SECONDS) $(FUZZ_JOBS) $(FUZZ_NAMES)
else
$(FUZZ_BIN) fuzz-run:
	@echo 'fuzzers need: make VARIANT=fuzz CC=clang $@' >&2; exit 2
endif
