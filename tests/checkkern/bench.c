/*
 * bench.c - see bench.h.
 *
 * All sets take turns, round after round, so that a neighbour's disturbance meets each of them; the
 * machine's limits are measured before and after, and the better figure counts. One thread, and
 * everything that a decoding step streams from memory is streamed from memory here.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/limits.h"
#include "bench/work.h"

enum { MAX_ROUNDS = 99 };

struct limits {
    double read;                  /* bytes per second */
    double peaks[CK_MAX_SETS][2]; /* multiply-adds per second of each set, BNT_PEAK_*; 0: unknown */
    double best[2];               /* of each kind, among the sets */
};

static void raise(double *best, double x) {
    if (x > *best) *best = x;
}

static double measure(struct bnt_meter *m, enum bnt_limit what) {
    bnt_meter_now(m, 0, what);
    return bnt_meter_best(m, 0, what);
}

static void measure_limits(struct limits *l, const struct ck_sets *sets) {
    const uint32_t one = 1;
    struct bnt_topology *topology = NULL;
    struct bnt_meter *m;
    struct bnt_err err;
    if (bnt_topology_open(&topology, &err) != BNT_OK) return;
    for (size_t s = 0; s < sets->count; s++) {
        if (bnt_meter_open(&m, &sets->at[s]->k, topology, &one, 1, &err) != BNT_OK) continue;
        if (s == 0) raise(&l->read, measure(m, BNT_LIMIT_READ)); /* the same for all */
        for (uint32_t kind = 0; kind < 2; kind++) {
            double peak = measure(m, (enum bnt_limit)kind);
            raise(&l->peaks[s][kind], peak);
            raise(&l->best[kind], peak);
        }
        bnt_meter_close(m);
    }
    bnt_topology_close(topology);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct row {
    const struct ck_set *set;
    const struct bnt_work_item *item;
    double median, least, most;
};

static size_t time_item(const struct ck_sets *sets, const struct bnt_work_item *item,
                        unsigned rounds, struct bnt_pool *pool, struct row *rows) {
    struct bnt_work *work = calloc(sets->count, sizeof *work);
    double(*seconds)[MAX_ROUNDS] = calloc(sets->count, sizeof *seconds);
    size_t n = 0;
    if (!work || !seconds) goto out;
    for (size_t s = 0; s < sets->count; s++)
        if (bnt_work_open(&work[s], &sets->at[s]->k, item))
            bnt_work_time(&work[s], pool); /* warm */
    for (unsigned r = 0; r < rounds; r++)
        for (size_t s = 0; s < sets->count; s++)
            if (work[s].slice) seconds[s][r] = bnt_work_time(&work[s], pool);
    for (size_t s = 0; s < sets->count; s++) {
        if (!work[s].slice) continue;
        qsort(seconds[s], rounds, sizeof **seconds, by_value);
        rows[n++] = (struct row){sets->at[s], item, seconds[s][rounds / 2], seconds[s][0],
                                 seconds[s][rounds - 1]};
    }
out:
    for (size_t s = 0; work && s < sets->count; s++) bnt_work_close(&work[s]);
    free(work);
    free(seconds);
    return n;
}

static void print_row(const struct row *r, const struct limits *l) {
    double macs = r->item->macs / r->median;
    double bytes = r->item->bytes / r->median;
    double peak = l->best[r->item->macs_kind];
    char name[160];
    snprintf(name, sizeof name, "%s/%s", r->set->plugin, r->set->variant);
    printf("%-13s %-19s %-24s %12.0f ns %+5.1f%% %+5.1f%%", r->item->slot, r->item->shape, name,
           r->median * 1e9, 100 * (r->least / r->median - 1), 100 * (r->most / r->median - 1));
    if (bytes > 0) printf(" %7.2f GB/s %5.1f%%", bytes * 1e-9, 100 * bytes / l->read);
    if (macs > 0 && peak > 0) printf(" %8.1f Gmac/s %5.1f%%", macs * 1e-9, 100 * macs / peak);
    putchar('\n');
}

static json_t *row_json(const struct row *r, const struct limits *l) {
    double macs = r->item->macs / r->median;
    double bytes = r->item->bytes / r->median;
    double peak = l->best[r->item->macs_kind];
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:f, s:f, s:f}, s:f, s:f, s:f, s:f}", "plugin",
                     r->set->plugin, "variant", r->set->variant, "slot", r->item->slot, "shape",
                     r->item->shape, "ns", "median", r->median * 1e9, "min", r->least * 1e9, "max",
                     r->most * 1e9, "gb_s", bytes * 1e-9, "read_fraction",
                     l->read > 0 ? bytes / l->read : 0.0, "gmac_s", macs * 1e-9, "peak_fraction",
                     peak > 0 ? macs / peak : 0.0);
}

static void print_limits(const struct limits *l, const struct ck_sets *sets) {
    printf("limits, one thread: read %.2f GB/s", l->read * 1e-9);
    for (size_t s = 0; s < sets->count; s++)
        if (l->peaks[s][BNT_PEAK_INT8] > 0)
            printf("; %s/%s int8 %.1f, f32 %.1f Gmac/s", sets->at[s]->plugin, sets->at[s]->variant,
                   l->peaks[s][BNT_PEAK_INT8] * 1e-9, l->peaks[s][BNT_PEAK_F32] * 1e-9);
    printf("\ntime of a call: median, least and most; percentages are of the read limit and of the "
           "best peak of the kind\n");
}

int ck_bench(const struct ck_sets *sets, const struct ck_options *options, json_t *out) {
    struct limits limits = {0};
    size_t n = 0;
    if (sets->count == 0) return EXIT_FAILURE;
    struct bnt_work_item items[BNT_WORK_ITEMS];
    unsigned n_items = bnt_work_list(&bnt_work_dims_2b, items);
    struct bnt_pool *pool = NULL;
    struct bnt_err err;
    struct row *rows = calloc(n_items * sets->count, sizeof *rows);
    if (!rows || bnt_pool_open(&pool, 1, NULL, &err) != BNT_OK) {
        free(rows);
        return EXIT_FAILURE;
    }
    measure_limits(&limits, sets);
    for (size_t i = 0; i < n_items; i++) {
        if (options->slot && strcmp(options->slot, items[i].slot) != 0) continue;
        if (!out) fprintf(stderr, "%s %s\n", items[i].slot, items[i].shape);
        n += time_item(sets, &items[i], options->rounds, pool, rows + n);
    }
    measure_limits(&limits, sets);
    if (out) {
        json_t *peaks = json_object(), *results = json_array();
        for (size_t i = 0; i < sets->count; i++) {
            char name[160];
            snprintf(name, sizeof name, "%s/%s", sets->at[i]->plugin, sets->at[i]->variant);
            json_object_set_new(peaks, name,
                                json_pack("{s:f, s:f}", "int8",
                                          limits.peaks[i][BNT_PEAK_INT8] * 1e-9, "f32",
                                          limits.peaks[i][BNT_PEAK_F32] * 1e-9));
        }
        for (size_t i = 0; i < n; i++) json_array_append_new(results, row_json(&rows[i], &limits));
        json_object_set_new(
            out, "machine",
            json_pack("{s:f, s:o}", "read_gbs", limits.read * 1e-9, "peaks_gmac_s", peaks));
        json_object_set_new(out, "results", results);
    } else {
        print_limits(&limits, sets);
        for (size_t i = 0; i < n; i++) print_row(&rows[i], &limits);
    }
    bnt_pool_close(pool);
    free(rows);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
