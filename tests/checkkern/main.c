/*
 * main.c - bitnet-checkkern: proves a kernel plugin against ref-scalar, slot by slot, by bytes.
 *
 * The command line, the loop over sets and slots, and the report. See bitnet-checkkern(1).
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "plugin/slots.h"
#include "sets.h"

#define DEFAULT_SEED 20261122u

enum { SHOWN = 3 }; /* failures of a slot that are printed */

struct report {
    const struct ck_options *options;
    const struct ck_set *set;
    const struct ck_test *test;
    const struct ck_cases *cases;
    json_t *failures;
    unsigned shown;
};

/* Why a case failed, and the command that repeats it alone. */
static void on_failure(void *user, size_t number, const char *what) {
    struct report *r = user;
    char shape[256], command[8192];
    r->test->describe(&r->cases->at[number], shape, sizeof shape);
    snprintf(command, sizeof command,
             "bitnet-checkkern --seed=%" PRIu64 "%s --variant=%s --slot=%s --case=%zu %s",
             r->options->seed, r->options->long_run ? " --long" : "", r->set->variant,
             r->test->slot, number, r->set->path[0] ? r->set->path : r->set->plugin);
    if (r->failures)
        json_array_append_new(r->failures,
                              json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "plugin",
                                        r->set->plugin, "variant", r->set->variant, "slot",
                                        r->test->slot, "case", (json_int_t)number, "shape", shape,
                                        "what", what, "repeat", command));
    else if (r->shown++ < SHOWN)
        printf("FAILED %s/%s %s: %s: %s\n    repeat: %s\n", r->set->plugin, r->set->variant,
               r->test->slot, shape, what, command);
}

/* Who does the slot for this set; NULL: it does so itself, or nobody. */
static const char *done_by(const struct ck_set *set, size_t slot) {
    return set->makers.of[slot] == BNT_JUDGE  ? "ref-scalar"
           : set->makers.of[slot] == BNT_BASE ? set->base
                                              : NULL;
}

struct totals {
    unsigned passed, failed;
};

/* The slots of one set, a line for each. */
static void check_set(const struct ck_set *set, const struct ck_options *options,
                      struct totals *totals, json_t *sets, json_t *failures) {
    json_t *slots = sets ? json_array() : NULL;
    char by_judge[BNT_SLOT_LIST], by_base[BNT_SLOT_LIST];
    size_t stack = 0;
    if (!sets) printf("%s/%s:\n", set->plugin, set->variant);
    for (size_t i = 0; i < ck_test_count; i++) {
        const struct ck_test *test = &ck_tests[i];
        struct ck_cases cases = {0};
        struct ck_rng rng;
        struct ck_result result;
        if (options->slot && strcmp(options->slot, test->slot) != 0) continue;
        if (done_by(set, i)) {
            if (!sets) printf("  %-15s left out: done by %s\n", test->slot, done_by(set, i));
            continue;
        }
        ck_seed(&rng, options->seed, test->slot, UINT64_MAX);
        test->plan(&cases, &rng, options->long_run);
        struct report report = {options, set, test, &cases, failures, 0};
        ck_run_slot(set, test, &cases, options, on_failure, &report, &result);
        free(cases.at);
        totals->passed += result.passed;
        totals->failed += result.failed;
        if (result.stack > stack) stack = result.stack;
        if (!sets)
            printf("  %-15s %6u passed %4u failed %5u not supported%s\n", test->slot, result.passed,
                   result.failed, result.unsupported, result.given_up ? "; given up" : "");
        else
            json_array_append_new(
                slots, json_pack("{s:s, s:i, s:i, s:i, s:b}", "slot", test->slot, "passed",
                                 (int)result.passed, "failed", (int)result.failed, "unsupported",
                                 (int)result.unsupported, "given_up", (int)result.given_up));
        if (options->stop && result.failed) break;
    }
    if (!sets && stack) printf("  stack: %zu bytes at most\n", stack);
    bnt_slots_list(&set->makers, BNT_JUDGE, by_judge, sizeof by_judge);
    bnt_slots_list(&set->makers, BNT_BASE, by_base, sizeof by_base);
    if (sets)
        json_array_append_new(sets,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "plugin",
                                        set->plugin, "variant", set->variant, "path", set->path,
                                        "by_judge", by_judge, "base", set->base, "by_base", by_base,
                                        "stack_bytes", (json_int_t)stack, "slots", slots));
}

