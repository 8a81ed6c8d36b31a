/*
 * trigger.c - see trigger.h. The free text is Knuth, Morris and Pratt's automaton of the mark: a
 * rule for each number of its bytes that have just been read.
 */
#include "trigger.h"

#include <jansson.h>
#include <string.h>

struct trigger {
    const char *mark, *end;
    size_t len; /* of the mark */
    bool list, once;
    const json_t *call, *text; /* text NULL: any */
};

static int read_trigger(struct trigger *t, json_t *root, struct bnt_err *err) {
    int list = 0, most = 0;
    size_t end_len;
    json_error_t why;
    if (json_unpack_ex(root, &why, JSON_STRICT, "{s:s%, s:s%, s:b, s:i, s:o, s?:o}", "mark",
                       &t->mark, &t->len, "end", &t->end, &end_len, "list", &list, "most", &most,
                       "call", &t->call, "text", &t->text) != 0)
        return bnt_fail(err, BNT_E_FORMAT, "calls: %.200s", why.text);
    t->list = list;
    t->once = most == 1;
    if (t->len == 0 || t->len > BNT_TRIGGER_MARK || end_len > BNT_TRIGGER_MARK ||
        strlen(t->mark) != t->len || strlen(t->end) != end_len)
        return bnt_fail(err, BNT_E_FORMAT, "calls: a mark has 1 to %d bytes, none of them NUL",
                        BNT_TRIGGER_MARK);
    if (most != 0 && most != 1)
        return bnt_fail(err, BNT_E_FORMAT, "calls: most is 0 (any number) or 1");
    return BNT_OK;
}

/* How many bytes of the mark end a text that ends with the first `n` of it and this byte. */
static size_t next_of(const struct trigger *t, size_t n, uint8_t byte) {
    if (byte == BNT_NO_TEXT) return n;
    for (size_t k = n + 1; k > 0; k--)
        if ((uint8_t)t->mark[k - 1] == byte && memcmp(t->mark, t->mark + n + 1 - k, k - 1) == 0)
            return k;
    return 0;
}

/* The text from any place on, without the mark; `then` follows it, or NEVER: it does not come. The
 * text may end everywhere. */
static bnt_expr free_text(struct bnt_grammar *g, const struct trigger *t, bnt_expr then) {
    uint32_t rules[BNT_TRIGGER_MARK];
    for (size_t n = 0; n < t->len; n++) rules[n] = bnt_rule_new(g);
    for (size_t n = 0; n < t->len; n++) {
        struct bnt_byte_class to[BNT_TRIGGER_MARK + 1] = {0};
        bnt_expr ways[BNT_TRIGGER_MARK + 2] = {BNT_EXPR_EMPTY};
        size_t count = 1;
        for (unsigned b = 0; b < 256; b++)
            to[next_of(t, n, (uint8_t)b)].bits[b / 64] |= UINT64_C(1) << b % 64;
        for (size_t k = 0; k <= n + 1; k++) {
            bool any = to[k].bits[0] | to[k].bits[1] | to[k].bits[2] | to[k].bits[3];
            bnt_expr rest = k == t->len ? then : bnt_rule_of(g, rules[k]);
            if (any) ways[count++] = bnt_seq2(g, bnt_byte_of(g, &to[k]), rest);
        }
        bnt_rule_define(g, rules[n], bnt_alt(g, ways, count));
    }
    return bnt_rule_of(g, rules[0]);
}

static int build(struct bnt_grammar *g, const struct trigger *t,
                 const struct bnt_schema_options *options, bnt_expr *out, struct bnt_err *err) {
    bnt_expr call, text, space = bnt_maybe(g, bnt_alt2(g, bnt_text(g, " "), bnt_text(g, "\n")));
    int status = bnt_schema_add(g, t->call, options, &call, err);
    if (status != BNT_OK) return status;
    if (t->list)
        call =
            bnt_seq3(g, bnt_text(g, "["),
                     bnt_list(g, bnt_text(g, ", "), NULL, 0, call, 1, t->once ? 1 : BNT_NO_LIMIT),
                     bnt_text(g, "]"));
    bnt_expr parts[] = {space, call, *t->end ? space : BNT_EXPR_EMPTY, bnt_text(g, t->end),
                        BNT_EXPR_EMPTY};
    if (t->text) {
        status = bnt_schema_add(g, t->text, options, &text, err);
        if (status != BNT_OK) return status;
        bnt_expr one = bnt_seq2(g, bnt_text(g, t->mark), bnt_seq(g, parts, 4));
        bnt_expr calls = bnt_list(g, space, NULL, 0, one, 1, t->once ? 1 : BNT_NO_LIMIT);
        *out = bnt_alt2(g, calls, text);
        return BNT_OK;
    }
    uint32_t again = bnt_rule_new(g);
    parts[4] = bnt_rule_of(g, again);
    bnt_expr first = free_text(g, t, bnt_seq(g, parts, 5));
    bnt_rule_define(g, again, t->once ? free_text(g, t, BNT_EXPR_NEVER) : first);
    *out = first;
    return BNT_OK;
}

int bnt_trigger_compile(struct bnt_grammar **out, const char *text, size_t len,
                        const struct bnt_schema_options *options, struct bnt_err *err) {
    json_t *root;
    struct trigger t = {.text = NULL};
    struct bnt_grammar *g = NULL;
    struct bnt_err why = {0};
    bnt_expr e;
    *out = NULL;
    int status = bnt_schema_read(&root, text, len, err);
    if (status != BNT_OK) return status;
    status = read_trigger(&t, root, err);
    if (status == BNT_OK) status = bnt_grammar_open(&g, err);
    if (status == BNT_OK) status = build(g, &t, options, &e, err);
    if (status == BNT_OK && (status = bnt_grammar_finish(g, e, &why)) != BNT_OK)
        bnt_fail(err, status, "calls: %.500s", why.text);
    json_decref(root);
    if (status == BNT_OK)
        *out = g;
    else
        bnt_grammar_close(g);
    return status;
}
