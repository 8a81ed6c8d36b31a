/*
 * write.c - see write.h.
 */
#include "convert/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/share.h"

enum {
    PIECE = 1 << 20,   /* bytes of the file that a thread makes at a time, about */
    WEIGHTS = 1 << 21, /* weights, which have a byte each meanwhile */
    I2S_TAIL = 32,     /* bytes behind its codes */
};

void *bnt_room(struct bnt_room *room, unsigned i, uint64_t size) {
    struct bnt_room_part *part = &room->parts[i];
    if (size <= part->size) return part->at;
    free(part->at);
    part->at = size < SIZE_MAX ? malloc((size_t)size) : NULL;
    part->size = part->at ? (size_t)size : 0;
    return part->at;
}

int bnt_tensor_out_ternary(struct bnt_tensor_out *t, const struct bnt_trits_type *type,
                           const char *name, uint64_t rows, uint64_t cols, struct bnt_err *err) {
    int status = bnt_trits_fit(type, name, rows, cols, err);
    if (status != BNT_OK) return status;
    const uint64_t step = bnt_trits_step(type, cols);
    uint64_t chunk = WEIGHTS / cols / step * step;
    size_t len = strlen(name);
    if (len >= sizeof t->name)
        return bnt_fail(err, BNT_E_LIMIT, "a tensor's name has %zu characters", len);
    memcpy(t->name, name, len + 1);
    t->type = type->id;
    t->layout = type->layout;
    t->n_dims = 2;
    t->dims[0] = cols;
    t->dims[1] = rows;
    t->units = rows;
    t->unit_bytes = type->id == BNT_I2_S ? 0 : bnt_trits_row_at(type, cols, 1);
    t->chunk = chunk ? chunk : step;
    return BNT_OK;
}

/* Where a unit's bytes begin in the tensor's. */
static uint64_t unit_at(const struct bnt_tensor_out *t, uint64_t unit) {
    return t->unit_bytes ? unit * t->unit_bytes : unit * t->dims[0] / 4;
}

/* ---- pieces --------------------------------------------------------------------------------- */

struct job {
    struct bnt_write *w;
    const struct bnt_output *output;
    int fd;
    uint64_t total;
    _Atomic uint64_t done;
    _Atomic bool stop;
    struct member {
        struct bnt_room room;
        struct bnt_err err;
        uint32_t item; /* where err arose */
        uint64_t unit;
    } * members;
    struct bnt_share share;
};

