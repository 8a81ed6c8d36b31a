/*
 * parse_expr.c - expressions, by the precedence that Jinja has (not Python's: ~ binds more than +,
 * and a filter more than both).
 *
 * One function a level, each of which calls the next. See ast.h for the nodes they make.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ast.h"

/* ---- nodes and tokens -------------------------------------------------------------------------
 */

struct node *parse_fail(struct parser *p, int status, const char *fmt, ...) {
    char text[300];
    va_list args;
    if (p->err->status != BNT_OK) return NULL;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    bnt_fail(p->err, status, "line %u: %s", p->at->line, text);
    return NULL;
}

struct node *parse_unexpected(struct parser *p, const char *wanted) {
    char shown[48];
    if (p->at->kind == TOKEN_END)
        return parse_fail(p, BNT_E_FORMAT, "the template ends where %s should stand", wanted);
    bnt_printable(shown, sizeof shown, p->at->text, p->at->len);
    return parse_fail(p, BNT_E_FORMAT, "'%s' where %s should stand", shown, wanted);
}

static struct node *no_room(struct parser *p) {
    const int status = arena_status(&p->program->arena);
    return parse_fail(p, status,
                      status == BNT_E_NOMEM ? "out of memory" : "the template is too long");
}

struct node *parse_node(struct parser *p, enum node_kind kind, unsigned line) {
    struct node *n = arena_take(&p->program->arena, sizeof *n);
    if (!n) return no_room(p);
    *n = (struct node){.kind = kind, .line = line};
    return n;
}

bool parse_add(struct parser *p, struct node *of, struct node *child) {
    if ((of->n & (of->n - 1)) == 0) { /* grows at powers of two */
        size_t room = of->n ? 2 * of->n : 1;
        struct node **grown = arena_take(&p->program->arena, room * sizeof *grown);
        if (!grown) {
            no_room(p);
            return false;
        }
        if (of->n) memcpy(grown, of->list, of->n * sizeof *grown);
        of->list = grown;
    }
    of->list[of->n++] = child;
    return true;
}

static void deepen(struct node *n, const struct node *child) {
    if (child && child->depth >= n->depth) n->depth = child->depth + 1;
}

struct node *parse_done(struct parser *p, struct node *n) {
    deepen(n, n->a);
    deepen(n, n->b);
    deepen(n, n->c);
    for (size_t i = 0; i < n->n; i++) deepen(n, n->list[i]);
    if (n->depth > JINJA_LEVELS)
        return parse_fail(p, BNT_E_LIMIT, "an expression or block nested deeper than %d",
                          JINJA_LEVELS);
    return n;
}

bool parse_is(const struct parser *p, enum token_kind kind, const char *text) {
    return p->at->kind == kind && (!text || strcmp(p->at->text, text) == 0);
}

bool parse_take(struct parser *p, enum token_kind kind, const char *text) {
    if (!parse_is(p, kind, text)) return false;
    p->at++;
    return true;
}

bool parse_need(struct parser *p, enum token_kind kind, const char *text) {
    static const char *const names[] = {
        [TOKEN_NAME] = "a name", [TOKEN_BLOCK_END] = "'%}'", [TOKEN_PRINT_END] = "'}}'"};
    char shown[24];
    if (parse_take(p, kind, text)) return true;
    snprintf(shown, sizeof shown, "'%s'", text ? text : "");
    parse_unexpected(p, text ? shown : names[kind] ? names[kind] : "something else");
    return false;
}

static bool sign(struct parser *p, const char *text) {
    return parse_take(p, TOKEN_SIGN, text);
}

static bool word(struct parser *p, const char *text) {
    return parse_take(p, TOKEN_NAME, text);
}

/* ---- primaries --------------------------------------------------------------------------------
 */

static struct node *constant(struct parser *p, unsigned line, struct jv value) {
    struct node *n = parse_node(p, NODE_CONST, line);
    if (n) n->value = value;
    return n;
}

