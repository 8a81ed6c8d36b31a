/*
 * bench_kernels.c - `bitnet bench --kernels`: each kernel by itself, at the shapes of a model,
 * beside what the machine can give.
 *
 * Thread counts take turns, round after round, as in bench.c. A team's members do not wait for each
 * other between calls: this is the kernels' speed, without barriers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "bench/work.h"
#include "cmd/bench.h"

struct row {
    const struct bnt_work_item *item;
    unsigned team;
    double median, min, max; /* seconds of a call */
};

struct kernels {
    const struct cmd_args *args;
    struct cmd_list threads;
    struct bnt_engine *engine;     /* with -m */
    struct bnt_backends *backends; /* without */
    struct bnt_backends *best;     /* whose loop over registers is the machine's peak */
    struct bnt_topology *topology;
    const struct bnt_backend *backend;
    struct bnt_pool *pools[MAX_LIST];
    struct bnt_meter *meter;
    struct bnt_work_item items[BNT_WORK_ITEMS];
    unsigned n_items;
    struct row rows[BNT_WORK_ITEMS * MAX_LIST];
    size_t n_rows;
};

/* ---- the shapes of a model ------------------------------------------------------------------ */

static void add_matrix(struct bnt_work_dims *d, const struct bnt_weight *w) {
    for (unsigned i = 0; w->ternary && i < d->n_ternary; i++)
        if (memcmp(&d->ternary[i], &w->tshape, sizeof w->tshape) == 0) return;
    for (unsigned i = 0; !w->ternary && i < d->n_dense; i++)
        if (memcmp(&d->dense[i], &w->dshape, sizeof w->dshape) == 0) return;
    if (w->ternary && d->n_ternary < sizeof d->ternary / sizeof d->ternary[0])
        d->ternary[d->n_ternary++] = w->tshape;
    else if (!w->ternary && d->n_dense < sizeof d->dense / sizeof d->dense[0])
        d->dense[d->n_dense++] = w->dshape;
}

static struct bnt_work_dims dims_of(const struct bnt_engine *e) {
    const struct bnt_hparams *hp = &e->model->hp;
    struct bnt_work_dims d = {.n_embd = hp->n_embd,
                              .n_ff = hp->n_ff,
                              .n_head = hp->n_head,
                              .n_head_kv = hp->n_head_kv,
                              .head_dim = hp->head_dim,
                              .n_rot = hp->n_rot,
                              .rope_style = hp->rope_style,
                              .prompt = hp->n_ctx_train < 512 ? hp->n_ctx_train : 512,
                              .context = hp->n_ctx_train < 4096 ? hp->n_ctx_train : 4096};
    for (uint32_t i = 0; i < e->model->n_matrices; i++)
        if (i != e->model->embedding || i == e->model->head) add_matrix(&d, &e->weights.w[i]);
    if (e->head.exact) d.search = e->head.shape;
    return d;
}

/* ---- measuring ------------------------------------------------------------------------------ */

static int open_all(struct kernels *k, struct bnt_err *err) {
    const struct cmd_args *args = k->args;
    struct bnt_work_dims dims = bnt_work_dims_2b;
    const struct bnt_backends_options given = {.plugin_dir = args->plugin_dir,
                                               .want = args->backend},
                                      best = {.plugin_dir = args->plugin_dir};
    int status;
    if (args->model) {
        if ((status = cmd_open_engine(&k->engine, args, err)) != BNT_OK) return status;
        k->backend = k->engine->backend;
        dims = dims_of(k->engine);
    } else {
        if ((status = bnt_backends_open(&k->backends, &given, err)) != BNT_OK) return status;
        k->backend = bnt_backends_chosen(k->backends);
    }
    k->n_items = bnt_work_list(&dims, k->items);
    if ((status = bnt_backends_open(&k->best, &best, err)) != BNT_OK) return status;
    if (bnt_backends_warning(k->best)[0])
        fprintf(stderr, "bitnet: %s\n", bnt_backends_warning(k->best));
    if ((status = bnt_topology_open(&k->topology, err)) != BNT_OK) return status;
    k->threads = args->threads;
    if (k->threads.count == 0)
        k->threads =
            (struct cmd_list){.values = {bnt_topology_default_threads(k->topology)}, .count = 1};
    const struct bnt_topology *bind = args->bind_none ? NULL : k->topology;
    for (unsigned t = 0; t < k->threads.count && status == BNT_OK; t++)
        status = bnt_pool_open(&k->pools[t], k->threads.values[t], bind, err);
    if (status == BNT_OK)
        status = bnt_meter_open(&k->meter, &bnt_backends_chosen(k->best)->kernels, bind,
                                k->threads.values, k->threads.count, err);
    return status;
}

static int time_item(struct kernels *k, const struct bnt_work_item *item, struct bnt_err *err) {
    const uint32_t n = k->args->repeat;
    struct bnt_work work;
    double *seconds = malloc(k->threads.count * (size_t)n * sizeof *seconds);
    if (!seconds) return bnt_fail_nomem(err, "the times", n * sizeof *seconds);
    if (!bnt_work_open(&work, &k->backend->kernels, item)) {
        fprintf(stderr, "%s %s: not measured: %s does not have it\n", item->slot, item->shape,
                k->backend->name);
        free(seconds);
        return BNT_OK;
    }
    bnt_work_time(&work, k->pools[0]); /* warm */
    for (uint32_t r = 0; r < n; r++)
        for (unsigned t = 0; t < k->threads.count; t++)
            seconds[t * (size_t)n + r] = bnt_work_time(&work, k->pools[t]);
    bnt_work_close(&work);
    for (unsigned t = 0; t < k->threads.count; t++) {
        double *s = seconds + t * (size_t)n;
        bnt_sort(s, n, sizeof *s, bench_by_value);
        k->rows[k->n_rows++] = (struct row){item, t, bench_median(s, n), s[0], s[n - 1]};
    }
    free(seconds);
    return BNT_OK;
}

