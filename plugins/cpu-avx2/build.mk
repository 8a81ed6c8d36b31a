# The features named in plugin.c as needs, and nothing more; AVX-VNNI is granted in vnni.c alone.
cpu-avx2_ARCH   := x86_64
cpu-avx2_CFLAGS := -mavx2 -mfma -mf16c
