# crossval.mk - our engine against llama.cpp's shared library; included by tests.mk.
# `make crossval` installs the pinned npm package under build/oracles-llama, compares token ids and
# logits, and writes a parity receipt: $(BUILD)/crossval.json, or below BASELINES_DIR. Where the
# package cannot be had the receipt says `no_reference` and make fails. docs/CROSSVAL.md.

LLAMA_ORACLE := build/oracles-llama
LLAMA_LIB    := $(LLAMA_ORACLE)/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64
CROSSVAL_BIN := $(BUILD)/tests/crossval
CROSSVAL_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/oracles/crossval/*.c))
CROSSVAL_RECEIPT = $(if $(BASELINES_DIR),$(BASELINES_DIR)/$(shell date -u +%F)/parity-llama-cpp.json,$(BUILD)/crossval.json)
CROSSVAL_TEXTS ?= 3000
CROSSVAL_SEED  ?= 1

# CROSSVAL_GGUF names a model to be compared as well; without it, one of twelve blocks made here.
CROSSVAL_FILE := $(BUILD)/tests/crossval-file.gguf

.PHONY: crossval crossval-absent
$(LLAMA_ORACLE)/npm.stamp: tests/oracles/crossval/package.json tests/oracles/crossval/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(@D)/
	cd $(@D) && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(CROSSVAL_BIN): $(CROSSVAL_OBJ) $(TOOL_LIB_OBJ) $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

# What npm cannot install is the program's to report: it writes a receipt in any case.
crossval: $(CROSSVAL_BIN) plugins tools crossval-absent
	-@$(MAKE) --no-print-directory $(LLAMA_ORACLE)/npm.stamp
	-@$(MAKE) --no-print-directory $(ORACLES)/vocab.stamp $(BUNDLE).stamp
	@mkdir -p $(dir $(CROSSVAL_RECEIPT))
	$(BUILD)/bitnet-synth --arch bitnet --type TQ2_0 --blocks 12 --vocab 6000 --embd 512 --heads 8 --head-dim 64 \
	    --ff 1024 -o $(CROSSVAL_FILE)
	@if [ -e $(LLAMA_LIB) ]; then tests/oracles/crossval/file.sh $(CROSSVAL_BIN) $(LLAMA_LIB) $(BUILD)/bitnet-synth; fi
	CROSSVAL_GGUF="$${CROSSVAL_GGUF:-$(CROSSVAL_FILE)}" $(CROSSVAL_BIN) --vocab=$(ORACLES) --work=$(BUILD)/tests --receipt=$(CROSSVAL_RECEIPT) \
	    --texts=$(CROSSVAL_TEXTS) --seed=$(CROSSVAL_SEED) $(LLAMA_LIB)

# No library, a library that is none, and one with other functions: never a pass.
crossval-absent: $(CROSSVAL_BIN)
	@tests/oracles/crossval/absent.sh $(CROSSVAL_BIN)
