/*
 * fetch.c - see fetch.h: the receiving half of a download; writer.c is the other.
 *
 * A transfer that is cut goes on behind its last byte. A server that answers a range with the whole
 * file (200) does not know ranges: then all begins again, as one stream.
 */
#include "hub/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "hub/writer.h"

enum { CONNECTIONS = 4, REFRESHES = 5, WRONG_MOST = 3, READ_AT_ONCE = 1 << 20 };

struct transfer {
    CURL *easy; /* NULL: none under way */
    uint64_t k; /* the piece */
    uint64_t from;
    size_t size, got, got_before; /* of the piece; when this try began */
    unsigned tries;               /* without a byte */
    double next;                  /* when to try again */
    bool used;                    /* there is a piece to bring */
    bool no_ranges, wrong;        /* what the answer was */
    struct fetch *f;
};

struct fetch {
    const struct bnt_fetch *o;
    struct bnt_hub_file *facts;
    struct bnt_writer w;
    CURLM *multi;
    struct transfer transfers[CONNECTIONS];
    uint64_t start, next_piece, pieces; /* the first byte to bring; pieces from there */
    unsigned refreshes;
    double shown;
    /* one stream: where its next byte goes */
    size_t filled;
};

static void show(struct fetch *f, bool last) {
    if (!f->o->progress || (!last && bnt_now() < f->shown)) return;
    f->shown = bnt_now() + 0.1;
    f->o->progress(f->o->arg, bnt_writer_done(&f->w), f->facts->size);
}

static int failed(struct bnt_err *err, const struct fetch *f, CURLcode code, long status) {
    char why[200];
    bnt_http_explain(why, sizeof why, code, status);
    return bnt_fail(err, BNT_E_IO, "%s/%s: %s", f->o->name->repo, f->o->file, why);
}

/* ---- several connections -------------------------------------------------------------------- */

/* "content-range: bytes FROM-TO/SIZE" must be what was asked for. */
static size_t on_header(char *line, size_t one, size_t n, void *arg) {
    struct transfer *t = arg;
    static const char name[] = "content-range: bytes ";
    (void)one;
    if (n > sizeof name && strncasecmp(line, name, sizeof name - 1) == 0 &&
        strtoull(line + sizeof name - 1, NULL, 10) != t->from + t->got)
        t->wrong = true;
    return n;
}

static size_t on_piece(char *data, size_t one, size_t n, void *arg) {
    struct transfer *t = arg;
    long status = 0;
    (void)one;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) return n; /* words about a failure */
    const bool whole = t->from + t->got == 0 && t->size == t->f->facts->size;
    t->no_ranges = status == 200 && !whole;
    if ((status != 206 && !whole) || t->wrong || n > t->size - t->got) {
        t->wrong = !t->no_ranges;
        return 0;
    }
    memcpy(t->f->w.piece[t->k % BNT_PIECES] + t->got, data, n);
    t->got += n;
    return n;
}

static int begin(struct fetch *f, struct transfer *t, struct bnt_err *err) {
    t->got_before = t->got;
    t->wrong = t->no_ranges = false;
    t->easy = bnt_http_transfer(f->o->http, f->facts, t->from + t->got, t->from + t->size - 1,
                                on_piece, t);
    if (!t->easy) return bnt_fail_nomem(err, "a transfer", 0);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_multi_add_handle(f->multi, t->easy);
    return BNT_OK;
}

static int begin_all(struct fetch *f, struct bnt_err *err) {
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct transfer *t = &f->transfers[i];
        int status;
        if (t->easy) continue;
        if (!t->used) {
            if (f->next_piece == f->pieces) continue;
            if (!bnt_writer_has_room(&f->w, f->next_piece, &status)) continue;
            const uint64_t from = f->start + f->next_piece * BNT_PIECE;
            const uint64_t left = f->facts->size - from;
            *t = (struct transfer){.used = true,
                                   .k = f->next_piece++,
                                   .from = from,
                                   .size = left < BNT_PIECE ? (size_t)left : BNT_PIECE,
                                   .f = f};
        }
        if (bnt_now() < t->next) continue;
        if ((status = begin(f, t, err)) != BNT_OK) return status;
    }
    return BNT_OK;
}

/* An address that is good for a while only is no longer: 401, 403, 410 of another host than the
 * hub's. The file must still be the same. */
static bool refresh(struct fetch *f, long status) {
    struct bnt_hub_file again;
    if (f->facts->at_hub || (status != 401 && status != 403 && status != 410) ||
        ++f->refreshes > REFRESHES ||
        bnt_http_find(f->o->http, f->o->name, f->o->file, &again, NULL) != BNT_OK ||
        strcmp(again.etag, f->facts->etag) != 0)
        return false;
    *f->facts = again;
    return true;
}

