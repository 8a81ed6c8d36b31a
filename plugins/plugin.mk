# plugin.mk - the one recipe that builds a plugin. A plugin is a folder here; its optional build.mk
# sets NAME_ARCH (the CPU it is for, default any) and NAME_CFLAGS. Plugins see core/include only.

PLUGIN_NAMES := $(notdir $(patsubst %/,%,$(dir $(wildcard plugins/*/plugin.c))))
-include $(wildcard plugins/*/build.mk)
PLUGINS_HERE := $(foreach p,$(PLUGIN_NAMES),$(if $(filter $(or $($(p)_ARCH),$(ARCH)),$(ARCH)),$(p)))
PLUGIN_FILES := $(PLUGINS_HERE:%=$(BUILD)/plugins/%.so)

.PHONY: plugins
plugins: $(PLUGIN_FILES)

define plugin_rules
$(BUILD)/obj/plugins/$(1)/%.o: plugins/$(1)/%.c $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(call run,CC,$$@)$$(CC) $$(STD) $$(HERE) $$(OPT) -O3 $$(WARN) $$($(1)_CFLAGS) -Icore/include $$(CPPFLAGS) $$(CFLAGS) \
	    $$(DEPGEN) -c -o $$@ $$<

$(BUILD)/plugins/$(1).so: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard plugins/$(1)/*.c))
	@mkdir -p $$(@D)
	$$(call run,LD,$$@)$$(CC) $$(OPT) -shared $$(LINK_HARDEN) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^
endef
$(foreach p,$(PLUGIN_NAMES),$(eval $(call plugin_rules,$(p))))
