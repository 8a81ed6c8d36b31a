# digests.mk - `make check-digests`: one digest from every backend, thread count, batch size and
# processor; included by tests.mk. On an x86-64 machine only, whose emulators run the AArch64 build.
# `make check-digests DIGESTS='--model FILE'` takes a model of your own, natively.

# Plugins whose choice of a set is turned: to the set of a lesser CPU, and to cpu-avx2's for AVX-VNNI,
# encoded as this CPU knows it if it has AVX-512 VNNI (evex-avx2.c).
LESSER_DIR   := $(BUILD)/lesser
LESSER_NAMES := $(filter $(PLUGINS_HERE),cpu-avx512 cpu-avx2)
LESSER_FILES := $(LESSER_NAMES:%=$(LESSER_DIR)/%.so)
EVEX_DIR     := $(BUILD)/evex
EVEX_FILES   := $(if $(shell grep -sqw avx512_vnni /proc/cpuinfo && echo yes),$(EVEX_DIR)/cpu-avx2.so)

.PHONY: lesser evex check-digests
lesser: $(LESSER_FILES)
evex: $(EVEX_FILES)

$(BUILD)/obj/tests/digests/evex-%.o: EXTRA := -mavx512vl -mavx512vnni
$(BUILD)/obj/tests/digests/%.o: tests/digests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(HERE) $(OPT) $(WARN) $(cpu-$(lastword $(subst -, ,$*))_CFLAGS) $(EXTRA) -Icore/include $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

# FILE, the object that has the choice, and which of the plugin's own it is in place of.
define chosen_rule
$(1): $(2) $(filter-out $(3),$(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/$(basename $(notdir $(1)))/*.c)))
	@mkdir -p $$(@D)
	$$(call run,LD,$$@)$$(CC) $$(OPT) -shared $$(LINK_HARDEN) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^
endef
$(foreach n,$(LESSER_NAMES:cpu-%=%),$(eval $(call \
    chosen_rule,$(LESSER_DIR)/cpu-$(n).so,$(BUILD)/obj/tests/digests/lesser-$(n).o,%/plugin.o)))
$(eval $(call chosen_rule,$(EVEX_DIR)/cpu-avx2.so,$(BUILD)/obj/tests/digests/evex-avx2.o,%/plugin.o %/vnni.o))

ifeq ($(findstring --model,$(DIGESTS)),)
check-digests: arm64
endif
check-digests: all lesser evex
	@tests/digests/check.sh $(BUILD) $(ARM64_BUILD) $(DIGESTS)
