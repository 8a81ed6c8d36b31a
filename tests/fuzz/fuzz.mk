# fuzz.mk - builds and runs the fuzzers; included by tests.mk.
# Each tests/fuzz/fuzz_*.c is one libFuzzer program. They need clang:
#   make VARIANT=fuzz CC=clang fuzz            builds them
#   make VARIANT=fuzz CC=clang fuzz-run        runs each for FUZZ_SECONDS (60)
# Inputs that found something new are kept in build/fuzz/corpus/; a crash leaves its input there.

FUZZ_NAMES := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_BIN   := $(FUZZ_NAMES:%=$(BUILD)/tests/%)
FUZZ_SECONDS ?= 60

.PHONY: fuzz fuzz-run
fuzz: $(FUZZ_BIN)

ifeq ($(VARIANT),fuzz)
$(FUZZ_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/fuzz/%.o $(TEST_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) -fsanitize=fuzzer $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(CORE_LIBS)

fuzz-run: $(FUZZ_BIN)
	@for f in $(FUZZ_NAMES); do \
	    mkdir -p $(BUILD)/corpus/$$f; \
	    $(BUILD)/tests/$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	        -artifact_prefix=$(BUILD)/corpus/$$f- $(BUILD)/corpus/$$f || exit 1; \
	done
else
$(FUZZ_BIN) fuzz-run:
	@echo 'fuzzers need: make VARIANT=fuzz CC=clang $@' >&2; exit 2
endif
