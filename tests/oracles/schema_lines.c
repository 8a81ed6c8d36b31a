/*
 * schema_lines.c - JSON schemas as grammars, for tests in other languages.
 *
 * Standard input is one JSON array of cases: {schema, lenient, texts, samples, seed}. One line of
 * JSON a case goes out: {status, error} where the schema is refused, else {accepts: [...]} for the
 * texts, and {made: [...]}: texts of the grammar found by walking at random. `lenient`: members in
 * any order, further members, free white space.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine.h"
#include "rng.h"
#include "schema.h"

enum { LONGEST = 20000, PATIENT = 400 };

static bnt_state step(struct bnt_machine *m, bnt_state *s, uint8_t byte) {
    bnt_state to = bnt_machine_step(m, *s, byte);
    if (to != BNT_STATE_NONE) return to;
    if (!bnt_machine_full(m) || bnt_machine_forget(m, &(bnt_state *){s}, 1, NULL) != BNT_OK)
        abort();
    return bnt_machine_step(m, *s, byte);
}

static bool accepts(struct bnt_machine *m, const char *text, size_t len) {
    bnt_state s = bnt_machine_start(m);
    for (size_t i = 0; i < len && s != BNT_STATE_DEAD; i++) {
        s = step(m, &s, (uint8_t)text[i]);
        if (s == BNT_STATE_NONE) abort();
    }
    return bnt_machine_accepts(m, s);
}

static bool has(const struct bnt_byte_class *c, uint8_t byte) {
    return c->bits[byte / 64] >> byte % 64 & 1;
}

/* A walk to the end of a text; after PATIENT bytes it takes what closes wherever it can. */
static json_t *walk(struct bnt_machine *m, struct rng *r) {
    static const char closing[] = "\"]}0e";
    static char text[LONGEST];
    bnt_state s = bnt_machine_start(m);
    for (size_t n = 0; n < LONGEST; n++) {
        struct bnt_byte_class next;
        bool any = bnt_machine_next(m, s, &next);
        if (!any && !bnt_machine_accepts(m, s)) abort();
        if (!any || (bnt_machine_accepts(m, s) && rng_below(r, 3) == 0))
            return json_stringn(text, n);
        unsigned byte = rng_below(r, 256), kind = rng_below(r, n > PATIENT ? 1 : 6);
        if (kind == 0) byte = (uint8_t)closing[rng_below(r, 5)];
        if (kind == 1) byte = ' ' + rng_below(r, 95);
        if (kind == 2) byte = '0' + rng_below(r, 10);
        while (!has(&next, (uint8_t)byte)) byte = (byte + 1) % 256;
        s = step(m, &s, (uint8_t)byte);
        if (s == BNT_STATE_NONE || s == BNT_STATE_DEAD) abort();
        text[n] = (char)byte;
    }
    return NULL;
}

static json_t *run(const json_t *c) {
    bool lenient = json_is_true(json_object_get(c, "lenient"));
    struct bnt_schema_options options = {lenient, lenient, lenient};
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    clock_t from = clock();
    char *schema = json_dumps(json_object_get(c, "schema"), JSON_ENCODE_ANY);
    int status = bnt_schema_compile(&g, schema, strlen(schema), &options, &err);
    free(schema);
    if (status == BNT_OK && (status = bnt_machine_open(&m, g, &err)) != BNT_OK)
        bnt_grammar_close(g);
    if (status != BNT_OK)
        return json_pack("{s:s, s:s}", "status", bnt_status_name(status), "error", err.text);
    double ms = (double)(clock() - from) * 1e3 / CLOCKS_PER_SEC;
    json_t *verdicts = json_array(), *made = json_array();
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(c, "texts"), i, text) json_array_append_new(
        verdicts, json_boolean(accepts(m, json_string_value(text), json_string_length(text))));
    struct rng r = rng_stream((uint64_t)json_integer_value(json_object_get(c, "seed")), 1);
    for (json_int_t k = json_integer_value(json_object_get(c, "samples")); k > 0; k--) {
        json_t *one = walk(m, &r);
        if (one) json_array_append_new(made, one);
    }
    bnt_machine_close(m);
    bnt_grammar_close(g);
    return json_pack("{s:o, s:o, s:f}", "accepts", verdicts, "made", made, "ms", ms);
}

int main(void) {
    json_error_t why;
    json_t *cases = json_loadf(stdin, JSON_ALLOW_NUL, &why), *c;
    size_t i;
    if (!json_is_array(cases)) {
        fprintf(stderr, "schema_lines: line %d: %s\n", why.line, why.text);
        return 1;
    }
    json_array_foreach(cases, i, c) {
        json_t *line = run(c);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    }
    json_decref(cases);
    return 0;
}
