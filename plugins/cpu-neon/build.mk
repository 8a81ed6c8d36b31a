# The plugin needs ARMv8.0 only; the two files that hold wider products are given what they use.
# gcc's scheduling before register allocation hoists loads until accumulators spill, so it is off
# (clang has no such option, and is told not to mention it).
cpu-neon_ARCH   := aarch64
cpu-neon_CFLAGS := -fno-schedule-insns -Wno-ignored-optimization-argument
$(BUILD)/obj/plugins/cpu-neon/dotprod.o: cpu-neon_CFLAGS += -march=armv8.2-a+dotprod
$(BUILD)/obj/plugins/cpu-neon/i8mm.o: cpu-neon_CFLAGS += -march=armv8.2-a+dotprod+i8mm
