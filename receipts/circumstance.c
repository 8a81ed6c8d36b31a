/*
 * circumstance.c - the part of a receipt that says where, when and with what a run was made.
 *
 * Every member is read from the machine, the engine or the session at run time; times are whole
 * microseconds, so that a receipt holds no real numbers. Nothing here may influence a result.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "base/json_memory.h"
#include "machine/cpu.h"
#include "plugin/slots.h"
#include "write.h"

#if defined(__x86_64__)
#define TARGET "x86_64"
#elif defined(__aarch64__)
#define TARGET "aarch64"
#else
#define TARGET "other"
#endif

json_t *bnt_receipt_text(const char *text) {
    json_t *s = json_string(text); /* NULL when it is not UTF-8 */
    if (s) return s;
    size_t len = strlen(text), room = 4 * len + 16;
    char *shown = bnt_json_take(room);
    if (shown) s = json_string(bnt_printable(shown, room, text, len));
    free(shown);
    return s;
}

struct tm bnt_receipt_utc(time_t now) {
    const int64_t first = -62167219200, last = 253402300799; /* seconds of 0000-01-01, 9999-12-31 */
    int64_t seconds = now < first ? first : now > last ? last : now;
    struct tm t = {0};
    now = (time_t)seconds;
    gmtime_r(&now, &t);
    return t;
}

/* RFC 3339, UTC. */
static json_t *timestamp(void) {
    struct timespec now;
    char text[64];
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm t = bnt_receipt_utc(now.tv_sec);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1,
             t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
    return json_string(text);
}

static json_t *machine_facts(const struct bnt_topology_info *t) {
    const char *libc = "other", *libc_version = "";
    struct utsname os;
    if (uname(&os) != 0) os = (struct utsname){0};
#ifdef __GLIBC__
    libc = "glibc";
    libc_version = gnu_get_libc_version();
#endif
    return json_pack(
        "{s:s, s:o, s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
        "target", TARGET, "cpu", bnt_receipt_text(bnt_cpu_model()), "features",
        bnt_cpu_get()->features, "os", bnt_receipt_text(os.sysname), "os_release",
        bnt_receipt_text(os.release), "libc", libc, "libc_version", libc_version, "packages",
        (json_int_t)t->packages, "numa_nodes", (json_int_t)t->numa_nodes, "cores",
        (json_int_t)t->cores, "hardware_threads", (json_int_t)t->pus, "quota_cpus",
        (json_int_t)t->quota_cpus, "l1d_bytes", (json_int_t)t->l1d, "l2_bytes", (json_int_t)t->l2,
        "l3_bytes", (json_int_t)t->l3, "memory_bytes", (json_int_t)t->memory);
}

/* The kernel sets that the chosen one was taken from; NULL where it was alone. */
static json_t *sets_of(const struct bnt_backends *table) {
    const struct bnt_sets *sets = NULL;
    for (size_t i = 0; i < bnt_backends_count(table); i++)
        if (bnt_backends_at(table, i)->chosen) sets = bnt_backends_sets(table, i);
    if (!sets || sets->count < 2) return NULL;
    json_t *list = json_array();
    for (unsigned i = 0; i < sets->count; i++)
        json_array_append_new(list, json_pack("{s:o, s:I}", "variant",
                                              bnt_receipt_text(sets->of[i].variant),
                                              "weights_per_second", (json_int_t)sets->rate[i]));
    return list;
}

static json_t *backend_facts(const struct bnt_backend *b, const struct bnt_backends *table) {
    char abi[32];
    snprintf(abi, sizeof abi, "%" PRIu32 ".%" PRIu32, b->abi_major, b->abi_minor);
    const bool extends = b->base[0];
    return json_pack("{s:s, s:o, s:o, s:s, s:o, s:s, s:s, s:s*, s:s*, s:s*, s:o*}", "name", b->name,
                     "version", bnt_receipt_text(b->version), "variant",
                     bnt_receipt_text(b->variant), "abi", abi, "path", bnt_receipt_text(b->path),
                     "sha256", b->sha256, "by_judge", b->by_judge, "base", extends ? b->base : NULL,
                     "base_sha256", extends ? b->base_sha256 : NULL, "by_base",
                     extends ? b->by_base : NULL, "sets", sets_of(table));
}

static json_t *decision_table(const struct bnt_backends *b) {
    json_t *table = json_array();
    for (size_t i = 0; i < bnt_backends_count(b); i++) {
        const struct bnt_candidate *c = bnt_backends_at(b, i);
        json_t *row = json_pack("{s:o, s:o, s:i, s:s, s:o, s:b}", "name", bnt_receipt_text(c->name),
                                "path", bnt_receipt_text(c->path), "priority", c->priority,
                                "verdict", bnt_verdict_name(c->verdict), "reason",
                                bnt_receipt_text(c->reason), "chosen", (int)c->chosen);
        if (json_array_append_new(table, row) != 0) {
            json_decref(table);
            return NULL;
        }
    }
    return table;
}