/* A transfer has ended. *no_ranges: the server does not know them. */
static int end(struct fetch *f, struct transfer *t, CURLcode code, bool *no_ranges,
               struct bnt_err *err) {
    long status = 0;
    curl_off_t after = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after);
    curl_multi_remove_handle(f->multi, t->easy);
    curl_easy_cleanup(t->easy);
    t->easy = NULL;
    if (t->no_ranges) {
        *no_ranges = true;
        return BNT_OK;
    }
    if (t->got == t->size) {
        t->used = false;
        f->refreshes = 0;
        bnt_writer_give(&f->w, t->k, t->size);
        return BNT_OK;
    }
    if (bnt_http_interrupted(f->o->http)) return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
    if (code == CURLE_OK && status < 400) code = CURLE_PARTIAL_FILE;
    t->tries = t->got > t->got_before ? 1 : t->tries + 1;
    if (!t->wrong && !bnt_http_may_pass(code, status) && !refresh(f, status))
        return failed(err, f, code, status);
    const double pause = bnt_http_delay(t->tries, (long)after);
    if (t->wrong && t->tries > WRONG_MOST)
        return bnt_fail(err, BNT_E_IO, "%s/%s: the server sends other bytes than were asked for",
                        f->o->name->repo, f->o->file);
    if (pause < 0) return failed(err, f, code, status);
    t->next = bnt_now() + pause;
    return BNT_OK;
}

static void wake(void *multi) {
    curl_multi_wakeup(multi);
}

static void drop_all(struct fetch *f) {
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct transfer *t = &f->transfers[i];
        if (!t->easy) continue;
        curl_multi_remove_handle(f->multi, t->easy);
        curl_easy_cleanup(t->easy);
        t->easy = NULL;
    }
}

/* All pieces from f->start on. */
static int receive(struct fetch *f, bool *no_ranges, struct bnt_err *err) {
    int status = BNT_OK, running, left;
    f->pieces = (f->facts->size - f->start + BNT_PIECE - 1) / BNT_PIECE;
    while (status == BNT_OK && !*no_ranges && bnt_writer_done(&f->w) < f->facts->size) {
        CURLMsg *m;
        int writer;
        bnt_writer_has_room(&f->w, 0, &writer);
        if (writer != BNT_OK) break; /* it says why when it is stopped */
        if ((status = begin_all(f, err)) != BNT_OK) break;
        if (bnt_http_interrupted(f->o->http))
            status = bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
        curl_multi_perform(f->multi, &running);
        while ((m = curl_multi_info_read(f->multi, &left)) != NULL && status == BNT_OK) {
            struct transfer *t = NULL;
            if (m->msg != CURLMSG_DONE) continue;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
            status = end(f, t, m->data.result, no_ranges, err);
        }
        if (status == BNT_OK) curl_multi_poll(f->multi, NULL, 0, 50, NULL);
        show(f, false);
    }
    drop_all(f);
    return status;
}

/* ---- one stream ----------------------------------------------------------------------------- */

static size_t on_stream(char *data, size_t one, size_t n, void *arg) {
    struct fetch *f = arg;
    (void)one;
    for (size_t at = 0; at < n;) {
        if (f->filled == 0 && !bnt_writer_wait(&f->w, f->next_piece)) return 0;
        size_t part = BNT_PIECE - f->filled < n - at ? BNT_PIECE - f->filled : n - at;
        memcpy(f->w.piece[f->next_piece % BNT_PIECES] + f->filled, data + at, part);
        f->filled += part;
        at += part;
        if (f->filled == BNT_PIECE) {
            bnt_writer_give(&f->w, f->next_piece++, BNT_PIECE);
            f->filled = 0;
        }
    }
    show(f, false);
    return n;
}

static int stream(struct fetch *f, struct bnt_err *err) {
    long status = 0;
    CURL *easy = bnt_http_transfer(f->o->http, f->facts, 0, f->facts->size - 1, on_stream, f);
    if (!easy) return bnt_fail_nomem(err, "a transfer", 0);
    curl_easy_setopt(easy, CURLOPT_RANGE, NULL);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    f->next_piece = 0;
    f->filled = 0;
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    if (f->filled) bnt_writer_give(&f->w, f->next_piece, f->filled);
    if (bnt_http_interrupted(f->o->http)) return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
    return code == CURLE_OK ? BNT_OK : failed(err, f, code, status);
}

/* ---- the file ------------------------------------------------------------------------------- */

static void begin_hash(struct fetch *f) {
    if (strlen(f->facts->etag) == 64)
        bnt_sha256_begin(&f->w.hash);
    else
        bnt_git_blob_begin(&f->w.hash, f->facts->size);
}

