/*
 * pull.c - see pull.h.
 */
#include "hub/pull.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sort.h"
#include "hub/fetch.h"
#include "hub/judge.h"

enum { JUDGED_MOST = 16, PARTS_MOST = 999 };

/* Headers are as long as their vocabulary: 2 MB for small ones, 15 MB for the largest known. */
static const size_t header_sizes[] = {2 << 20, 16 << 20, 64 << 20};

__attribute__((format(printf, 2, 3))) static void say(const struct bnt_hub_ui *ui, const char *fmt,
                                                      ...) {
    char line[700];
    va_list ap;
    if (!ui->say) return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    ui->say(ui->arg, line);
}

bool bnt_hub_offline(void) {
    static const char *const no[] = {"", "0", "false", "no", "off"};
    const char *v = getenv("HF_HUB_OFFLINE");
    for (size_t i = 0; v && i < sizeof no / sizeof no[0]; i++)
        if (strcasecmp(v, no[i]) == 0) return false;
    return v != NULL;
}

/* ---- which file ----------------------------------------------------------------------------- */

struct candidate {
    char file[400];
    uint64_t size;
};

/* "NAME-00002-of-00003.gguf": which part of how many; false for a file that is whole. */
static bool is_part(const char *file, unsigned *part, unsigned *parts) {
    static const char form[] = "-00000-of-00000.gguf";
    size_t n = strlen(file), f = sizeof form - 1;
    if (n <= f) return false;
    for (size_t i = 0; i < f; i++) {
        const char c = file[n - f + i];
        if (form[i] == '0' ? c < '0' || c > '9' : c != form[i]) return false;
    }
    *part = (unsigned)strtoul(file + n - f + 1, NULL, 10);
    *parts = (unsigned)strtoul(file + n - 10, NULL, 10);
    return *parts >= 1 && *parts <= PARTS_MOST && *part >= 1 && *part <= *parts;
}

/* Smallest first, then by name, so that the first that will do is the best. */
static int by_size(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return strcmp(x->file, y->file);
}

/* Model files of the repository, split ones by their first part alone. */
static int list_files(struct bnt_http *h, const struct bnt_hub_name *name, struct candidate **out,
                      size_t *count, struct bnt_err *err) {
    char path[700];
    json_t *list, *entry;
    size_t i;
    *out = NULL;
    *count = 0;
    snprintf(path, sizeof path, "/api/models/%s/tree/%s?recursive=true", name->repo, name->rev);
    int status = bnt_http_json(h, path, &list, err);
    if (status != BNT_OK) return status;
    struct candidate *c = calloc(json_array_size(list) + 1, sizeof *c);
    if (!c) status = bnt_fail_nomem(err, "the list of files", json_array_size(list) * sizeof *c);
    json_array_foreach(list, i, entry) {
        const char *file = json_string_value(json_object_get(entry, "path"));
        const char *type = json_string_value(json_object_get(entry, "type"));
        struct bnt_hub_name checked;
        char full[700];
        unsigned part, parts;
        if (!c || !file || !type || strcmp(type, "file") != 0 || !bnt_hub_is_model_file(file) ||
            strstr(file, "mmproj"))
            continue;
        snprintf(full, sizeof full, "%s/%s", name->repo, file);
        if (!bnt_hub_parse(&checked, full) || (is_part(file, &part, &parts) && part > 1)) continue;
        snprintf(c[*count].file, sizeof c->file, "%s", file);
        c[(*count)++].size = (uint64_t)json_integer_value(json_object_get(entry, "size"));
    }
    json_decref(list);
    if (status == BNT_OK && !*count)
        status = bnt_fail(err, BNT_E_UNSUPPORTED, "%s@%s has no GGUF file", name->repo, name->rev);
    if (status != BNT_OK) {
        free(c);
        return status;
    }
    bnt_sort(c, *count, sizeof *c, by_size);
    *out = c;
    return BNT_OK;
}

