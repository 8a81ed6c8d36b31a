# Makefile - builds bitnet, its plugins and its tests. `make help` lists the targets.
# Honours CC CFLAGS CPPFLAGS LDFLAGS, VARIANT=release|debug|asan|ubsan|tsan|fuzz, WERROR=1, and where to
# install (packaging/install.mk). Everything it makes lies under build/$(VARIANT).

VERSION  := 0.11.0
VARIANT  ?= release
BUILD    ?= build/$(VARIANT)
PKG_CONFIG ?= pkg-config
ifeq ($(origin CC),default)
CC := gcc
endif

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# The tree may lie below folders with spaces, which make takes for two: paths in it stay relative, and what
# must be absolute meets only the shell, in quotes.
q = '$(subst ','\'',$(1))'
absolute = $(if $(filter /%,$(1)),$(1),$(CURDIR)/$(1))

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
# Where variables are is lost in a debugger; gcc would take a third longer for the kernels, which are minutes.
OPT_asan    := -O1 -g -fno-var-tracking -fsanitize=address,undefined,float-cast-overflow \
               -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_ubsan   := -O1 -g -fno-var-tracking -fsanitize=undefined,float-cast-overflow -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
FUZZ_COVER  := -fsanitize=fuzzer-no-link
OPT_fuzz    := -O1 -g $(FUZZ_COVER) -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
OPT := $(OPT_$(VARIANT))
ifeq ($(OPT),)
$(error VARIANT=$(VARIANT) is none of release debug asan ubsan tsan fuzz)
endif
# A fuzzer looks for new ways through the code; the judge's loops have none, and would take all its time.
JUDGE_OPT := $(filter-out -fsanitize=fuzzer-no-link -fsanitize-coverage=%,$(OPT)) -O3
# No contraction and no -ffast-math anywhere: docs/NUMERICS.md. The place of the tree is in no object.
STD    := -std=c11 -D_GNU_SOURCE -ffp-contract=off -fno-math-errno -fvisibility=hidden -fPIC
HERE   := $(call q,-ffile-prefix-map=$(CURDIR)=.)
DEPGEN  = -MMD -MP -MT $@ -MF $(@:.o=.d)
ROOMS  := tokenizers templates grammars receipts
INCLUDES := -Icore/include -Icore $(ROOMS:%=-I%)
CORE_CPPFLAGS = $(INCLUDES) -DBNT_VERSION='"$(VERSION)"' $(LIBS_CFLAGS)
LIBS_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS) 2>/dev/null)
# Without libmicrohttpd the command line has everything but the server.
HTTPD  := $(shell $(PKG_CONFIG) --exists libmicrohttpd 2>/dev/null && echo libmicrohttpd)
CORE_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null) -ldl -lpthread -lm
CMD_LIBS  := $(shell $(PKG_CONFIG) --libs libedit $(HTTPD) 2>/dev/null)
LINK_HARDEN := -Wl,-z,relro,-z,now

