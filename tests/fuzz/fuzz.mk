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
# One of them reads command lines, which the library does not.
$(BUILD)/tests/fuzz_args: $(BUILD)/obj/core/cmd/args.o $(BUILD)/obj/core/cmd/spelling.o
$(FUZZ_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/fuzz/%.o $(TEST_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) -fsanitize=fuzzer $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TEST_LIBS) $(CORE_LIBS)

# A line for each, and the end of the log of one that found something.
fuzz-run: $(FUZZ_BIN)
	@failed=0; for f in $(FUZZ_NAMES); do \
	    mkdir -p $(BUILD)/corpus/$$f; \
	    if $(BUILD)/tests/$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -rss_limit_mb=4096 \
	        -artifact_prefix=$(BUILD)/corpus/$$f- $(BUILD)/corpus/$$f >$(BUILD)/corpus/$$f.log 2>&1; \
	    then sed -n "s/^Done /$$f: /p" $(BUILD)/corpus/$$f.log; \
	    else tail -n 60 $(BUILD)/corpus/$$f.log; echo "$$f: FAILED"; failed=$$((failed + 1)); fi; \
	done; \
	echo "$$(($(words $(FUZZ_NAMES)) - failed)) passed, $$failed failed"; [ $$failed -eq 0 ]
else
$(FUZZ_BIN) fuzz-run:
	@echo 'fuzzers need: make VARIANT=fuzz CC=clang $@' >&2; exit 2
endif
