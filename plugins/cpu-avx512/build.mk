# The features named in plugin.c as needs, and nothing more; VNNI is granted in vnni.c alone.
cpu-avx512_ARCH   := x86_64
cpu-avx512_CFLAGS := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mf16c -mfma
