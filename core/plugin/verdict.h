/*
 * verdict.h - what a plugin turns out to be: a usable set of kernels, or the reason that it is
 * none.
 */
#ifndef BNT_PLUGIN_VERDICT_H
#define BNT_PLUGIN_VERDICT_H

#include "base/err.h"
#include "bitnet/plugin.h"
#include "plugin/slots.h"

/* X-macro table in verdict.c gives the names: "ok", "world-writable", .... */
enum bnt_verdict {
    BNT_VERDICT_OK,
    BNT_VERDICT_UNREADABLE,     /* cannot open or stat */
    BNT_VERDICT_UNSAFE,         /* file or a folder writable by others, or owned by a stranger */
    BNT_VERDICT_NOT_ELF,        /* not a 64-bit shared object, or damaged */
    BNT_VERDICT_NO_NOTE,        /* no .note.bitnet */
    BNT_VERDICT_ABI,            /* another ABI major */
    BNT_VERDICT_CPU,            /* for another machine, or the CPU lacks something */
    BNT_VERDICT_DLOPEN,         /* dlopen failed */
    BNT_VERDICT_NO_SYMBOL,      /* bitnet_plugin_v1 missing */
    BNT_VERDICT_NOTE_MISMATCH,  /* descriptor differs from the note */
    BNT_VERDICT_FP_ENVIRONMENT, /* loading changed rounding or flush-to-zero
                                   (-ffast-math) */
    BNT_VERDICT_NO_KERNELS,     /* no kernel set for this CPU */
    BNT_VERDICT_BASE,       /* the plugin it extends is missing or refused, or extends another */
    BNT_VERDICT_SELF_CHECK, /* disagrees with ref-scalar */
    BNT_VERDICT_DIED,       /* its trial crashed or ended the process */
    BNT_VERDICT_HUNG,       /* its trial did not come back */
    BNT_VERDICT_DUPLICATE,  /* a plugin of this name was found earlier */
    BNT_VERDICT_NOT_TRIED,  /* another one was chosen before its code had to be mapped
                             */
};

/* A usable set of kernels. All slots but the optional ones are set. */
struct bnt_backend {
    char name[64], version[32], variant[64];
    char path[4096];              /* of the file; "" for the linked-in ref-scalar */
    char sha256[65];              /* of the file; "" for the linked-in one */
    char by_judge[BNT_SLOT_LIST]; /* what is left to ref-scalar: "dense,rope"; "" if nothing */
    /* The plugin that it extends, its file's hash and what is left to it; all "" without one. */
    char base[64], base_sha256[65], by_base[BNT_SLOT_LIST];
    uint32_t abi_major, abi_minor;
    bnt_kernels kernels; /* completed copy: struct_size == sizeof(bnt_kernels) */
    struct bnt_makers makers;
};

/* The sets that a plugin has for this CPU, and what each was measured to do; number `taken` is the
 * one that computes. */
struct bnt_sets {
    struct bnt_backend of[BNT_SETS_MOST];
    double rate[BNT_SETS_MOST]; /* ternary weights a second (choice.h); 0: not measured */
    unsigned count, taken;
};

const char *bnt_verdict_name(enum bnt_verdict v); /* "self-check" */

#endif
