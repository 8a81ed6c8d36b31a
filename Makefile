# Makefile - builds bitnet, its plugins and its tests. `make help` lists the targets.
# Honours CC CFLAGS CPPFLAGS LDFLAGS DESTDIR PREFIX, VARIANT=release|debug|asan|ubsan|tsan|fuzz, and
# WERROR=1. Everything it makes lies under build/$(VARIANT).

VERSION  := 0.10.0-rc.0
VARIANT  ?= release
BUILD    ?= build/$(VARIANT)
PREFIX   ?= /usr/local
DESTDIR  ?=
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC := gcc
endif

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# One short line a command; V=1 shows the commands.
run = $(if $(filter 1,$(V)),,@printf '  %-4s %s\n' $(1) $(2);)

# ---- flags ------------------------------------------------------------------------------------
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
LIBS := hwloc jansson libcrypto libutf8proc libcurl
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wno-overlength-strings $(if $(WERROR),-Werror)
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2
OPT_release := -O2 -g $(HARDEN)
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all \
               -fno-omit-frame-pointer
OPT_ubsan   := -O1 -g -fsanitize=undefined,float-cast-overflow -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize-recover=all
OPT := $(OPT_$(VARIANT))
ifeq ($(OPT),)
$(error VARIANT=$(VARIANT) is none of release debug asan ubsan tsan fuzz)
endif
# A fuzzer looks for new ways through the code; the judge's loops have none, and would take all its time.
JUDGE_OPT := $(OPT:-fsanitize=fuzzer-no-link,%=-fsanitize=%) -O3
# No contraction and no -ffast-math anywhere: docs/NUMERICS.md.
STD    := -std=c11 -D_GNU_SOURCE -ffp-contract=off -fno-math-errno -fvisibility=hidden -fPIC
DEPGEN  = -MMD -MP -MT $@ -MF $(@:.o=.d)
CORE_CPPFLAGS = -Icore/include -Icore -Itokenizers -Itemplates -Ireceipts -DBNT_VERSION='"$(VERSION)"' \
                $(shell $(PKG_CONFIG) --cflags $(LIBS))
CORE_LIBS = $(shell $(PKG_CONFIG) --libs $(LIBS)) -ldl -lpthread -lm
CMD_LIBS  = $(shell $(PKG_CONFIG) --libs libedit)
LINK_HARDEN := -Wl,-z,relro,-z,now

