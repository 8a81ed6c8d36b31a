/* verdict.c - see verdict.h. */
#include "plugin/verdict.h"

/* X(verdict, name) in the order of the enum. The names are part of `backends --json`. */
#define VERDICTS(X)                                                                                \
    X(OK, "ok")                                                                                    \
    X(UNREADABLE, "unreadable")                                                                    \
    X(UNSAFE, "unsafe")                                                                            \
    X(NOT_ELF, "not-elf")                                                                          \
    X(NO_NOTE, "no-note")                                                                          \
    X(ABI, "abi")                                                                                  \
    X(CPU, "cpu")                                                                                  \
    X(DLOPEN, "dlopen")                                                                            \
    X(NO_SYMBOL, "no-symbol")                                                                      \
    X(NOTE_MISMATCH, "note-mismatch")                                                              \
    X(FP_ENVIRONMENT, "fp-environment")                                                            \
    X(NO_KERNELS, "no-kernels")                                                                    \
    X(BASE, "base")                                                                                \
    X(SELF_CHECK, "self-check")                                                                    \
    X(DIED, "died")                                                                                \
    X(HUNG, "hung")                                                                                \
    X(DUPLICATE, "duplicate")                                                                      \
    X(NOT_TRIED, "not-tried")

const char *bnt_verdict_name(enum bnt_verdict v) {
    static const char *const names[] = {
#define X(verdict, name) [BNT_VERDICT_##verdict] = name,
        VERDICTS(X)
#undef X
    };
    return (unsigned)v < sizeof names / sizeof *names ? names[v] : "?";
}