# ---- sources ----------------------------------------------------------------------------------
LIB_SRC   := $(filter-out core/cmd/% core/serve/% core/plugin/paths.c,$(wildcard core/*/*.c)) \
             $(wildcard tokenizers/*.c templates/*.c grammars/*.c receipts/*.c)
JUDGE_SRC := $(wildcard plugins/ref-scalar/*.c)
CMD_SRC   := $(filter-out core/cmd/serve$(if $(HTTPD),_none).c,$(wildcard core/cmd/*.c))
SERVE_SRC := $(filter-out $(if $(HTTPD),,core/serve/http.c),$(wildcard core/serve/*.c))
LIB_OBJ   := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(JUDGE_SRC:%.c=$(BUILD)/obj/judge/%.o)
CMD_OBJ   := $(CMD_SRC:%.c=$(BUILD)/obj/%.o)
SERVE_OBJ := $(SERVE_SRC:%.c=$(BUILD)/obj/%.o)
PATHS     := $(BUILD)/obj/core/plugin/paths.o

BITNET := $(BUILD)/bitnet
LIB    := $(BUILD)/libbitnet.a
SERVE  := $(BUILD)/libserve.a
MODEL  := models/bitnet-demo-i2_s.gguf

.PHONY: all
all: $(BITNET) plugins tools library installable

include packaging/install.mk
include packaging/dist.mk
include plugins/plugin.mk
include core/library.mk
include tests/tests.mk

# ---- what every object depends on ---------------------------------------------------------------
# On a machine without compiler or libraries: what is missing, before the first error of a compiler.
BARE := $(if $(shell command -v $(firstword $(CC)) >/dev/null && $(PKG_CONFIG) --exists $(LIBS) libedit 2>/dev/null && echo yes),,bare)
.PHONY: bare FORCE
bare:
	@command -v $(firstword $(CC)) >/dev/null || echo "there is no compiler '$(firstword $(CC))' (CC= names another)" >&2
	@PKG_CONFIG="$(PKG_CONFIG)" scripts/deps.sh --list build
	@exit 1

# Another compiler or another flag makes everything anew; WARN and WERROR change no byte.
FLAGS = $(CC) ($(shell $(CC) --version 2>/dev/null | head -n 1)) $(STD) $(OPT) $(LIBS_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
stamp = @mkdir -p $(@D) && printf '%s\n' $(call q,$(1)) | cmp -s - $@ || printf '%s\n' $(call q,$(1)) >$@
$(BUILD)/flags: FORCE $(BARE)
	$(call stamp,$(FLAGS))

# ---- core -------------------------------------------------------------------------------------
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(HERE) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

# Receipts say which commit made them; the object is made anew when that changes.
# A tree without git (make dist) has the name in a file.
COMMIT = $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || cat packaging/commit 2>/dev/null || echo unknown)
$(BUILD)/commit: FORCE
	$(call stamp,$(COMMIT))
$(BUILD)/obj/receipts/commit.o: $(BUILD)/commit
$(BUILD)/obj/receipts/commit.o: CPPFLAGS += -DBNT_COMMIT='"'"$$(cat $(BUILD)/commit)"'"'

# The judge is linked into the program under a name of its own: nobody replaces it by a file.
$(BUILD)/obj/judge/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(HERE) $(JUDGE_OPT) $(WARN) -Icore/include -Dbitnet_plugin_v1=bnt_judge_plugin \
	    $(CPPFLAGS) $(CFLAGS) $(DEPGEN) -c -o $@ $<

# The only file that knows where things lie: in the tree for build/, below PREFIX when installed. A
# stamp says where this tree is, so that a copy makes anew whatever has the old place in it.
$(BUILD)/where: FORCE
	$(call stamp,$(CURDIR) $(BUILD) $(MODEL))
$(PATHS): core/plugin/paths.c $(BUILD)/where $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$@)$(CC) $(STD) $(HERE) $(OPT) $(WARN) $(CORE_CPPFLAGS) $(CPPFLAGS) $(CFLAGS) $(DEPGEN) \
	    $(call places,$(call absolute,$(BUILD))/plugins,$(call absolute,$(MODEL)),$(BUILD)) -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(call run,AR,$@)$(AR) rcs $@ $^

# The page lies in the program.
$(BUILD)/obj/core/serve/page.o: $(wildcard core/serve/page/*)

$(SERVE): $(SERVE_OBJ)
	@rm -f $@
	$(call run,AR,$@)$(AR) rcs $@ $^

# Only the command edits lines; the library needs no libedit.
$(BITNET): $(CMD_OBJ) $(PATHS) $(SERVE) $(LIB)
	$(call run,LD,$@)$(CC) $(OPT) $(LINK_HARDEN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CMD_LIBS) $(CORE_LIBS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- the main jobs ------------------------------------------------------------------------------
JOBS := $(shell nproc 2>/dev/null || echo 1)
# A line each; `make shown` writes what they say into the documents that show it.
define DEMO
bitnet --echo -p "Once upon a time" -n 260 --temp 0.7 --seed 10
printf 'What is a whale?\nWhat is the capital of France?\nWhat is 17 + 25?\n' | bitnet chat
endef
export DEMO

.PHONY: demo demo-text shown check lint format clean help deps-build deps-test
deps-build:
	@scripts/deps.sh build
deps-test:
	@scripts/deps.sh build test

# Each begins a second make, which sees the libraries that the first has just installed.
demo: deps-build
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory demo-text

demo-text: all
	@PATH=$(call q,$(call absolute,$(BUILD))):$$PATH; printf '%s\n' "$$DEMO" | while read -r line; do \
	    printf '\n$$ %s\n' "$$line"; sh -c "$$line" </dev/null || exit; done

# The outputs in the documents become those of today; tests/readme.sh and tests/model.sh hold them against it.
shown: all
	@scripts/shown.py $(call q,$(BUILD)) --demo README.md models/README.md

check: deps-test
	@$(MAKE) --no-print-directory -j$(JOBS) run-tests

# ---- judging ------------------------------------------------------------------------------------
# The layout comes last: with another version of its program the rest has still been judged.
C_FILES = $(shell git ls-files '*.c' '*.h')
lint:
	@scripts/deps.sh build test lint
	shellcheck $(shell git ls-files '*.sh') .ci/run
	@$(MAKE) --no-print-directory lint-workflows
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability \
	    --suppress=missingIncludeSystem $(INCLUDES) core $(ROOMS)
	@scripts/layout.sh check $(C_FILES)

format:
	@scripts/layout.sh put-right $(C_FILES)

# What a maintainer runs before tagging; scripts/set-version.sh VERSION makes the tree a version.
.PHONY: release-check
release-check: all checkkern
	@scripts/release-check.sh $(BUILD)

clean:
	rm -rf build

help:
	@echo 'make           build bitnet and its plugins into $(BUILD)'
	@echo 'make demo      install what is missing, build, and show what the model in models/ says'
	@echo 'make check     install what is missing, build, and run the tests (V=1 shows their output)'
	@echo 'make check-long   besides: all kernel cases, planted faults, llama.cpp, AArch64 under qemu,'
	@echo '               one digest everywhere, sanitizers (CONTRIBUTING.md names each)'
	@echo 'make check-baselines   the receipts in docs/baselines;  make go-no-go [FULL=1]   the release checklist'
	@echo 'make install   into $$(DESTDIR)$$(PREFIX), default /usr/local (also BINDIR LIBDIR MANDIR); make uninstall'
	@echo 'make dist      the sources as a tarball;  make dist-binary;  make release-check   before a tag'
	@echo 'make lint      clang-format, shellcheck, actionlint, cppcheck;  make format;  make clean'
	@echo 'VARIANT=release|debug|asan|ubsan|tsan|fuzz   CC=...   WERROR=1'
