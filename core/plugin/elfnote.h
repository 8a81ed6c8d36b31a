/*
 * elfnote.h - what a plugin file says about itself, read without mapping any of its code.
 *
 * Knows 64-bit little-endian ELF and the text of our note; knows nothing of dlopen or of CPUs. The
 * file is untrusted: every offset is checked against its size.
 */
#ifndef BNT_PLUGIN_ELFNOTE_H
#define BNT_PLUGIN_ELFNOTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bnt_elfnote {
    uint32_t abi_major, abi_minor;
    int32_t priority;
    char name[64];    /* letters, digits, '-', '_' */
    char needs[256];  /* lower-case names, comma-separated; "" for none */
    char extends[64]; /* the name of another plugin; "" for none */
};

/* BNT_E_FORMAT: not a shared object, or damaged (truncated, segments that leave the file).
 * BNT_E_BACKEND: for another machine. BNT_E_UNSUPPORTED: no note of ours, or not one we can read.
 * BNT_E_IO: read failed. */
int bnt_elfnote_read(int fd, struct bnt_elfnote *out, struct bnt_err *err);

/* The same from bytes in memory; for tests and fuzzing. */
int bnt_elfnote_parse(const void *file, size_t size, struct bnt_elfnote *out, struct bnt_err *err);

/* The text of the note alone: "abi=1.0;name=NAME;needs=NEEDS;priority=50", and ";extends=NAME" for
 * some. Keys may come in any order, unknown ones are skipped, so that later versions can add
 * some. */
int bnt_elfnote_text(const char *text, struct bnt_elfnote *out, struct bnt_err *err);

#endif