/* What the header says, from as few bytes as it takes. */
static int judge(struct bnt_http *h, const struct bnt_hub_file *facts, struct bnt_hub_verdict *v,
                 struct bnt_err *err) {
    for (size_t i = 0; i < sizeof header_sizes / sizeof header_sizes[0]; i++) {
        uint8_t *bytes;
        size_t n;
        int status = bnt_http_begin(h, facts, header_sizes[i], &bytes, &n, err);
        if (status != BNT_OK) return status;
        status = bnt_hub_judge(v, bytes, n, facts->size, err);
        free(bytes);
        if (status != BNT_OK || v->whole) return status;
    }
    v->whole = true; /* no model has so long a header; then the reason is as good as any */
    if (!v->why_not.text[0]) bnt_fail(&v->why_not, BNT_E_LIMIT, "the header has more than 64 MiB");
    return BNT_OK;
}

/* The repository's best: *best gets its name. */
static int choose(struct bnt_http *h, struct bnt_hub_name *name, const struct bnt_hub_ui *ui,
                  struct bnt_err *err) {
    struct candidate *c;
    struct bnt_hub_verdict v;
    struct bnt_hub_file facts;
    size_t count, best = SIZE_MAX;
    struct bnt_err first = {0};
    int status = list_files(h, name, &c, &count, err);
    if (status != BNT_OK) return status;
    for (size_t i = 0; i < count && i < JUDGED_MOST && status == BNT_OK; i++) {
        unsigned part, parts;
        if (is_part(c[i].file, &part, &parts)) { /* cannot be judged by a part of its tensors */
            if (best == SIZE_MAX && count == 1) best = i;
            continue;
        }
        if ((status = bnt_http_find(h, name, c[i].file, &facts, err)) != BNT_OK ||
            (status = judge(h, &facts, &v, err)) != BNT_OK)
            break;
        if (!v.runs) {
            say(ui, "%s: cannot run here: %s", c[i].file, v.why_not.text);
            if (!first.text[0]) first = v.why_not;
            continue;
        }
        if (best == SIZE_MAX || v.ternary) best = i;
        if (v.ternary) break;
    }
    if (status == BNT_OK && best == SIZE_MAX)
        status = bnt_fail(err, first.text[0] ? first.status : BNT_E_UNSUPPORTED,
                          "%s: none of its %zu model files can run here%s%.400s", name->repo, count,
                          first.text[0] ? ": " : "", first.text);
    if (status == BNT_OK) snprintf(name->file, sizeof name->file, "%s", c[best].file);
    free(c);
    return status;
}

/* ---- the cache ------------------------------------------------------------------------------ */

int bnt_hub_find_cached(char path[BNT_HUB_PATH], bool *found, const struct bnt_hub_name *name,
                        struct bnt_err *err) {
    char snapshot[BNT_HUB_PATH];
    struct bnt_hub_entry *entries;
    size_t count, best = SIZE_MAX;
    bool best_is_ternary = false;
    int status = bnt_hub_cached(snapshot, found, name, err);
    if (status != BNT_OK || !*found) return status;
    *found = false;
    if (name->file[0]) {
        if ((size_t)snprintf(path, BNT_HUB_PATH, "%.*s/%s", BNT_HUB_PATH - 1, snapshot,
                             name->file) >= BNT_HUB_PATH)
            return bnt_fail(err, BNT_E_LIMIT, "%s: too long a path", name->file);
        *found = access(path, R_OK) == 0;
        return BNT_OK;
    }
    if ((status = bnt_hub_list(&entries, &count, err)) != BNT_OK) return status;
    const char *commit = strrchr(snapshot, '/') + 1;
    for (size_t i = 0; i < count; i++) {
        struct bnt_hub_verdict v;
        unsigned part, parts;
        if (strcmp(entries[i].name.repo, name->repo) != 0 ||
            strcmp(entries[i].name.rev, commit) != 0 || entries[i].bytes == 0 ||
            (is_part(entries[i].name.file, &part, &parts) && part > 1))
            continue;
        bnt_hub_judge_file(&v, entries[i].path);
        if (best != SIZE_MAX &&
            (best_is_ternary > v.ternary ||
             (best_is_ternary == v.ternary && entries[best].bytes <= entries[i].bytes)))
            continue;
        best = i;
        best_is_ternary = v.ternary;
    }
    *found = best != SIZE_MAX;
    if (*found) snprintf(path, BNT_HUB_PATH, "%s", entries[best].path);
    free(entries);
    return BNT_OK;
}

/* ---- bringing ------------------------------------------------------------------------------- */

