/* report.c - the outcome on the terminal and as JSON; see report.h. */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "receipt.h"

static const char *const kind_names[KIND_COUNT] = {"types", "tokens", "dissent", "logits",
                                                   "mutation"};

void report_init(struct report *r) {
    *r = (struct report){.cosine = 1, .first_divergence = -1};
    r->cases = json_array();
    r->notes = json_array();
    if (!r->cases || !r->notes) abort();
}

void report_free(struct report *r) {
    json_decref(r->cases);
    json_decref(r->notes);
}

void report_case(struct report *r, enum kind kind, const char *name, bool ok, json_t *facts,
                 const char *fmt, ...) {
    va_list args;
    printf("%-6s %-8s %-40s ", ok ? "ok" : "FAILED", kind_names[kind], name);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    if (ok) {
        r->passed[kind]++;
    } else {
        r->failed[kind]++;
    }
    if (!facts) facts = json_object();
    if (!facts || json_object_set_new(facts, "name", json_string(name)) ||
        json_object_set_new(facts, "kind", json_string(kind_names[kind])) ||
        json_object_set_new(facts, "ok", json_boolean(ok)) ||
        json_array_append_new(r->cases, facts))
        abort();
}

void report_note(struct report *r, const char *fmt, ...) {
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    printf("note   %s\n", text);
    if (json_array_append_new(r->notes, json_string(text))) abort();
}

unsigned report_passed(const struct report *r) {
    unsigned n = 0;
    for (int k = 0; k < KIND_COUNT; k++) n += r->passed[k];
    return n;
}

unsigned report_failed(const struct report *r) {
    unsigned n = 0;
    for (int k = 0; k < KIND_COUNT; k++) n += r->failed[k];
    return n;
}

const char *report_status(const struct report *r) {
    if (r->stopped) return r->stopped;
    if (report_failed(r)) return "divergence";
    for (int k = 0; k < KIND_COUNT; k++)
        if (!r->passed[k]) return "error"; /* nothing was compared */
    return "ok";
}

/* ---- the receipt ------------------------------------------------------------------------------
 */

/* NULL and "" become null. */
static json_t *text(const char *s) {
    return s && *s ? json_string(s) : json_null();
}

static json_t *reference(const struct ll_facts *f) {
    if (!f) return json_null();
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "package", text(f->package),
                     "package_version", text(f->package_version), "llama_version", text(f->version),
                     "ggml_version", text(f->ggml_version), "release", text(f->release),
                     "library_sha256", text(f->sha256), "cpu_backend",
                     text(strrchr(f->cpu_path, '/') + 1), "cpu_backend_sha256", text(f->cpu_sha256),
                     "system_info", text(f->system_info));
}

static json_t *parity(const struct report *r, bool available) {
    json_t *rate =
        r->greedy_steps ? json_real((double)r->greedy_same / (double)r->greedy_steps) : json_null();
    bool compared = r->passed[KIND_LOGITS] + r->failed[KIND_LOGITS] > 0;
    return json_pack("{s:s,s:o,s:o,s:o,s:b}", "status", report_status(r), "cosine_similarity",
                     compared ? json_real(r->cosine) : json_null(), "exact_match_rate", rate,
                     "first_divergence_step",
                     r->first_divergence < 0 ? json_null() : json_integer(r->first_divergence),
                     "cpp_available", available);
}

static json_t *build(const struct report *r, const struct ll_facts *f) {
    char now[32] = "";
    const time_t t = time(NULL);
    struct tm tm;
    if (gmtime_r(&t, &tm)) strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_pack("{s:i,s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:i,s:i,s:O,s:O}", "schema_version", 1,
                     "against", "llama.cpp", "timestamp", now, "commit", bnt_commit, "version",
                     BNT_VERSION, "llama_cpp_commit", text(f ? f->commit : NULL), "reference",
                     reference(f), "parity", parity(r, f != NULL), "reason", text(r->why), "passed",
                     (int)report_passed(r), "failed", (int)report_failed(r), "notes", r->notes,
                     "cases", r->cases);
}

bool report_write(const struct report *r, const struct ll_facts *facts, const char *path) {
    char temporary[4200];
    json_t *j = build(r, facts);
    FILE *f = NULL;
    bool ok = false;
    if (!j || snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid()) >=
                  (int)sizeof temporary)
        goto out;
    f = fopen(temporary, "wx");
    if (!f) goto out;
    ok = json_dumpf(j, f, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9)) == 0 &&
         fputc('\n', f) != EOF && fflush(f) == 0 && fsync(fileno(f)) == 0;
    if (fclose(f) != 0) ok = false;
    if (!ok || rename(temporary, path) != 0) {
        ok = false;
        unlink(temporary);
    }
out:
    if (!ok) fprintf(stderr, "crossval: cannot write '%s': %s\n", path, strerror(errno));
    json_decref(j);
    return ok;
}