/* ---- printing ------------------------------------------------------------------------------- */

struct rates {
    double bytes, macs;                  /* per second; 0: not what the kernel is about */
    double read_fraction, macs_fraction; /* of what the machine gives */
};

static struct rates rates_of(const struct kernels *k, const struct row *r) {
    double read = bnt_meter_best(k->meter, r->team, BNT_LIMIT_READ);
    double peak = bnt_meter_best(k->meter, r->team, (enum bnt_limit)r->item->macs_kind);
    struct rates x = {r->item->bytes / r->median, r->item->macs / r->median, 0.0, 0.0};
    if (read > 0) x.read_fraction = x.bytes / read;
    if (peak > 0) x.macs_fraction = x.macs / peak;
    return x;
}

static json_t *as_json(const struct kernels *k) {
    json_t *read = bench_limit(k->meter, &k->threads, BNT_LIMIT_READ);
    json_t *int8 = bench_limit(k->meter, &k->threads, BNT_LIMIT_INT8);
    json_t *f32 = bench_limit(k->meter, &k->threads, BNT_LIMIT_F32);
    json_t *results = json_array();
    for (size_t i = 0; i < k->n_rows; i++) {
        const struct row *r = &k->rows[i];
        struct rates x = rates_of(k, r);
        json_array_append_new(
            results,
            json_pack("{s:s, s:s, s:i, s:{s:f, s:f, s:f}, s:o, s:o, s:o, s:o, s:s}", "slot",
                      r->item->slot, "shape", r->item->shape, "threads",
                      (int)k->threads.values[r->team], "ns", "median", r->median * 1e9, "min",
                      r->min * 1e9, "max", r->max * 1e9, "gb_s", bench_known(x.bytes * 1e-9),
                      "read_fraction", bench_known(x.read_fraction), "gmac_s",
                      bench_known(x.macs * 1e-9), "peak_fraction", bench_known(x.macs_fraction),
                      "peak", r->item->macs_kind == BNT_PEAK_INT8 ? "int8" : "f32"));
    }
    return json_pack("{s:s, s:s, s:{s:o, s:o, s:o}, s:o}", "backend", k->backend->name,
                     "backend_variant", k->backend->variant, "machine", "read_gbs", read,
                     "int8_gmacs", int8, "f32_gmacs", f32, "results", results);
}

static int print_table(const struct kernels *k, struct bnt_err *err) {
    printf("%s (%s)\n", k->backend->name, k->backend->variant);
    for (unsigned t = 0; t < k->threads.count; t++)
        printf("%u thread%s can read %.1f GB/s, multiply and add %.1f G int8/s, %.1f G f32/s\n",
               k->threads.values[t], k->threads.values[t] == 1 ? "" : "s",
               bnt_meter_best(k->meter, t, BNT_LIMIT_READ) * 1e-9,
               bnt_meter_best(k->meter, t, BNT_LIMIT_INT8) * 1e-9,
               bnt_meter_best(k->meter, t, BNT_LIMIT_F32) * 1e-9);
    printf("%-13s %-22s %7s %12s %12s %12s %9s %5s %9s %5s\n", "kernel", "shape", "threads",
           "median us", "min", "max", "GB/s", "", "G mac/s", "");
    for (size_t i = 0; i < k->n_rows; i++) {
        const struct row *r = &k->rows[i];
        struct rates x = rates_of(k, r);
        printf("%-13s %-22s %7u %12.2f %12.2f %12.2f", r->item->slot, r->item->shape,
               k->threads.values[r->team], r->median * 1e6, r->min * 1e6, r->max * 1e6);
        if (x.bytes > 0)
            printf(" %9.2f %3.0f %%", x.bytes * 1e-9, 100 * x.read_fraction);
        else if (x.macs > 0)
            printf(" %9s %5s", "", "");
        if (x.macs > 0) printf(" %9.2f %3.0f %%", x.macs * 1e-9, 100 * x.macs_fraction);
        putchar('\n');
    }
    return cmd_flush(err);
}

int bench_kernels(const struct cmd_args *args, struct bnt_err *err) {
    struct kernels *k = calloc(1, sizeof *k);
    if (!k) return bnt_fail_nomem(err, "the results", sizeof *k);
    k->args = args;
    int status = open_all(k, err);
    if (status == BNT_OK) bnt_meter_all(k->meter);
    for (unsigned i = 0; i < k->n_items && status == BNT_OK; i++)
        status = time_item(k, &k->items[i], err);
    if (status == BNT_OK) bnt_meter_all(k->meter);
    if (status == BNT_OK)
        status = args->json ? cmd_write_json(as_json(k), err) : print_table(k, err);
    bnt_meter_close(k->meter);
    for (unsigned t = k->threads.count; t-- > 0;) bnt_pool_close(k->pools[t]);
    bnt_topology_close(k->topology);
    bnt_backends_close(k->best);
    bnt_backends_close(k->backends);
    bnt_engine_close(k->engine);
    free(k);
    return status;
}