static int check(const struct ck_sets *sets, const struct ck_options *options) {
    struct totals totals = {0, sets->refused};
    json_t *list = options->json ? json_array() : NULL;
    json_t *failures = options->json ? json_array() : NULL;
    for (size_t i = 0; i < sets->count; i++) {
        check_set(sets->at[i], options, &totals, list, failures);
        if (options->stop && totals.failed > sets->refused) break;
    }
    if (options->json) {
        json_t *out = json_pack(
            "{s:I, s:s, s:i, s:i, s:i, s:o, s:o}", "seed", (json_int_t)options->seed, "mode",
            options->long_run ? "long" : "quick", "passed", (int)totals.passed, "failed",
            (int)totals.failed, "skipped", (int)sets->skipped, "sets", list, "failures", failures);
        json_dumpf(out, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(out);
    } else {
        if (totals.passed + totals.failed == 0) printf("nothing could be tested\n");
        printf("seed %" PRIu64 ", %s\n%u passed, %u failed\n", options->seed,
               options->long_run ? "long" : "quick", totals.passed, totals.failed);
    }
    return totals.failed == 0 && totals.passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The sets and, of one slot, the cases. */
static int list(const struct ck_sets *sets, const struct ck_options *options) {
    for (size_t i = 0; i < sets->count; i++) {
        const struct ck_set *set = sets->at[i];
        char by_judge[BNT_SLOT_LIST], by_base[BNT_SLOT_LIST];
        bnt_slots_list(&set->makers, BNT_JUDGE, by_judge, sizeof by_judge);
        bnt_slots_list(&set->makers, BNT_BASE, by_base, sizeof by_base);
        printf("%s/%s%s%s", set->plugin, set->variant, by_judge[0] ? ", by ref-scalar: " : "",
               by_judge);
        if (set->base[0]) printf(", by %s: %s", set->base, by_base);
        printf("\n");
    }
    for (size_t i = 0; i < ck_test_count; i++) {
        struct ck_cases cases = {0};
        struct ck_rng rng;
        char shape[256];
        bool chosen = options->slot && strcmp(options->slot, ck_tests[i].slot) == 0;
        ck_seed(&rng, options->seed, ck_tests[i].slot, UINT64_MAX);
        ck_tests[i].plan(&cases, &rng, options->long_run);
        if (!options->slot) printf("%-15s %6zu cases\n", ck_tests[i].slot, cases.count);
        for (size_t j = 0; chosen && j < cases.count; j++)
            printf("%s %zu: %s\n", ck_tests[i].slot, j,
                   ck_tests[i].describe(&cases.at[j], shape, sizeof shape));
        free(cases.at);
    }
    return sets->count && !sets->refused ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void help(FILE *to) {
    fprintf(to,
            "usage: bitnet-checkkern [OPTION]... [PLUGIN.so | NAME]...\n"
            "Checks every slot of kernel plugins against ref-scalar, byte for byte; without an\n"
            "operand, all plugins of the plugin folder.\n"
            "  --long            thousands of random shapes more\n"
            "  --seed=N          another stream of random inputs\n"
            "  --slot=NAME       this slot only\n"
            "  --variant=NAME    this kernel set only\n"
            "  --case=N          this case of the slot only\n"
            "  --stop            end at the first slot that fails\n"
            "  --timeout=S       CPU seconds that a case may take (5)\n"
            "  --plugin-dir=DIR  where NAME is looked for\n"
            "  --bench           times the slots instead; --rounds=N repeats (5)\n"
            "  --list            shows kernel sets and slots; with --slot, its cases\n"
            "  --json            one JSON object on stdout\n"
            "  --help, --version\n"
            "Exit status: 0 all passed, 1 something failed or nothing was tested, 2 bad usage.\n");
}

static bool number(const char *text, uint64_t max, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *out <= max;
}

enum {
    SEED = 256,
    SLOT,
    VARIANT_,
    CASE,
    STOP,
    TIMEOUT,
    DIR_,
    BENCH,
    ROUNDS,
    LIST,
    JSON,
    LONG,
    HELP,
    VERSION
};

/* 0, or the exit status plus one. */
static int parse(struct ck_options *o, int argc, char **argv) {
    static const struct option options[] = {{"seed", 1, NULL, SEED},
                                            {"slot", 1, NULL, SLOT},
                                            {"variant", 1, NULL, VARIANT_},
                                            {"case", 1, NULL, CASE},
                                            {"stop", 0, NULL, STOP},
                                            {"timeout", 1, NULL, TIMEOUT},
                                            {"plugin-dir", 1, NULL, DIR_},
                                            {"bench", 0, NULL, BENCH},
                                            {"rounds", 1, NULL, ROUNDS},
                                            {"list", 0, NULL, LIST},
                                            {"json", 0, NULL, JSON},
                                            {"long", 0, NULL, LONG},
                                            {"help", 0, NULL, HELP},
                                            {"version", 0, NULL, VERSION},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint64_t n = 0;
        bool good = true;
        switch (c) {
        case SEED: good = number(optarg, UINT64_MAX, &o->seed); break;
        case SLOT: o->slot = optarg; break;
        case VARIANT_: o->variant = optarg; break;
        case CASE: good = number(optarg, INT32_MAX, &n), o->only = (int64_t)n; break;
        case STOP: o->stop = true; break;
        case TIMEOUT: good = number(optarg, 3600, &n) && n, o->timeout = (unsigned)n; break;
        case DIR_: o->plugin_dir = optarg; break;
        case BENCH: o->bench = true; break;
        case ROUNDS: good = number(optarg, 99, &n) && n, o->rounds = (unsigned)n; break;
        case LIST: o->list = true; break;
        case JSON: o->json = true; break;
        case LONG: o->long_run = true; break;
        case HELP: help(stdout); return EXIT_SUCCESS + 1;
        case VERSION: puts("bitnet-checkkern " BNT_VERSION); return EXIT_SUCCESS + 1;
        default: help(stderr); return 2 + 1;
        }
        if (!good) {
            fprintf(stderr, "bitnet-checkkern: not a number in range: '%s'\n", optarg);
            return 2 + 1;
        }
    }
    bool known = !o->slot;
    for (size_t i = 0; i < ck_test_count; i++)
        known = known || strcmp(o->slot, ck_tests[i].slot) == 0;
    if (!known) fprintf(stderr, "bitnet-checkkern: no slot is called '%s'\n", o->slot);
    if (known && o->only >= 0 && !o->slot) {
        fprintf(stderr, "bitnet-checkkern: --case needs --slot\n");
        known = false;
    }
    return known ? 0 : 2 + 1;
}

int main(int argc, char **argv) {
    struct ck_options options = {.seed = DEFAULT_SEED, .only = -1, .timeout = 5, .rounds = 5};
    struct ck_sets sets = {0};
    int status = parse(&options, argc, argv);
    if (status) return status - 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = optind; i < argc; i++) ck_sets_add(&sets, argv[i], &options);
    if (optind == argc) ck_sets_add_folder(&sets, &options);
    if (options.list) {
        status = list(&sets, &options);
    } else if (options.bench) {
        json_t *out = options.json ? json_object() : NULL;
        status = ck_bench(&sets, &options, out);
        if (out) json_dumpf(out, stdout, JSON_INDENT(1));
        json_decref(out);
    } else {
        status = check(&sets, &options);
    }
    ck_sets_free(&sets);
    return status;
}
