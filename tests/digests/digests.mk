# digests.mk - `make check-digests`: one digest from every backend, thread count, batch size and
# processor; included by tests.mk. On an x86-64 machine only, whose emulators run the AArch64 build.
# `make check-digests DIGESTS='--model FILE'` takes a model of your own, natively.

LESSER_DIR   := $(BUILD)/lesser
LESSER_NAMES := $(filter $(PLUGINS_HERE),cpu-avx512 cpu-avx2)
LESSER_FILES := $(LESSER_NAMES:%=$(LESSER_DIR)/%.so)

.PHONY: lesser check-digests
lesser: $(LESSER_FILES)

$(BUILD)/obj/tests/digests/lesser-%.o: tests/digests/lesser-%.c
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(OPT) $(WARN) $(cpu-$*_CFLAGS) -Icore/include $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

define lesser_rule
$(LESSER_DIR)/cpu-$(1).so: $(BUILD)/obj/tests/digests/lesser-$(1).o \
    $(filter-out %/plugin.o,$(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/cpu-$(1)/*.c)))
	@mkdir -p $$(@D)
	$$(call run,LD,$$@)$$(CC) $$(OPT) -shared $$(LINK_HARDEN) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^
endef
$(foreach n,$(LESSER_NAMES:cpu-%=%),$(eval $(call lesser_rule,$(n))))

ifeq ($(findstring --model,$(DIGESTS)),)
check-digests: arm64
endif
check-digests: all lesser
	@tests/digests/check.sh $(BUILD) $(ARM64_BUILD) $(DIGESTS)