static void say_waiting(void *arg) {
    say(arg, "another process is bringing this file; waiting for it");
}

static int bring(struct bnt_http *h, const struct bnt_hub_name *name, const char *file,
                 struct bnt_hub_file *facts, const struct bnt_hub_ui *ui, struct bnt_err *err) {
    struct bnt_hub_blob blob;
    int status =
        bnt_hub_blob_open(&blob, name->repo, facts->etag, say_waiting, (void *)(uintptr_t)ui, err);
    if (status != BNT_OK) return status;
    if (access(blob.path, R_OK) != 0) {
        const struct bnt_fetch f = {.http = h,
                                    .name = name,
                                    .file = file,
                                    .incomplete = blob.incomplete,
                                    .path = blob.path,
                                    .progress = ui->progress,
                                    .arg = ui->arg};
        status = bnt_fetch_file(&f, facts, err);
    }
    bnt_hub_blob_close(&blob);
    return status;
}

/* What its makers allow, as the repository says; "unknown" when it does not. */
static void find_licence(struct bnt_http *h, const char *repo, char *licence, size_t size) {
    char path[300];
    json_t *info, *tag;
    size_t i;
    snprintf(licence, size, "unknown");
    snprintf(path, sizeof path, "/api/models/%s", repo);
    if (bnt_http_json(h, path, &info, NULL) != BNT_OK) return;
    const char *v =
        json_string_value(json_object_get(json_object_get(info, "cardData"), "license"));
    json_array_foreach(json_object_get(info, "tags"), i, tag) {
        const char *t = json_string_value(tag);
        if (!v && t && strncmp(t, "license:", 8) == 0) v = t + 8;
    }
    if (v) bnt_printable(licence, size, v, strlen(v));
    json_decref(info);
}

/* Part k of the file that `file`, part 1, begins. */
static void part_name(char *out, size_t size, const char *file, unsigned k) {
    const int stem = (int)(strlen(file) - strlen("00001-of-00000.gguf"));
    snprintf(out, size, "%.*s%05u%s", stem, file, k, file + stem + 5);
}

int bnt_hub_pull(char path[BNT_HUB_PATH], const struct bnt_hub_name *wanted,
                 const struct bnt_hub_ui *ui, struct bnt_err *err) {
    struct bnt_hub_name name = *wanted;
    struct bnt_hub_file facts;
    struct bnt_hub_verdict v;
    struct bnt_http *h;
    char licence[60], file[400], link[BNT_HUB_PATH];
    unsigned part = 1, parts = 1;
    int status = bnt_http_open(&h, ui->interrupted, err);
    if (status != BNT_OK) return status;
    if (!name.file[0]) status = choose(h, &name, ui, err);
    const bool split = status == BNT_OK && is_part(name.file, &part, &parts);
    if (status == BNT_OK && part != 1)
        status = bnt_fail(err, BNT_E_USAGE, "%s is part %u of %u; name the first", name.file, part,
                          parts);
    if (status == BNT_OK) status = bnt_http_find(h, &name, name.file, &facts, err);
    if (status == BNT_OK && !split) status = judge(h, &facts, &v, err);
    if (status == BNT_OK && !split && !v.runs)
        status =
            bnt_fail(err, v.why_not.status, "%s/%s: %.450s", name.repo, name.file, v.why_not.text);
    if (status == BNT_OK) {
        find_licence(h, name.repo, licence, sizeof licence);
        say(ui, "%s/%s: %.2f GB%s, licence %s", name.repo, name.file, (double)facts.size / 1e9,
            split ? " and its other parts" : "", licence);
    }
    for (unsigned k = 1; k <= parts && status == BNT_OK; k++) {
        if (split)
            part_name(file, sizeof file, name.file, k);
        else
            snprintf(file, sizeof file, "%s", name.file);
        if (k > 1) status = bnt_http_find(h, &name, file, &facts, err);
        if (status == BNT_OK) status = bring(h, &name, file, &facts, ui, err);
        if (status == BNT_OK)
            status = bnt_hub_link(link, &name, file, facts.commit, facts.etag, err);
        if (k == 1) snprintf(path, BNT_HUB_PATH, "%s", link);
    }
    bnt_http_close(h);
    return status;
}