static int write_at(const struct job *job, const uint8_t *bytes, uint64_t size, uint64_t at,
                    struct bnt_err *err) {
    while (size) {
        ssize_t n = pwrite(job->fd, bytes, (size_t)size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return bnt_output_failed(job->output, n < 0 ? errno : EIO, err);
        bytes += n;
        size -= (uint64_t)n;
        at += (uint64_t)n;
    }
    return BNT_OK;
}

static int make_piece(struct job *job, const struct bnt_share_rows *rows, struct member *m) {
    const struct bnt_tensor_out *t = &job->w->tensors[rows->item];
    const uint64_t place = bnt_gguf_out_place(job->w->keys, rows->item);
    const uint64_t from = unit_at(t, rows->lo), to = unit_at(t, rows->hi);
    uint8_t *out = bnt_room(&m->room, 0, to - from + I2S_TAIL);
    if (!out) return bnt_fail_nomem(&m->err, t->name, (size_t)(to - from));
    int status = t->fill(t, rows->lo, rows->hi, out, &m->room, &m->err);
    uint64_t size = to - from;
    if (t->type == BNT_I2_S && t->unit_bytes == 0 && rows->hi == t->units) {
        bnt_trits_write_tail(t->scale, out + size);
        size += I2S_TAIL;
    }
    if (status == BNT_OK) status = write_at(job, out, size, place + from, &m->err);
    /* The disk begins at once, so that little is left to wait for at the end; what it cannot do is
     * told there. */
    if (status == BNT_OK)
        sync_file_range(job->fd, (off_t)(place + from), (off_t)size, SYNC_FILE_RANGE_WRITE);
    atomic_fetch_add_explicit(&job->done, size, memory_order_relaxed);
    return status;
}

static void work(void *arg, unsigned i, unsigned n) {
    struct job *job = arg;
    struct bnt_share_rows at = {0};
    struct member *m = &job->members[i];
    while (!atomic_load_explicit(&job->stop, memory_order_relaxed) &&
           bnt_share_next(&job->share, i, n, &at)) {
        if (make_piece(job, &at, m) != BNT_OK) {
            m->item = at.item;
            m->unit = at.lo;
            atomic_store(&job->stop, true);
        }
        if (i == 0 && job->w->progress)
            job->w->progress(job->w->arg, atomic_load(&job->done), job->total);
        if (i == 0 && job->w->cancelled && job->w->cancelled(job->w->arg))
            atomic_store(&job->stop, true);
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int fill_file(struct job *job, struct bnt_err *err) {
    const unsigned n = bnt_pool_threads(job->w->pool);
    struct bnt_share_item *items = calloc(job->w->count + 1, sizeof *items);
    const struct member *first = NULL;
    int status = BNT_OK;
    job->members = calloc(n, sizeof *job->members);
    if (!items || !job->members) {
        status = bnt_fail_nomem(err, "the list of tensors", job->w->count * sizeof *items);
        goto out;
    }
    for (size_t i = 0; i < job->w->count; i++)
        items[i] = (struct bnt_share_item){job->w->tensors[i].units, 1, job->w->tensors[i].chunk};
    for (unsigned i = 0; i < n; i++) job->members[i].room.rounding.allowed = job->w->round_scales;
    job->share = (struct bnt_share){.items = items, .count = (uint32_t)job->w->count};
    bnt_pool_run(job->w->pool, work, job);
    for (unsigned i = 0; i < n; i++) {
        const struct member *m = &job->members[i];
        if (m->err.status != BNT_OK &&
            (!first || m->item < first->item || (m->item == first->item && m->unit < first->unit)))
            first = m;
        if (m->room.rounding.worst > job->w->worst_rounding)
            job->w->worst_rounding = m->room.rounding.worst;
    }
    if (first)
        status = bnt_fail(err, first->err.status, "%s", first->err.text);
    else if (job->stop)
        status = bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
out:
    for (unsigned i = 0; job->members && i < n; i++)
        for (unsigned k = 0; k < 4; k++) free(job->members[i].room.parts[k].at);
    free(job->members);
    free(items);
    return status;
}

int bnt_write(struct bnt_write *w, struct bnt_output *output, struct bnt_err *err) {
    struct job job = {.w = w, .output = output};
    const uint8_t *header;
    size_t header_size;
    if (w->count >= UINT32_MAX) return bnt_fail(err, BNT_E_LIMIT, "%zu tensors", w->count);
    for (size_t i = 0; i < w->count; i++) {
        const struct bnt_tensor_out *t = &w->tensors[i];
        bnt_gguf_out_tensor(w->keys, t->name, strlen(t->name), t->type, t->n_dims, t->dims);
    }
    int status = bnt_gguf_out_header(w->keys, &header, &header_size, &w->bytes, err);
    if (status != BNT_OK || (status = bnt_output_begin(output, &job.fd, err)) != BNT_OK)
        return status;
    job.total = w->bytes - header_size;
    /* A full disk is known now rather than after minutes, where the file system can say it. */
    if (fallocate(job.fd, 0, 0, (off_t)w->bytes) != 0) {
        if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)
            return bnt_output_failed(output, errno, err);
        if (ftruncate(job.fd, (off_t)w->bytes) != 0) return bnt_output_failed(output, errno, err);
    }
    if ((status = write_at(&job, header, header_size, 0, err)) != BNT_OK) return status;
    return fill_file(&job, err);
}
