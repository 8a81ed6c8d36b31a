/*
 * bitnet-shaped.c - what a schema costs a decode: tokens a second of CPU time without one, with one
 * that is new, and with the same again.
 *
 *     bitnet-shaped MODEL [TOKENS] [ROUNDS] [THREADS] [SCHEMA]
 *
 * The three take turns, round after round, so that what disturbs the machine meets each of them;
 * ratios are medians of the rounds'. "new" counts the schema's compilation and all that is learned
 * of it. Texts begin anew when they end. "plain" has strings and no forced runs: there the sets of
 * tokens are all that differs. Sampled as --temp 1 --top-k 40, and greedily.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bitnet/bitnet.h"
#include "run/generate.h"

enum { MOST_ROUNDS = 101, KINDS = 3 };

static const struct {
    const char *name, *text;
} schemas[] = {
    {"plain", "{\"type\":\"string\"}"},
    {"numbers", "{\"type\":\"array\",\"items\":{\"type\":\"number\",\"minimum\":0}}"},
    {"person",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":24},"
     "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":120},\"tags\":{\"type\":\"array\","
     "\"items\":{\"type\":\"string\",\"maxLength\":12},\"minItems\":2,\"maxItems\":4},"
     "\"address\":{\"type\":\"object\",\"properties\":{\"street\":{\"type\":\"string\","
     "\"maxLength\":20},\"city\":{\"type\":\"string\",\"maxLength\":20},\"kind\":{\"enum\":"
     "[\"home\",\"work\",\"other\"]}},\"required\":[\"street\",\"city\",\"kind\"],"
     "\"additionalProperties\":false}},\"required\":[\"name\",\"age\",\"tags\",\"address\"],"
     "\"additionalProperties\":false}"},
    {"event",
     "{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\",\"maxLength\":40},"
     "\"start\":{\"type\":\"string\",\"format\":\"date-time\"},\"id\":{\"type\":\"string\","
     "\"format\":\"uuid\"},\"seats\":{\"type\":\"integer\"},\"price\":{\"type\":\"number\","
     "\"minimum\":0},\"open\":{\"type\":\"boolean\"}},\"required\":[\"title\",\"start\",\"id\","
     "\"seats\",\"price\",\"open\"],\"additionalProperties\":false}"},
    {"any", "{\"type\":\"object\"}"},
};
enum { SCHEMAS = sizeof schemas / sizeof *schemas };

static struct bnt_engine *engine;
static struct bnt_session *session;

static void must(int status, const struct bnt_err *err) {
    if (status == BNT_OK) return;
    fprintf(stderr, "bitnet-shaped: %s\n", err->text);
    exit(1);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Tokens a second of CPU time, of as many texts as it takes. */
static double rate(struct bnt_constraint *constraint, size_t tokens, bool greedy, double began) {
    struct bnt_err err = {0};
    size_t made = 0;
    for (int32_t text = 0; made < tokens; text++) {
        struct bnt_generate_options o = {.sampling = bnt_sampling_default(),
                                         .n_predict = tokens - made,
                                         .ignore_eog = !constraint,
                                         .constraint = constraint};
        struct bnt_generation g = {0};
        const int32_t prompt = 100 + text;
        o.sampling.temperature = greedy ? 0 : 1;
        o.sampling.top_k = greedy ? 0 : 40;
        o.sampling.seed = (uint64_t)text;
        bnt_session_truncate(session, 0);
        must(bnt_generate(&g, engine, session, &prompt, 1, &o, &err), &err);
        made += g.n_tokens;
        bnt_generation_free(&g);
    }
    return (double)made / (cpu_seconds() - began);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *of, int n) {
    qsort(of, (size_t)n, sizeof *of, by_value);
    return of[n / 2];
}

static void measure(const char *name, const char *schema, bool greedy, size_t tokens, int rounds) {
    double rates[KINDS][MOST_ROUNDS], ratios[KINDS][MOST_ROUNDS];
    struct bnt_err err = {0};
    for (int r = 0; r < rounds; r++) {
        struct bnt_constraint *c;
        rates[0][r] = rate(NULL, tokens, greedy, cpu_seconds());
        double began = cpu_seconds();
        must(bnt_constraint_open(&c, engine, BNT_CONSTRAINT_SCHEMA, schema, strlen(schema), &err),
             &err);
        rates[1][r] = rate(c, tokens, greedy, began);
        rates[2][r] = rate(c, tokens, greedy, cpu_seconds());
        bnt_constraint_close(c);
        for (int k = 0; k < KINDS; k++) ratios[k][r] = 100 * rates[k][r] / rates[0][r];
    }
    double percent[] = {median(ratios[1], rounds), median(ratios[2], rounds)};
    printf("%-8s %-7s %8.2f %8.2f %8.2f %7.1f %% %7.1f %%\n", name, greedy ? "greedy" : "top-k",
           median(rates[0], rounds), median(rates[1], rounds), median(rates[2], rounds), percent[0],
           percent[1]);
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct bnt_err err = {0};
    struct bnt_session_options options = {.n_ctx = 1024};
    if (argc < 2) {
        fprintf(stderr, "usage: bitnet-shaped MODEL [TOKENS] [ROUNDS] [THREADS] [SCHEMA]\n");
        return 2;
    }
    size_t tokens = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;
    int rounds = argc > 3 ? atoi(argv[3]) : 5;
    options.threads = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 1;
    if (tokens < 1 || tokens > 1000 || rounds < 1 || rounds > MOST_ROUNDS) return 2;
    must(bnt_engine_open(&engine, argv[1], NULL, &err), &err);
    must(bnt_session_open(&session, engine, &options, &err), &err);
    rate(NULL, 4, true, cpu_seconds());
    printf("%-8s %-7s %8s %8s %8s %9s %9s\n", "schema", "", "without", "new", "again", "new",
           "again");
    for (size_t i = 0; i < SCHEMAS; i++)
        for (int greedy = argc > 5 && strcmp(argv[5], schemas[i].name) != 0 ? -1 : 1; greedy >= 0;
             greedy--)
            measure(schemas[i].name, schemas[i].text, greedy, tokens, rounds);
    bnt_session_close(session);
    bnt_engine_close(engine);
    return 0;
}
