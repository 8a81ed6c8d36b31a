/*
 * output.h - a file that a result goes to: judged before a run, written whole after it.
 *
 * The one rule, for every command (docs/RECEIPTS.md, "Where it may go"): a result makes a new file,
 * or takes the place of an empty file or, being a receipt, of a receipt. /dev/stdout, /dev/stderr
 * and /dev/fd/N mean what is open there; a pipe that somebody reads and a character device are
 * written to as they are. Everything else is refused: what holds something else, a folder, a
 * socket, a disk, a pipe that nobody reads, a link to nothing. `force` lets any regular file be
 * replaced; but never one that the run itself reads. Knows nothing of JSON.
 */
#ifndef BNT_OUTPUT_H
#define BNT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* A file that must not be written to: the same device and inode, whatever its name. */
struct bnt_protected {
    dev_t dev;
    ino_t ino;
    bool by_name_only; /* what a standard descriptor writes to: /dev/stdout may be asked for */
    const char *what;  /* "the model"; a literal */
};

/* A receipt and a report to look at are written at once, from memory; a model bit by bit, and only
 * to a regular file. */
enum bnt_output_kind { BNT_OUTPUT_RECEIPT, BNT_OUTPUT_REPORT, BNT_OUTPUT_MODEL };

struct bnt_output; /* opaque */

/* Judges `path`, and holds it open if it is a pipe or a device. BNT_E_USAGE: a protected file, or
 * one that holds something else; BNT_E_IO: nothing can be written there. `files` is copied. */
int bnt_output_open(struct bnt_output **out, enum bnt_output_kind kind, const char *path,
                    bool force, const struct bnt_protected *files, size_t count,
                    struct bnt_err *err);
/* Judges once more, then writes beside the target, syncs and renames: under the name stands the
 * whole text or what stood there before. */
int bnt_output_write(struct bnt_output *o, const char *text, size_t len, struct bnt_err *err);

/* A result that is too long for memory: *fd is an empty file beside the target, which the caller
 * writes to wherever it likes, but does not close. Commit judges once more, syncs and renames;
 * close without it leaves nothing. */
int bnt_output_begin(struct bnt_output *o, int *fd, struct bnt_err *err);
const char *bnt_output_part(const struct bnt_output *o); /* the name of that file */
int bnt_output_failed(const struct bnt_output *o, int why, struct bnt_err *err); /* why: an errno */
int bnt_output_commit(struct bnt_output *o, struct bnt_err *err);

/* Whether both go to one regular file, there already or not, by whatever names. */
bool bnt_output_same(const struct bnt_output *a, const struct bnt_output *b);

const char *bnt_output_path(const struct bnt_output *o); /* as it was given */
void bnt_output_close(struct bnt_output *o);

#endif