/* What a word is that is no name; JV_ABSENT: it is one. */
static struct jv word_value(const char *name) {
    static const struct {
        const char *name;
        enum jv_kind kind;
        bool truth;
    } words[] = {{"true", JV_BOOL, true},   {"True", JV_BOOL, true},  {"false", JV_BOOL, false},
                 {"False", JV_BOOL, false}, {"none", JV_NONE, false}, {"None", JV_NONE, false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(name, words[i].name) == 0)
            return (struct jv){.kind = words[i].kind, .as.truth = words[i].truth};
    return (struct jv){.kind = JV_ABSENT};
}

bool parse_can_assign(struct parser *p, const char *name) {
    const char *why = word_value(name).kind != JV_ABSENT ? "nothing can be assigned to" : NULL;
    if (strcmp(name, "loop") == 0 && p->fors) why = "inside of a loop nothing can be assigned to";
    if (why) parse_fail(p, BNT_E_FORMAT, "%s '%s'", why, name);
    return !why;
}

struct node *parse_named(struct parser *p, const char *name, unsigned line) {
    struct node *n = constant(p, line, jv_text(name));
    if (!n) return NULL;
    n->kind = NODE_NAME;
    n->name = name;
    return n;
}

static struct node *parse_name(struct parser *p) {
    const struct token *t = p->at++;
    const struct jv word = word_value(t->text);
    if (word.kind != JV_ABSENT) return constant(p, t->line, word);
    if (p->macro) {
        p->macro->varargs |= !strcmp(t->text, "varargs");
        p->macro->kwargs |= !strcmp(t->text, "kwargs");
        p->macro->caller |= !strcmp(t->text, "caller");
    }
    return parse_named(p, t->text, t->line);
}

/* Neighbours are one text. */
static struct node *parse_text(struct parser *p) {
    const struct token *first = p->at;
    size_t len = 0;
    for (; p->at->kind == TOKEN_TEXT; p->at++) len += p->at->len;
    char *text = arena_take(&p->program->arena, len + 1);
    if (!text) return no_room(p);
    len = 0;
    for (const struct token *t = first; t < p->at; t++) {
        memcpy(text + len, t->text, t->len);
        len += t->len;
    }
    return constant(p, first->line, jv_marked((struct bnt_marked){text, NULL, len}));
}

static struct node *parse_list(struct parser *p) {
    struct node *n = parse_node(p, NODE_LIST, p->at->line);
    p->at++;
    while (n && !sign(p, "]")) {
        if (n->n && !parse_need(p, TOKEN_SIGN, ",")) return NULL;
        if (sign(p, "]")) break;
        struct node *item = parse_expression(p, true);
        if (!item || !parse_add(p, n, item)) return NULL;
    }
    return n ? parse_done(p, n) : NULL;
}

static struct node *parse_dict(struct parser *p) {
    struct node *n = parse_node(p, NODE_DICT, p->at->line);
    p->at++;
    while (n && !sign(p, "}")) {
        if (n->n && !parse_need(p, TOKEN_SIGN, ",")) return NULL;
        if (sign(p, "}")) break;
        struct node *key = parse_expression(p, true), *value;
        if (!key || !parse_need(p, TOKEN_SIGN, ":") || !(value = parse_expression(p, true)) ||
            !parse_add(p, n, key) || !parse_add(p, n, value))
            return NULL;
    }
    return n ? parse_done(p, n) : NULL;
}

struct node *parse_primary(struct parser *p) {
    const struct token *t = p->at;
    struct node *n;
    switch (t->kind) {
    case TOKEN_NAME: return parse_name(p);
    case TOKEN_TEXT: return parse_text(p);
    case TOKEN_INT: p->at++; return constant(p, t->line, jv_int(t->integer));
    case TOKEN_FLOAT: p->at++; return constant(p, t->line, jv_real(t->real));
    default: break;
    }
    if (parse_is(p, TOKEN_SIGN, "[")) return parse_list(p);
    if (parse_is(p, TOKEN_SIGN, "{")) return parse_dict(p);
    if (!sign(p, "(")) return parse_unexpected(p, "an expression");
    n = parse_tuple(p, true, NULL, true);
    return n && parse_need(p, TOKEN_SIGN, ")") ? n : NULL;
}

/* ---- what stands behind one -------------------------------------------------------------------
 */

static struct node *parse_arg(struct parser *p) {
    struct node *n = parse_node(p, NODE_ARG, p->at->line);
    if (!n) return NULL;
    if (sign(p, "*")) {
        n->op = '*';
    } else if (sign(p, "**")) {
        n->op = 'd';
    } else if (p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_SIGN &&
               strcmp(p->at[1].text, "=") == 0) {
        n->name = p->at->text;
        p->at += 2;
    }
    n->a = parse_expression(p, true);
    return n->a ? parse_done(p, n) : NULL;
}

/* Of the arguments of a call, what has come: where names begin, and whether * or ** was there. */
struct came {
    size_t names;
    bool many, dict;
};

static bool may_follow(struct parser *p, const struct came *c, const struct node *call,
                       const struct node *arg) {
    bool named = c->names < call->n, place = !arg->name && !arg->op;
    if (c->dict || (place && (named || c->many)) || (arg->op == '*' && c->many))
        parse_fail(p, BNT_E_FORMAT, "an argument that may not stand behind the one before");
    if (call->n >= c->names + JINJA_NAMES)
        parse_fail(p, BNT_E_LIMIT, "over %d arguments with names", JINJA_NAMES);
    for (size_t i = c->names; i < call->n && arg->name; i++)
        if (call->list[i]->name && strcmp(call->list[i]->name, arg->name) == 0)
            parse_fail(p, BNT_E_FORMAT, "the argument '%.40s' is given twice", arg->name);
    return p->err->status == BNT_OK;
}

bool parse_call(struct parser *p, struct node *call) {
    struct came came = {.names = SIZE_MAX - JINJA_NAMES};
    if (!parse_need(p, TOKEN_SIGN, "(")) return false;
    while (!sign(p, ")")) {
        if (call->n && !parse_need(p, TOKEN_SIGN, ",")) return false;
        if (call->n && sign(p, ")")) break;
        struct node *arg = parse_arg(p);
        if (!arg || !may_follow(p, &came, call, arg) || !parse_add(p, call, arg)) return false;
        if (arg->name && came.names > call->n) came.names = call->n - 1;
        came.many = came.many || arg->op == '*';
        came.dict = came.dict || arg->op == 'd';
    }
    return true;
}

static struct node *call_of(struct parser *p, struct node *of) {
    struct node *n = parse_node(p, NODE_CALL, p->at->line);
    if (!n || !parse_call(p, n)) return NULL;
    n->a = of;
    return parse_done(p, n);
}

/* a[b], a[b:c:d]; the bracket is taken. */
static struct node *parse_subscript(struct parser *p, struct node *of, unsigned line) {
    struct node *n = parse_node(p, NODE_ITEM, line), *parts[3] = {NULL, NULL, NULL};
    unsigned colons = 0;
    if (!n) return NULL;
    n->a = of;
    while (!parse_is(p, TOKEN_SIGN, "]")) {
        if (sign(p, ":")) {
            if (++colons > 2) return parse_unexpected(p, "']'");
        } else if (parts[colons] || !(parts[colons] = parse_expression(p, true))) {
            return parse_unexpected(p, "']'");
        }
        if (parse_is(p, TOKEN_SIGN, ","))
            return parse_fail(p, BNT_E_UNSUPPORTED,
                              "a subscript of several parts is not known here");
    }
    p->at++;
    if (colons == 0) {
        if (!(n->b = parts[0] ? parts[0] : parse_node(p, NODE_TUPLE, line))) return NULL;
        return parse_done(p, n);
    }
    n->kind = NODE_SLICE;
    for (unsigned i = 0; i < 3; i++) {
        if (!parts[i] && !(parts[i] = constant(p, line, jv_none()))) return NULL;
        if (!parse_add(p, n, parts[i])) return NULL;
    }
    return parse_done(p, n);
}

static struct node *parse_postfix(struct parser *p, struct node *n) {
    while (n) {
        unsigned line = p->at->line;
        if (parse_is(p, TOKEN_SIGN, "(")) {
            n = call_of(p, n);
        } else if (sign(p, "[")) {
            n = parse_subscript(p, n, line);
        } else if (sign(p, ".")) {
            struct node *of = n;
            bool name = p->at->kind == TOKEN_NAME;
            if (!name && p->at->kind != TOKEN_INT) return parse_unexpected(p, "a name");
            if (!(n = parse_node(p, name ? NODE_ATTR : NODE_ITEM, line))) return NULL;
            n->a = of;
            n->name = p->at->text;
            if (!name && !(n->b = constant(p, line, jv_int(p->at->integer)))) return NULL;
            p->at++;
            n = parse_done(p, n);
        } else {
            break;
        }
    }
    return n;
}

static struct node *parse_test(struct parser *p, struct node *of) {
    unsigned line = p->at->line;
    bool not = word(p, "not");
    struct node *n = parse_node(p, NODE_TEST, line), *arg;
    if (!n) return NULL;
    n->name = p->at->text;
    if (!parse_need(p, TOKEN_NAME, NULL)) return NULL;
    if (parse_is(p, TOKEN_SIGN, "(")) {
        if (!parse_call(p, n)) return NULL;
    } else if ((p->at->kind == TOKEN_NAME && !parse_is(p, TOKEN_NAME, "else") &&
                !parse_is(p, TOKEN_NAME, "or") && !parse_is(p, TOKEN_NAME, "and")) ||
               p->at->kind == TOKEN_TEXT || p->at->kind == TOKEN_INT ||
               p->at->kind == TOKEN_FLOAT || parse_is(p, TOKEN_SIGN, "(") ||
               parse_is(p, TOKEN_SIGN, "[") || parse_is(p, TOKEN_SIGN, "{")) {
        if (parse_is(p, TOKEN_NAME, "is")) return parse_unexpected(p, "the end of a test");
        if (!(arg = parse_node(p, NODE_ARG, line)) || !(arg->a = parse_primary(p)) ||
            !(arg->a = parse_postfix(p, arg->a)) || !parse_done(p, arg) || !parse_add(p, n, arg))
            return NULL;
    }
    n->a = of;
    if (!parse_done(p, n) || !not ) return p->err->status == BNT_OK ? n : NULL;
    struct node *turned = parse_node(p, NODE_NOT, line);
    if (!turned) return NULL;
    turned->a = n;
    return parse_done(p, turned);
}

struct node *parse_filters(struct parser *p, struct node *of, bool first_bare) {
    while (first_bare || sign(p, "|")) {
        struct node *n = parse_node(p, NODE_FILTER, p->at->line);
        if (!n) return NULL;
        n->name = p->at->text;
        if (!parse_need(p, TOKEN_NAME, NULL)) return NULL;
        if (parse_is(p, TOKEN_SIGN, "(") && !parse_call(p, n)) return NULL;
        n->a = of;
        if (!(of = parse_done(p, n))) return NULL;
        first_bare = false;
    }
    return of;
}

/* Filters, tests, and calls of what they give. */
static struct node *parse_tail(struct parser *p, struct node *n) {
    while (n) {
        if (parse_is(p, TOKEN_SIGN, "|"))
            n = parse_filters(p, n, false);
        else if (word(p, "is"))
            n = parse_test(p, n);
        else if (parse_is(p, TOKEN_SIGN, "("))
            n = call_of(p, n);
        else
            break;
    }
    return n;
}

/* ---- operators --------------------------------------------------------------------------------
 */

static struct node *parse_unary(struct parser *p, bool with_tail) {
    bool minus = parse_is(p, TOKEN_SIGN, "-");
    struct node *n;
    if (p->depth >= JINJA_EXPRESSION)
        return parse_fail(p, BNT_E_LIMIT, "an expression nested deeper than %d", JINJA_EXPRESSION);
    p->depth++;
    if (minus || parse_is(p, TOKEN_SIGN, "+")) {
        if ((n = parse_node(p, minus ? NODE_MINUS : NODE_PLUS, p->at->line))) {
            p->at++;
            n->a = parse_unary(p, false);
            n = n->a ? parse_done(p, n) : NULL;
        }
    } else {
        n = parse_primary(p);
    }
    if (n) n = parse_postfix(p, n);
    if (n && with_tail) n = parse_tail(p, n);
    p->depth--;
    return n;
}

static struct node *binary(struct parser *p, enum node_kind kind, char op, struct node *a,
                           struct node *b, unsigned line) {
    struct node *n = a && b ? parse_node(p, kind, line) : NULL;
    if (!n) return NULL;
    n->op = op;
    n->a = a;
    n->b = b;
    return parse_done(p, n);
}

static struct node *parse_power(struct parser *p) {
    struct node *n = parse_unary(p, true);
    for (unsigned line = p->at->line; n && sign(p, "**"); line = p->at->line)
        n = binary(p, NODE_BINARY, 'p', n, parse_unary(p, true), line);
    return n;
}

static struct node *parse_product(struct parser *p) {
    struct node *n = parse_power(p);
    while (n) {
        unsigned line = p->at->line;
        char op = sign(p, "*")    ? '*'
                  : sign(p, "//") ? 'f'
                  : sign(p, "/")  ? '/'
                  : sign(p, "%")  ? '%'
                                  : 0;
        if (!op) break;
        n = binary(p, NODE_BINARY, op, n, parse_power(p), line);
    }
    return n;
}

static struct node *parse_concat(struct parser *p) {
    struct node *n = parse_product(p), *all;
    if (!n || !parse_is(p, TOKEN_SIGN, "~")) return n;
    all = parse_node(p, NODE_CONCAT, n->line);
    if (!all || !parse_add(p, all, n)) return NULL;
    while (sign(p, "~"))
        if (!(n = parse_product(p)) || !parse_add(p, all, n)) return NULL;
    return parse_done(p, all);
}

static struct node *parse_sum(struct parser *p) {
    struct node *n = parse_concat(p);
    while (n) {
        unsigned line = p->at->line;
        char op = sign(p, "+") ? '+' : sign(p, "-") ? '-' : 0;
        if (!op) break;
        n = binary(p, NODE_BINARY, op, n, parse_concat(p), line);
    }
    return n;
}

static char comparison(struct parser *p) {
    static const struct {
        const char *text;
        char op;
    } all[] = {{"==", '='}, {"!=", '!'}, {"<=", 'l'}, {">=", 'g'}, {"<", '<'}, {">", '>'}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (sign(p, all[i].text)) return all[i].op;
    if (word(p, "in")) return 'i';
    if (parse_is(p, TOKEN_NAME, "not") && p->at[1].kind == TOKEN_NAME &&
        strcmp(p->at[1].text, "in") == 0) {
        p->at += 2;
        return 'n';
    }
    return 0;
}

static struct node *parse_compare(struct parser *p) {
    struct node *n = parse_sum(p), *all = NULL;
    while (n) {
        unsigned line = p->at->line;
        char op = comparison(p);
        if (!op) break;
        if (!all && !(all = parse_node(p, NODE_COMPARE, line))) return NULL;
        if (!all->a) all->a = n;
        struct node *operand = parse_node(p, NODE_OPERAND, line);
        if (!operand || !(operand->a = parse_sum(p))) return NULL;
        operand->op = op;
        if (!parse_done(p, operand) || !parse_add(p, all, operand)) return NULL;
    }
    return n && all ? parse_done(p, all) : n;
}

static struct node *parse_not(struct parser *p) {
    unsigned line = p->at->line, nots = 0;
    while (word(p, "not")) nots++;
    struct node *n = parse_compare(p);
    for (; n && nots; nots--) {
        struct node *of = n;
        if (!(n = parse_node(p, NODE_NOT, line))) return NULL;
        n->a = of;
        n = parse_done(p, n);
    }
    return n;
}

static struct node *parse_and(struct parser *p) {
    struct node *n = parse_not(p);
    for (unsigned line = p->at->line; n && word(p, "and"); line = p->at->line)
        n = binary(p, NODE_AND, 0, n, parse_not(p), line);
    return n;
}

static struct node *parse_or(struct parser *p) {
    struct node *n = parse_and(p);
    for (unsigned line = p->at->line; n && word(p, "or"); line = p->at->line)
        n = binary(p, NODE_OR, 0, n, parse_and(p), line);
    return n;
}

struct node *parse_expression(struct parser *p, bool with_condition) {
    struct node *n;
    if (p->depth >= JINJA_EXPRESSION)
        return parse_fail(p, BNT_E_LIMIT, "an expression nested deeper than %d", JINJA_EXPRESSION);
    p->depth++;
    n = parse_or(p);
    while (n && with_condition && word(p, "if")) {
        struct node *all = parse_node(p, NODE_COND, n->line);
        if (!all || !(all->b = parse_or(p))) return NULL;
        if (word(p, "else") && !(all->c = parse_expression(p, true))) return NULL;
        all->a = n;
        n = parse_done(p, all);
    }
    p->depth--;
    return n;
}

struct node *parse_tuple(struct parser *p, bool with_condition, const char *until,
                         bool in_brackets) {
    struct node *all = NULL, *n = NULL;
    unsigned line = p->at->line;
    for (;;) {
        if (parse_is(p, TOKEN_SIGN, ")") || p->at->kind == TOKEN_BLOCK_END ||
            p->at->kind == TOKEN_PRINT_END || (until && parse_is(p, TOKEN_NAME, until)))
            break;
        if (!(n = parse_expression(p, with_condition))) return NULL;
        if (all && !parse_add(p, all, n)) return NULL;
        if (!parse_is(p, TOKEN_SIGN, ",")) break;
        if (!all && (!(all = parse_node(p, NODE_TUPLE, line)) || !parse_add(p, all, n)))
            return NULL;
        p->at++;
    }
    if (all) return parse_done(p, all);
    if (n) return n;
    return in_brackets ? parse_node(p, NODE_TUPLE, line) : parse_unexpected(p, "an expression");
}
