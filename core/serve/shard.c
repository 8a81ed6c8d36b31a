/* shard.c - see shard.h. */
#include "serve/shard.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of a job array, of an MPI run, of an indexed job: the index, where counting begins, and how many
 * there are. */
static const struct {
    const char *index, *least, *count;
} sources[] = {{"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"},
               {"OMPI_COMM_WORLD_RANK", NULL, "OMPI_COMM_WORLD_SIZE"},
               {"PMI_RANK", NULL, "PMI_SIZE"},
               {"JOB_COMPLETION_INDEX", NULL, NULL}};

static bool number(const char *text, const char *end, unsigned *out) {
    char digits[12] = "";
    size_t n = (size_t)(end - text);
    if (n == 0 || n >= sizeof digits) return false;
    memcpy(digits, text, n);
    if (strspn(digits, "0123456789") != n) return false;
    unsigned long value = strtoul(digits, NULL, 10);
    *out = (unsigned)value;
    return value <= UINT32_MAX;
}

static int from_variable(const char *name, unsigned *out, struct bnt_err *err) {
    const char *text = getenv(name);
    if (text && number(text, text + strlen(text), out)) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE, "%s: '%.20s' is not a whole number", name, text ? text : "");
}

/* `count`: 0, or what the option says. */
static int from_environment(struct serve_shard *out, unsigned count, struct bnt_err *err) {
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        unsigned least = 0;
        if (!getenv(sources[i].index)) continue;
        if (!count && !(sources[i].count && getenv(sources[i].count))) continue;
        out->by = sources[i].index;
        int status = from_variable(sources[i].index, &out->index, err);
        if (status == BNT_OK && sources[i].least && getenv(sources[i].least))
            status = from_variable(sources[i].least, &least, err);
        out->count = count;
        if (status == BNT_OK && !count) status = from_variable(sources[i].count, &out->count, err);
        out->index -= least; /* below it: beyond every count */
        return status;
    }
    if (count)
        return bnt_fail(err, BNT_E_USAGE, "--shard=/%u: nothing in the environment says which",
                        count);
    return BNT_OK;
}

static int from_option(struct serve_shard *out, const char *option, struct bnt_err *err) {
    const char *slash = strchr(option, '/'), *end = option + strlen(option);
    if (!slash || !number(slash + 1, end, &out->count) ||
        (slash != option && !number(option, slash, &out->index)))
        return bnt_fail(err, BNT_E_USAGE, "--shard: '%.40s' is not like 0/4", option);
    if (slash == option && out->count) return from_environment(out, out->count, err);
    return BNT_OK;
}

int serve_shard_find(struct serve_shard *out, const char *option, struct bnt_err *err) {
    *out = (struct serve_shard){0, 1, NULL};
    int status = option ? from_option(out, option, err) : from_environment(out, 0, err);
    if (status != BNT_OK) return status;
    if (out->count == 0 || out->count > SHARDS_MOST || out->index >= out->count)
        return bnt_fail(err, BNT_E_USAGE,
                        "%s: there is no shard %u of %u, which are counted from 0",
                        out->by ? out->by : "--shard", out->index, out->count);
    return BNT_OK;
}

/* n * i / count, of which no product is too large. */
static size_t share(size_t n, unsigned i, unsigned count) {
    return n / count * i + n % count * i / count;
}

void serve_shard_range(const struct serve_shard *s, size_t n, size_t *first, size_t *last) {
    *first = share(n, s->index, s->count);
    *last = share(n, s->index + 1, s->count);
}