/* What an earlier download left is a true beginning; it only has to be hashed. */
static int take_over(struct fetch *f, struct bnt_err *err) {
    struct stat st;
    if (fstat(f->w.fd, &st) != 0)
        return bnt_fail(err, BNT_E_IO, "%s: %s", f->o->incomplete, strerror(errno));
    if ((uint64_t)st.st_size > f->facts->size && ftruncate(f->w.fd, 0) != 0)
        return bnt_fail(err, BNT_E_IO, "%s: %s", f->o->incomplete, strerror(errno));
    uint8_t *bytes = malloc(READ_AT_ONCE);
    if (!bytes) return bnt_fail_nomem(err, "a download", READ_AT_ONCE);
    ssize_t n = 1;
    while (n > 0 && !bnt_http_interrupted(f->o->http)) {
        n = pread(f->w.fd, bytes, READ_AT_ONCE, (off_t)f->w.done);
        if (n <= 0) break;
        bnt_sha256_add(&f->w.hash, bytes, (size_t)n);
        f->w.done += (uint64_t)n;
    }
    free(bytes);
    if (n < 0) return bnt_fail(err, BNT_E_IO, "%s: %s", f->o->incomplete, strerror(errno));
    f->start = f->w.done;
    return BNT_OK;
}

static int check_space(const struct fetch *f, struct bnt_err *err) {
    struct statvfs fs;
    if (fstatvfs(f->w.fd, &fs) != 0) return BNT_OK; /* then writing will tell */
    const uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize, need = f->facts->size - f->w.done;
    if (room >= need) return BNT_OK;
    return bnt_fail(err, BNT_E_IO, "%s: %.2f GB are missing and the disk has room for %.2f",
                    f->o->incomplete, (double)need / 1e9, (double)room / 1e9);
}

/* Nothing but the beginning: for a server without ranges, once it was found out. */
static int begin_again(struct fetch *f, struct bnt_err *err) {
    char unused[65];
    bnt_sha256_end(&f->w.hash, unused, NULL);
    begin_hash(f);
    f->w.done = f->start = 0;
    if (ftruncate(f->w.fd, 0) == 0) return BNT_OK;
    return bnt_fail(err, BNT_E_IO, "%s: %s", f->o->incomplete, strerror(errno));
}

/* The writer's reason comes before the receiver's. */
static int stop_writer(struct fetch *f, int status, struct bnt_err *err) {
    if (bnt_writer_stop(&f->w) == BNT_OK) return status;
    return bnt_fail(err, f->w.status, "%s", f->w.err.text);
}

static int bring(struct fetch *f, struct bnt_err *err) {
    bool no_ranges = false;
    int status = bnt_writer_start(&f->w, err);
    if (status != BNT_OK) return status;
    f->w.on_free = wake;
    f->w.arg = f->multi;
    status = stop_writer(f, receive(f, &no_ranges, err), err);
    f->w.on_free = NULL;
    for (unsigned n = 1; no_ranges && (status == BNT_OK || status == BNT_E_IO); n++) {
        if (f->w.done == f->facts->size && status == BNT_OK && n > 1) break;
        if (n > 1 && !bnt_http_pause(f->o->http, n, 0)) break;
        if ((status = begin_again(f, err)) != BNT_OK ||
            (status = bnt_writer_start(&f->w, err)) != BNT_OK)
            break;
        status = stop_writer(f, stream(f, err), err);
        if (f->w.status != BNT_OK) break;
    }
    show(f, true);
    return status;
}

static int finish(struct fetch *f, struct bnt_err *err) {
    char hex[65] = "";
    int status = bnt_sha256_end(&f->w.hash, hex, err);
    if (status != BNT_OK) return status;
    if (f->w.done != f->facts->size || strcmp(hex, f->facts->etag) != 0) {
        unlink(f->o->incomplete);
        return bnt_fail(err, BNT_E_MISMATCH,
                        "%s/%s: %" PRIu64 " bytes came with hash %s; the hub says %" PRIu64
                        " bytes with %s. They were removed",
                        f->o->name->repo, f->o->file, f->w.done, hex, f->facts->size,
                        f->facts->etag);
    }
    if (fsync(f->w.fd) == 0 && rename(f->o->incomplete, f->o->path) == 0) return BNT_OK;
    return bnt_fail(err, BNT_E_IO, "cannot write %s: %s", f->o->path, strerror(errno));
}

int bnt_fetch_file(const struct bnt_fetch *o, struct bnt_hub_file *facts, struct bnt_err *err) {
    struct fetch *f = calloc(1, sizeof *f);
    char unused[65];
    if (!f) return bnt_fail_nomem(err, "a download", sizeof *f);
    f->o = o;
    f->facts = facts;
    f->w.path = o->incomplete;
    f->multi = curl_multi_init();
    f->w.fd = open(o->incomplete, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    begin_hash(f);
    int status;
    if (!f->multi)
        status = bnt_fail_nomem(err, "a download", 0);
    else if (f->w.fd < 0)
        status = bnt_fail(err, BNT_E_IO, "cannot write %s: %s", o->incomplete, strerror(errno));
    else if ((status = take_over(f, err)) == BNT_OK && (status = check_space(f, err)) == BNT_OK &&
             (status = bring(f, err)) == BNT_OK)
        status = finish(f, err);
    bnt_sha256_end(&f->w.hash, unused, NULL);
    if (f->w.fd >= 0) close(f->w.fd);
    if (f->multi) curl_multi_cleanup(f->multi);
    free(f);
    return status;
}
