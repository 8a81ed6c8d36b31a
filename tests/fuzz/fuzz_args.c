/*
 * fuzz_args.c - hostile command lines: whatever the words are, they are understood or one is named.
 *
 * The first byte chooses the command; NULs divide the rest into words. Every second input has the
 * names of options in place of bytes below 0x20, since guessing those is not what is tested.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_args CORPUS_DIR
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_WORDS = 32, ROOM = 4096 };

static const char *const names[] = {"",
                                    "--threads=",
                                    "-t",
                                    "--temp=",
                                    "--top-k=",
                                    "--top-p=",
                                    "--min-p=",
                                    "--seed=",
                                    "--stop=",
                                    "-n",
                                    "-c",
                                    "-b",
                                    "--json",
                                    "--greedy",
                                    "--model=",
                                    "-p",
                                    "--help",
                                    "--file=",
                                    "--cpu-bind",
                                    "--chaos",
                                    "--receipt=",
                                    "-d",
                                    "-r",
                                    "--spot-check",
                                    "--",
                                    "-",
                                    "1,2,4",
                                    "0x10",
                                    "1e400",
                                    "nan",
                                    "18446744073709551616",
                                    "-1"};

/* Returns the number of words; they lie in `room`. */
static int split(char *room, char **words, const uint8_t *data, size_t size, bool spelled) {
    static char program[] = "bitnet";
    size_t used = 0, begin = 0;
    int n = 1;
    words[0] = program;
    for (size_t i = 0; i <= size && n < MAX_WORDS; i++) {
        const uint8_t c = i < size ? data[i] : 0;
        const char *add = spelled && c < 0x20 ? names[c] : "";
        size_t len = strlen(add);
        if (used + len + 2 > ROOM) break;
        memcpy(room + used, add, len);
        used += len;
        if (c && !(spelled && c < 0x20)) room[used++] = (char)c;
        if (c) continue;
        room[used++] = '\0';
        words[n++] = room + begin;
        begin = used;
    }
    words[n] = NULL;
    return n;
}

/* What no command line may bring about. */
static void look(const struct cmd_args *a) {
    if (a->n_stops > MAX_STOPS || a->threads.count > MAX_LIST || a->depths.count > MAX_LIST)
        abort();
    if (!(a->temp >= 0.0f && a->temp <= 100.0f)) abort();
    if (!(a->top_p >= 0.0f && a->top_p <= 1.0f) || !(a->min_p >= 0.0f && a->min_p <= 1.0f)) abort();
    if (!isfinite(a->repeat_penalty) || a->repeat_penalty <= 0.0f) abort();
    if (!(fabsf(a->presence_penalty) <= 100.0f && fabsf(a->frequency_penalty) <= 100.0f)) abort();
    if (a->n_biases > BNT_BIASES_MOST || a->top_logprobs > 20) abort();
    for (unsigned i = 0; i < a->n_biases; i++)
        if (a->biases[i].id < 0 || !(fabsf(a->biases[i].bias) <= 100.0f) ||
            (i && a->biases[i].id <= a->biases[i - 1].id))
            abort();
    for (unsigned i = 0; i < a->n_stops; i++)
        if (!a->stops[i] || !a->stops[i][0]) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char room[ROOM], *words[MAX_WORDS + 1];
    struct cmd_args args;
    struct bnt_err err = {0};
    if (size < 1) return 0;
    const int n = split(room, words, data + 1, size - 1, data[0] & 1);
    const enum cmd_id command = (enum cmd_id)(1u << (data[0] >> 1) % 18);
    if (cmd_parse(&args, command, n, words, &err) == BNT_OK)
        look(&args);
    else if (!err.text[0] || err.status != BNT_E_USAGE)
        abort();
    return 0;
}