# ---- sources ----------------------------------------------------------------------------------
LIB_SRC   := $(filter-out core/cmd/% core/plugin/paths.c,$(wildcard core/*/*.c)) \
             $(wildcard tokenizers/*.c templates/*.c receipts/*.c)
JUDGE_SRC := $(wildcard plugins/ref-scalar/*.c)
CMD_SRC   := $(wildcard core/cmd/*.c)
LIB_OBJ   := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(JUDGE_SRC:%.c=$(BUILD)/obj/judge/%.o)
CMD_OBJ   := $(CMD_SRC:%.c=$(BUILD)/obj/%.o)
PATHS     := $(BUILD)/obj/core/plugin/paths.o

BITNET := $(BUILD)/bitnet
LIB    := $(BUILD)/libbitnet.a
MODEL  := models/bitnet-demo-i2_s.gguf

.PHONY: all
all: $(BITNET) plugins tools

include plugins/plugin.mk
include core/library.mk
include tests/tests.mk

# ---- core -------------------------------------------------------------------------------------
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

# Receipts say which commit made them; the object is made anew when that changes.
COMMIT := $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)
.PHONY: FORCE
$(BUILD)/commit: FORCE
	@mkdir -p $(@D)
	@echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@
$(BUILD)/obj/receipts/commit.o: $(BUILD)/commit
$(BUILD)/obj/receipts/commit.o: CPPFLAGS += -DBNT_COMMIT='"$(COMMIT)"'

# The judge is linked into the program under a name of its own: nobody replaces it by a file.
$(BUILD)/obj/judge/%.o: %.c
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(JUDGE_OPT) $(WARN) -Icore/include -Dbitnet_plugin_v1=bnt_judge_plugin \
	    $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

# The only file that knows where things lie: in the tree for build/, below PREFIX when installed. A
# stamp says where this tree is, so that a copy makes anew whatever has the old place in it.
$(BUILD)/where: FORCE
	@mkdir -p $(@D)
	@echo '$(CURDIR) $(abspath $(BUILD)) $(abspath $(MODEL))' | cmp -s - $@ || \
	    echo '$(CURDIR) $(abspath $(BUILD)) $(abspath $(MODEL))' >$@
$(PATHS): core/plugin/paths.c $(BUILD)/where
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) \
	    -DBNT_PLUGIN_DIR='"$(abspath $(BUILD))/plugins"' -DBNT_MODEL='"$(abspath $(MODEL))"' \
	    -DBNT_PLUGIN_BESIDE='"plugins"' \
	    -DBNT_MODEL_BESIDE='"$(shell realpath -m --relative-to=$(BUILD) $(MODEL))"' \
	    -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(call run,AR,$@)$(AR) rcs $@ $^

# Only the command edits lines; the library needs no libedit.
$(BITNET): $(CMD_OBJ) $(PATHS) $(LIB)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CMD_LIBS) $(CORE_LIBS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- the main jobs ------------------------------------------------------------------------------
JOBS := $(shell nproc 2>/dev/null || echo 1)
DEMO_PROMPT := The king said
DEMO_FLAGS  := -n 160 --temp 0.7 --top-k 40 --repeat-penalty 1.1 --seed 7

.PHONY: demo check lint format install uninstall clean help deps-build deps-test
deps-build:
	@scripts/deps.sh build
deps-test:
	@scripts/deps.sh build test

# Each begins a second make, which sees the libraries that the first has just installed.
demo: deps-build
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@echo '$$ bitnet -p "$(DEMO_PROMPT)" $(DEMO_FLAGS)'
	@$(BITNET) --echo -p "$(DEMO_PROMPT)" $(DEMO_FLAGS)

check: deps-test
	@$(MAKE) --no-print-directory -j$(JOBS) run-tests

# ---- installing ---------------------------------------------------------------------------------
$(BUILD)/bitnet-installed: $(CMD_OBJ) $(PATHS_INSTALLED) $(LIB)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CMD_LIBS) $(CORE_LIBS)

INSTALL_ROOT := $(DESTDIR)$(PREFIX)
install: $(BUILD)/bitnet-installed $(BUILD)/bitnet-checkkern-installed plugins install-library
	install -d -m 755 $(INSTALL_ROOT)/bin $(INSTALL_ROOT)/lib/bitnet/plugins \
	    $(INSTALL_ROOT)/include/bitnet $(INSTALL_ROOT)/lib/pkgconfig \
	    $(INSTALL_ROOT)/share/bitnet $(INSTALL_ROOT)/share/man/man1
	install -m 755 $(BUILD)/bitnet-installed $(INSTALL_ROOT)/bin/bitnet
	install -m 755 $(BUILD)/bitnet-checkkern-installed $(INSTALL_ROOT)/bin/bitnet-checkkern
	install -m 755 $(filter-out %/ref-scalar.so,$(PLUGIN_FILES)) $(INSTALL_ROOT)/lib/bitnet/plugins
	install -m 644 $(addprefix core/include/bitnet/,plugin.h numerics.h dense.h) $(INSTALL_ROOT)/include/bitnet
	sed -e 's,@PREFIX@,$(PREFIX),g' -e 's,@VERSION@,$(VERSION),g' plugins/bitnet-plugin.pc.in \
	    >$(INSTALL_ROOT)/lib/pkgconfig/bitnet-plugin.pc
	install -m 644 $(MODEL) $(INSTALL_ROOT)/share/bitnet
	install -m 644 docs/bitnet.1 docs/bitnet-checkkern.1 $(INSTALL_ROOT)/share/man/man1
	install -d -m 755 $(INSTALL_ROOT)/share/doc/bitnet/example-plugin
	install -m 644 docs/example-plugin/* $(INSTALL_ROOT)/share/doc/bitnet/example-plugin

uninstall: uninstall-library
	rm -f $(INSTALL_ROOT)/bin/bitnet $(INSTALL_ROOT)/bin/bitnet-checkkern \
	    $(INSTALL_ROOT)/share/man/man1/bitnet.1 $(INSTALL_ROOT)/share/man/man1/bitnet-checkkern.1 \
	    $(INSTALL_ROOT)/lib/pkgconfig/bitnet-plugin.pc
	rm -rf $(INSTALL_ROOT)/lib/bitnet $(INSTALL_ROOT)/share/bitnet $(INSTALL_ROOT)/include/bitnet \
	    $(INSTALL_ROOT)/share/doc/bitnet

# ---- judging ------------------------------------------------------------------------------------
C_FILES = $(shell git ls-files '*.c' '*.h')
lint:
	@scripts/deps.sh build test lint
	@clang-format --dry-run --Werror $(C_FILES)
	shellcheck $(shell git ls-files '*.sh') .ci/run
	@$(MAKE) --no-print-directory lint-workflows
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability \
	    --suppress=missingIncludeSystem -Icore/include -Icore -Itokenizers -Itemplates core tokenizers templates receipts

format:
	clang-format -i $(C_FILES)

clean:
	rm -rf build

help:
	@echo 'make           build bitnet and its plugins into $(BUILD)'
	@echo 'make demo      install what is missing, build, and generate text'
	@echo 'make check     install what is missing, build, and run the tests (V=1 shows their output)'
	@echo 'make check-long   besides: all kernel cases, planted faults, llama.cpp, AArch64 under qemu,'
	@echo '               one digest everywhere, sanitizers (CONTRIBUTING.md names each)'
	@echo 'make check-baselines   the receipts in docs/baselines;  make go-no-go [FULL=1]   the release checklist'
	@echo 'make install   into $$(DESTDIR)$$(PREFIX), default /usr/local; make uninstall'
	@echo 'make lint      clang-format, shellcheck, actionlint, cppcheck;  make format;  make clean'
	@echo 'VARIANT=release|debug|asan|ubsan|tsan|fuzz   CC=...   WERROR=1'
