# bench_llama.mk - `make bench-llama`: llama.cpp's shared library, the one of `make crossval`, and ours on the same
# files; included by tests.mk. No test: it takes gigabytes and half an hour, and judges nothing. docs/performance.md.
#     make bench-llama SHAPE="2b4t bonsai-1.7b" ROUNDS=3 THREADS="1 2"

SHAPE   ?= 2b4t bonsai-1.7b
ROUNDS  ?= 3
THREADS ?= 1 2
BENCH_LLAMA     := build/bench-llama
BENCH_LLAMA_BIN := $(BUILD)/tests/bench_llama

$(BENCH_LLAMA_BIN): $(BUILD)/obj/tests/oracles/bench_llama.o $(BUILD)/obj/tests/oracles/crossval/libllama.o $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(CORE_LIBS)

# What npm cannot install is the script's to say, with what else is missing.
.PHONY: bench-llama
bench-llama: $(BENCH_LLAMA_BIN) $(BITNET) plugins tools
	-@$(MAKE) --no-print-directory $(LLAMA_ORACLE)/npm.stamp
	tests/oracles/bench_llama.py $(BUILD) $(BENCH_LLAMA_BIN) $(LLAMA_LIB) $(BENCH_LLAMA) "$(SHAPE)" $(ROUNDS) "$(THREADS)"
