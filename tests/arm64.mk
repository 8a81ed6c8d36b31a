# arm64.mk - `make check-arm64`: builds everything for AArch64 on another machine and runs it under
# qemu. The one idea: the same Makefile once more, with another CC and the libraries of a sysroot
# that scripts/sysroot.sh unpacks, so that nothing here knows how anything is built. The build
# that calls it is what the bytes are compared with.
#
# ARM64_CC=..., ARM64_AR=... take other tools; `make arm64` only builds, `make check-kernels-arm64` tests
# every kernel with every case.

ARM64_BUILD := build/arm64
ARM64_ROOT  := $(CURDIR)/$(ARM64_BUILD)/sysroot
ARM64_CC    ?= aarch64-linux-gnu-gcc
ARM64_AR    ?= aarch64-linux-gnu-ar
ARM64_LIB   := $(ARM64_ROOT)/usr/lib/aarch64-linux-gnu
ARM64_MAKE   = env -u PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$(ARM64_ROOT) \
    PKG_CONFIG_LIBDIR=$(ARM64_LIB)/pkgconfig:$(ARM64_ROOT)/usr/share/pkgconfig \
    $(MAKE) --no-print-directory VARIANT=release BUILD=$(ARM64_BUILD) \
    CC="$(ARM64_CC) --sysroot=$(ARM64_ROOT)" AR=$(ARM64_AR)

.PHONY: arm64 check-arm64 check-kernels-arm64 check-extremes
arm64:
	@scripts/deps.sh arm64
	@scripts/sysroot.sh arm64 $(ARM64_BUILD)/sysroot
	@+$(ARM64_MAKE) all tests checkkern

check-arm64: arm64 all
	@tests/run.sh "tests/arm64.sh $(ARM64_BUILD) $(BUILD)" "tests/extremes.sh $(ARM64_BUILD) $(BUILD) 100"

# Models at the ends of what is valid, here and there.
check-extremes: arm64 all
	@tests/extremes.sh $(ARM64_BUILD) $(BUILD) 2000

check-kernels-arm64: arm64
	@tests/arm64-kernels.sh $(ARM64_BUILD)
