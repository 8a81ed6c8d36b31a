# riscv64.mk - `make check-riscv64`: builds everything for a processor that no plugin is for, and runs it under qemu
# on ref-scalar alone: the bytes must be those of this machine. As arm64.mk, with another sysroot.

RISCV64_BUILD := build/riscv64
RISCV64_ROOT  := $(CURDIR)/$(RISCV64_BUILD)/sysroot
RISCV64_CC    ?= riscv64-linux-gnu-gcc
RISCV64_LIB   := $(RISCV64_ROOT)/usr/lib/riscv64-linux-gnu
RISCV64_MAKE   = env -u PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR="$(RISCV64_ROOT)" \
    PKG_CONFIG_LIBDIR="$(RISCV64_LIB)/pkgconfig:$(RISCV64_ROOT)/usr/share/pkgconfig" \
    $(MAKE) --no-print-directory VARIANT=release BUILD=$(RISCV64_BUILD) \
    CC="$(RISCV64_CC) --sysroot=$(RISCV64_ROOT)" AR=$(RISCV64_CC:%gcc=%ar)

.PHONY: riscv64 check-riscv64
riscv64:
	@scripts/deps.sh riscv64
	@scripts/sysroot.sh riscv64 $(RISCV64_BUILD)/sysroot
	@+$(RISCV64_MAKE) all tests

check-riscv64: riscv64 all
	@tests/run.sh "tests/riscv64.sh $(RISCV64_BUILD) $(BUILD)"