/* Slots the executor called at least once, how often, and whose function that was. */
static json_t *kernel_calls(const struct bnt_engine *e, const uint64_t calls_of[BNT_SLOTS]) {
    const char *const names[] = {[BNT_NOBODY] = "",
                                 [BNT_ITSELF] = e->backend->name,
                                 [BNT_BASE] = e->backend->base,
                                 [BNT_JUDGE] = bnt_judge()->name};
    json_t *o = json_object();
    for (size_t i = 0; i < bnt_slot_count; i++) {
        if (!calls_of[i]) continue;
        if (json_object_set_new(o, bnt_slots[i].name,
                                json_pack("{s:s, s:I}", "by", names[e->backend->makers.of[i]],
                                          "calls", (json_int_t)calls_of[i])) != 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

static json_int_t microseconds(double seconds) {
    return seconds > 0.0 && seconds < 1e12 ? (json_int_t)(seconds * 1e6 + 0.5) : 0;
}

static const struct bnt_generation *generation_of(const struct bnt_receipt_run *run, size_t i) {
    return run->n_turns ? run->turns[i].generation : run->generation;
}

static json_t *timing_facts(const struct bnt_engine *e, const struct bnt_receipt_run *run) {
    double prefill = 0.0, decode = 0.0; /* of all turns */
    size_t prefilled = 0, decoded = 0;
    for (size_t i = 0; i < (run->n_turns ? run->n_turns : 1); i++) {
        const struct bnt_generation *g = generation_of(run, i);
        prefill += g->prefill_seconds;
        decode += g->decode_seconds;
        prefilled += g->prefill_tokens;
        decoded += g->decode_steps;
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "load_us", microseconds(e->info.load_seconds),
                     "prefill_us", microseconds(prefill), "prefill_tokens", (json_int_t)prefilled,
                     "decode_us", microseconds(decode), "decode_tokens", (json_int_t)decoded);
}

static json_t *memory_facts(const struct bnt_engine *e, uint64_t bytes) {
    struct rusage usage;
    json_int_t peak = getrusage(RUSAGE_SELF, &usage) == 0 ? (json_int_t)usage.ru_maxrss * 1024 : 0;
    return json_pack("{s:I, s:I, s:I}", "weights_bytes", (json_int_t)e->info.packed_bytes,
                     "session_bytes", (json_int_t)bytes, "peak_rss_bytes", peak);
}

/* The variables this program honours, those that are set. */
static json_t *environment(void) {
    static const char *const names[] = {"BITNET_BACKEND", "BITNET_DETERMINISTIC",
                                        "BITNET_PLUGIN_DIR", "BITNET_SEED", "BITNET_THREADS"};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && json_object_set_new(o, names[i], bnt_receipt_text(value)) != 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

/* How the layout of I2_S tensors was known; NULL without such tensors. */
static json_t *i2s_facts(const struct bnt_engine_info *info) {
    if (!info->i2s_layout) return NULL;
    return json_pack("{s:s, s:s, s:I}", "known", info->i2s_known, "seen", info->i2s_seen, "margin",
                     (json_int_t)info->i2s_margin);
}

/* Tokens that were guessed, of all turns. */
static json_t *draft_facts(const struct bnt_receipt_run *run) {
    size_t proposed = 0, accepted = 0;
    for (size_t i = 0; i < (run->n_turns ? run->n_turns : 1); i++) {
        proposed += generation_of(run, i)->drafted;
        accepted += generation_of(run, i)->accepted;
    }
    return json_pack("{s:I, s:I}", "proposed", (json_int_t)proposed, "accepted",
                     (json_int_t)accepted);
}

json_t *bnt_receipt_circumstance(const struct bnt_engine *e, const struct bnt_receipt_place *place,
                                 const struct bnt_receipt_run *run) {
    return json_pack(
        "{s:o, s:s, s:o, s:n, s:o, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o*, s:o}",
        "timestamp", timestamp(), "version", BNT_VERSION, "commit", bnt_receipt_text(bnt_commit),
        "llama_cpp_commit", "model_path", bnt_receipt_text(e->model_path), "threads",
        (int)place->threads, "deterministic", (int)run->deterministic, "machine",
        machine_facts(bnt_topology_info(e->topology)), "backend",
        backend_facts(e->backend, e->backends), "decision_table", decision_table(e->backends),
        "kernel_calls", kernel_calls(e, place->calls), "timings", timing_facts(e, run), "memory",
        memory_facts(e, place->bytes), "environment", environment(), "i2s", i2s_facts(&e->info),
        "draft", draft_facts(run));
}
