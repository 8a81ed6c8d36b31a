# checkkern.mk - builds bitnet-checkkern and the plugins with planted faults; included by tests.mk.

CHECKKERN     := $(BUILD)/bitnet-checkkern
CHECKKERN_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/checkkern/*.c))

.PHONY: checkkern check-kernels-quick check-kernels-long check-mutations
checkkern: $(CHECKKERN)

$(CHECKKERN): $(CHECKKERN_OBJ) $(PATHS) $(LIB)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)

check-kernels-quick: $(CHECKKERN) $(PLUGIN_FILES)
	$(CHECKKERN) $(PLUGIN_FILES)

check-kernels-long: $(CHECKKERN) $(PLUGIN_FILES)
	$(CHECKKERN) --long $(PLUGIN_FILES)

# ---- the test of the test: plugins with one planted fault each -----------------------------------
MUTANT_LIST := tests/checkkern/mutants/list
MUTANTS     := $(shell sed -nE 's/^([a-z0-9_]+) [a-z]+ .*/\1/p' $(MUTANT_LIST))
MUTANT_DIR  := $(BUILD)/mutants
MUTANT_REF  := $(filter-out %/plugin.o,$(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/ref-scalar/*.c)))

# The list is read only where it is needed: it takes a process a mutant.
ifneq ($(filter check-mutations,$(MAKECMDGOALS)),)
# $(1): a name in the list; $(2): the source it is planted in. Built without ASan or UBSan in mind:
# a fault must reach the checker, not a sanitizer.
define mutant_rules
$(MUTANT_DIR)/$(1).so: tests/checkkern/mutants/$(2).c tests/checkkern/mutants/mutant.h $(MUTANT_REF)
	@mkdir -p $$(@D)
	$$(call run,CC,$$@)$$(CC) $$(STD) $$(HERE) $$(OPT) $$(WARN) -DMUTANT_$(1) -Icore/include -Iplugins/ref-scalar $$(CPPFLAGS) \
	    $$(CFLAGS) -shared $$(LINK_HARDEN) $$(LDFLAGS) -o $$@ $$< $(MUTANT_REF) -lm
endef
$(foreach m,$(MUTANTS),$(eval $(call mutant_rules,$(m),$(shell sed -nE 's/^$(m) ([a-z]+) .*/\1/p' $(MUTANT_LIST)))))
endif

check-mutations: $(CHECKKERN) $(MUTANTS:%=$(MUTANT_DIR)/%.so)
	@tests/checkkern/mutants/check.sh $(CHECKKERN) $(MUTANT_DIR) $(MUTANT_LIST)
