# schemas.mk - JSON schemas against the official suite and ajv; included by tests.mk.
# `make schemas`, with more walks by SCHEMA_SAMPLES=N; `make schema-outputs`, with more of a model's by SCHEMA_OUTPUTS=N. Needs Debian's libtest-json-schema-acceptance-perl,
# which carries the official suite's data; nothing of it is run.

SCHEMA_LINES := $(BUILD)/tests/schema_lines
$(SCHEMA_LINES): $(BUILD)/obj/tests/oracles/schema_lines.o $(PATHS) $(LIB)
	@mkdir -p $(@D)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

SCHEMA_SUITE   ?= /usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance/tests
SCHEMA_SAMPLES ?= 40
SCHEMA_TEST = "needs=$(ORACLES)/npm.stamp needs=$(SCHEMA_SUITE)/draft2020-12/allOf.json $(NODE) tests/oracles/schemas.mjs $(ORACLES) $(SCHEMA_LINES) $(SCHEMA_SUITE) $(SCHEMA_SAMPLES)"
SCHEMA_OUTPUTS ?= 200
SCHEMA_OUTPUTS_TEST = "needs=$(ORACLES)/npm.stamp $(NODE) tests/oracles/schema_outputs.mjs $(ORACLES) $(BUILD) $(SCHEMA_OUTPUTS)"
.PHONY: schemas schema-outputs
schema-outputs: all $(BUILD)/bitnet-synth $(ORACLES)/npm.stamp
	@V=1 tests/run.sh $(SCHEMA_OUTPUTS_TEST)
schemas: $(SCHEMA_LINES) $(ORACLES)/npm.stamp
	@V=1 tests/run.sh $(SCHEMA_TEST)
