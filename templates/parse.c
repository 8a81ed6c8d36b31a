/*
 * parse.c - statements: a template's source as a tree (ast.h).
 *
 * A statement that chat templates do not have is refused here, by its name: what loads or inherits
 * other templates, and what extensions add.
 */
#include <stdlib.h>
#include <string.h>

#include "ast.h"

/* Up to one of the words `ends` (NULL-terminated), whose tag has begun and which is not taken. */
static struct node *parse_body(struct parser *p, const char *const *ends, const char *of);

/* A body, and its last tag's end word and `%}`. */
static struct node *parse_to(struct parser *p, const char *end, const char *of) {
    const char *const ends[] = {end, NULL};
    struct node *n = parse_body(p, ends, of);
    if (!n) return NULL;
    p->at++;
    return n;
}

static bool tag_end(struct parser *p) {
    return parse_need(p, TOKEN_BLOCK_END, NULL);
}

static struct node *name_node(struct parser *p) {
    struct node *n = parse_named(p, p->at->text, p->at->line);
    return n && parse_need(p, TOKEN_NAME, NULL) && parse_can_assign(p, n->name) ? n : NULL;
}

/* What can be assigned to: a name, name.attribute, or several with commas, in brackets or not. */
static struct node *parse_target(struct parser *p, bool with_namespace) {
    struct node *first = NULL, *all = NULL;
    unsigned line = p->at->line;
    bool brackets = parse_take(p, TOKEN_SIGN, "(");
    for (;;) {
        struct node *n = name_node(p);
        if (!n) return NULL;
        if (with_namespace && parse_take(p, TOKEN_SIGN, ".")) {
            struct node *of = n;
            if (!(n = parse_node(p, NODE_ATTR, of->line))) return NULL;
            n->a = of;
            n->name = p->at->text;
            if (!parse_need(p, TOKEN_NAME, NULL) || !parse_done(p, n)) return NULL;
        }
        if (all && !parse_add(p, all, n)) return NULL;
        if (!first) first = n;
        if (!parse_take(p, TOKEN_SIGN, ",")) break;
        if (!all && (!(all = parse_node(p, NODE_TUPLE, line)) || !parse_add(p, all, first)))
            return NULL;
        if (parse_is(p, TOKEN_SIGN, ")")) break;
    }
    if (brackets && !parse_need(p, TOKEN_SIGN, ")")) return NULL;
    return all ? parse_done(p, all) : first;
}

static struct node *parse_for(struct parser *p, unsigned line) {
    static const char *const ends[] = {"endfor", "else", NULL};
    struct node *n = parse_node(p, NODE_FOR, line), *target, *over, *test = NULL;
    if (!n || !(target = parse_target(p, false)) || !parse_need(p, TOKEN_NAME, "in") ||
        !(over = parse_tuple(p, false, "recursive", false)))
        return NULL;
    if (target->kind == NODE_NAME && strcmp(target->name, "loop") == 0)
        return parse_fail(p, BNT_E_FORMAT, "the variable of a loop may not be called 'loop'");
    if (parse_take(p, TOKEN_NAME, "if") && !(test = parse_expression(p, true))) return NULL;
    if (parse_is(p, TOKEN_NAME, "recursive"))
        return parse_fail(p, BNT_E_UNSUPPORTED, "a recursive loop is not known here");
    p->loops++;
    p->fors++;
    if (!tag_end(p) || !(n->a = parse_body(p, ends, "for"))) return NULL;
    p->loops--;
    bool more = parse_is(p, TOKEN_NAME, "else");
    p->at++;
    if (more && (!tag_end(p) || !(n->b = parse_to(p, "endfor", "for")))) return NULL;
    p->fors--;
    if (!parse_add(p, n, target) || !parse_add(p, n, over) || !parse_add(p, n, test)) return NULL;
    return parse_done(p, n);
}

static struct node *parse_if(struct parser *p, unsigned line) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct node *first = parse_node(p, NODE_IF, line), *n = first;
    while (n) {
        if (!(n->a = parse_tuple(p, false, NULL, false)) || !tag_end(p) ||
            !(n->b = parse_body(p, ends, "if")) || !parse_done(p, n))
            return NULL;
        if (n->depth > first->depth) first->depth = n->depth;
        line = p->at->line;
        if (parse_take(p, TOKEN_NAME, "elif")) {
            n = n->c = parse_node(p, NODE_IF, line); /* depth is counted without: a chain is flat */
            continue;
        }
        if (parse_take(p, TOKEN_NAME, "else")) {
            if (!tag_end(p) || !(n->c = parse_to(p, "endif", "if"))) return NULL;
            if (n->c->depth >= first->depth) first->depth = n->c->depth + 1;
        } else {
            p->at++;
        }
        return first;
    }
    return NULL;
}

static struct node *parse_set(struct parser *p, unsigned line) {
    struct node *n = parse_node(p, NODE_SET, line);
    if (!n || !(n->a = parse_target(p, true))) return NULL;
    if (parse_take(p, TOKEN_SIGN, "=")) {
        n->b = parse_tuple(p, true, NULL, false);
        return n->b ? parse_done(p, n) : NULL;
    }
    n->kind = NODE_SET_BLOCK;
    if (n->a->kind == NODE_TUPLE) return parse_unexpected(p, "'='");
    if (parse_is(p, TOKEN_SIGN, "|") && !(n->b = parse_filters(p, NULL, false))) return NULL;
    if (!tag_end(p) || !(n->c = parse_to(p, "endset", "set"))) return NULL;
    return parse_done(p, n);
}

static bool parse_parameter(struct parser *p, const struct node *macro, const char *name) {
    static const char *const special[] = {"caller", "varargs", "kwargs"};
    if (!parse_can_assign(p, name)) return false;
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if (strcmp(name, special[i]) == 0)
            parse_fail(p, BNT_E_UNSUPPORTED, "a parameter '%s' is not known here", name);
    if (macro->n == JINJA_NAMES) parse_fail(p, BNT_E_LIMIT, "over %d parameters", JINJA_NAMES);
    for (size_t i = 0; i < macro->n; i++)
        if (strcmp(name, macro->list[i]->name) == 0)
            parse_fail(p, BNT_E_FORMAT, "two parameters are called '%.40s'", name);
    return p->err->status == BNT_OK;
}

/* "(a, b=1)", into the macro's list. */
static bool parse_parameters(struct parser *p, struct node *macro) {
    bool defaults = false;
    if (!parse_need(p, TOKEN_SIGN, "(")) return false;
    while (!parse_take(p, TOKEN_SIGN, ")")) {
        if (macro->n && !parse_need(p, TOKEN_SIGN, ",")) return false;
        struct node *arg = parse_node(p, NODE_ARG, p->at->line);
        if (!arg) return false;
        arg->name = p->at->text;
        if (!parse_need(p, TOKEN_NAME, NULL) || !parse_parameter(p, macro, arg->name)) return false;
        if (parse_take(p, TOKEN_SIGN, "=")) {
            defaults = true;
            if (!(arg->a = parse_expression(p, true)) || !parse_done(p, arg)) return false;
        } else if (defaults) {
            parse_fail(p, BNT_E_FORMAT, "a parameter without default behind one that has one");
            return false;
        }
        if (!parse_add(p, macro, arg)) return false;
    }
    return true;
}

/* The rest of a macro, or of the body of a call: loops around it end at its edge. */
static struct node *parse_macro_body(struct parser *p, struct node *n, const char *end,
                                     const char *of) {
    struct node *around = p->macro;
    unsigned loops = p->loops;
    p->macro = n;
    p->loops = 0;
    if (!tag_end(p) || !(n->a = parse_to(p, end, of))) return NULL;
    p->macro = around;
    if (around) { /* what a macro inside reads, it reads itself */
        around->varargs |= n->varargs;
        around->kwargs |= n->kwargs;
        around->caller |= n->caller;
    }
    p->loops = loops;
    return parse_done(p, n);
}

static struct node *parse_macro(struct parser *p, unsigned line) {
    struct node *n = parse_node(p, NODE_MACRO, line);
    if (!n) return NULL;
    n->name = p->at->text;
    if (!parse_need(p, TOKEN_NAME, NULL) || !parse_can_assign(p, n->name) ||
        !parse_parameters(p, n))
        return NULL;
    return parse_macro_body(p, n, "endmacro", "macro");
}

static struct node *parse_call_block(struct parser *p, unsigned line) {
    struct node *n = parse_node(p, NODE_CALL_BLOCK, line), *body = parse_node(p, NODE_MACRO, line);
    if (!n || !body) return NULL;
    body->name = "caller";
    if (parse_is(p, TOKEN_SIGN, "(") && !parse_parameters(p, body)) return NULL;
    if (!(n->a = parse_expression(p, true))) return NULL;
    if (n->a->kind != NODE_CALL) return parse_unexpected(p, "a call");
    n->b = parse_macro_body(p, body, "endcall", "call");
    return n->b ? parse_done(p, n) : NULL;
}

static struct node *parse_filter_block(struct parser *p, unsigned line) {
    struct node *n = parse_node(p, NODE_FILTER_BLOCK, line);
    if (!n || !(n->b = parse_filters(p, NULL, true)) || !tag_end(p) ||
        !(n->c = parse_to(p, "endfilter", "filter")))
        return NULL;
    return parse_done(p, n);
}

static struct node *parse_with(struct parser *p, unsigned line) {
    struct node *n = parse_node(p, NODE_WITH, line), *target, *value;
    while (n && p->at->kind != TOKEN_BLOCK_END) {
        if (n->n && !parse_need(p, TOKEN_SIGN, ",")) return NULL;
        if (!(target = name_node(p)) || !parse_need(p, TOKEN_SIGN, "=") ||
            !(value = parse_expression(p, true)) || !parse_add(p, n, target) ||
            !parse_add(p, n, value))
            return NULL;
    }
    if (!n || !tag_end(p) || !(n->a = parse_to(p, "endwith", "with"))) return NULL;
    return parse_done(p, n);
}

static struct node *parse_generation(struct parser *p, unsigned line) {
    struct node *n = parse_node(p, NODE_SCOPE, line);
    unsigned loops = p->loops;
    p->loops = 0; /* in transformers it is a function of its own */
    if (!n || !tag_end(p) || !(n->a = parse_to(p, "endgeneration", "generation"))) return NULL;
    p->loops = loops;
    return parse_done(p, n);
}

static struct node *parse_jump(struct parser *p, unsigned line, enum node_kind kind) {
    if (p->loops == 0) return parse_fail(p, BNT_E_FORMAT, "break or continue outside of a loop");
    return parse_node(p, kind, line);
}

/* Behind `{%`; the tag's end as well. */
static struct node *parse_statement(struct parser *p) {
    char shown[40];
    unsigned line = p->at->line;
    const struct token *t = p->at;
    struct node *n;
    if (t->kind != TOKEN_NAME) return parse_unexpected(p, "the name of a statement");
    p->at++;
    if (strcmp(t->text, "for") == 0)
        n = parse_for(p, line);
    else if (strcmp(t->text, "if") == 0)
        n = parse_if(p, line);
    else if (strcmp(t->text, "set") == 0)
        n = parse_set(p, line);
    else if (strcmp(t->text, "macro") == 0)
        n = parse_macro(p, line);
    else if (strcmp(t->text, "call") == 0)
        n = parse_call_block(p, line);
    else if (strcmp(t->text, "filter") == 0)
        n = parse_filter_block(p, line);
    else if (strcmp(t->text, "with") == 0)
        n = parse_with(p, line);
    else if (strcmp(t->text, "generation") == 0)
        n = parse_generation(p, line);
    else if (strcmp(t->text, "break") == 0)
        n = parse_jump(p, line, NODE_BREAK);
    else if (strcmp(t->text, "continue") == 0)
        n = parse_jump(p, line, NODE_CONTINUE);
    else {
        p->at--;
        return parse_fail(p, BNT_E_UNSUPPORTED, "the statement '%s' is not known here",
                          bnt_printable(shown, sizeof shown, t->text, t->len));
    }
    return n && tag_end(p) ? n : NULL;
}

static struct node *parse_print(struct parser *p) {
    struct node *n = parse_node(p, NODE_PRINT, p->at->line);
    if (!n || !(n->a = parse_tuple(p, true, NULL, false)) || !parse_need(p, TOKEN_PRINT_END, NULL))
        return NULL;
    return parse_done(p, n);
}

static bool is_one_of(const struct token *t, const char *const *words) {
    for (; t->kind == TOKEN_NAME && *words; words++)
        if (strcmp(t->text, *words) == 0) return true;
    return false;
}

static struct node *parse_body(struct parser *p, const char *const *ends, const char *of) {
    struct node *body = parse_node(p, NODE_BODY, p->at->line);
    unsigned began = p->at->line;
    if (p->depth >= JINJA_BLOCKS)
        return parse_fail(p, BNT_E_LIMIT, "blocks nested deeper than %d", JINJA_BLOCKS);
    p->depth++;
    while (body) {
        struct node *n = NULL;
        if (p->at->kind == TOKEN_END) {
            if (!ends) break;
            return parse_fail(p, BNT_E_FORMAT, "the template ends inside of '%s', line %u", of,
                              began);
        }
        if (p->at->kind == TOKEN_DATA) {
            if ((n = parse_node(p, NODE_CONST, p->at->line)))
                n->value = jv_marked((struct bnt_marked){p->at->text, NULL, p->at->len});
            p->at++;
        } else if (parse_take(p, TOKEN_PRINT_BEGIN, NULL)) {
            n = parse_print(p);
        } else {
            p->at++;
            if (ends && is_one_of(p->at, ends)) break;
            n = parse_statement(p);
        }
        if (!n || !parse_add(p, body, n)) return NULL;
    }
    p->depth--;
    return body ? parse_done(p, body) : NULL;
}

int bnt_jinja_open(struct bnt_jinja **out, const char *source, size_t len, struct bnt_err *err) {
    struct bnt_err own = {0};
    struct bnt_jinja *program = calloc(1, sizeof *program);
    *out = NULL;
    if (!program) return bnt_fail_nomem(err, "a template", sizeof *program);
    program->arena.limit = (size_t)JINJA_PROGRAM_MIB << 20;
    int status = lex_source(&program->tokens, source, len, &program->arena, &own);
    if (status == BNT_OK) {
        struct parser p = {.program = program, .at = program->tokens.at, .err = &own};
        program->body = parse_body(&p, NULL, "");
        if (program->body && parse_known(&p, program->body)) parse_names(&p, program->body);
        status = own.status;
    }
    if (status == BNT_OK) {
        *out = program;
        return BNT_OK;
    }
    bnt_jinja_close(program);
    return bnt_fail(err, status, "%s", own.text);
}

void bnt_jinja_close(struct bnt_jinja *program) {
    if (!program) return;
    arena_free(&program->arena);
    free(program);
}

bool bnt_jinja_mentions(const struct bnt_jinja *program, const char *name) {
    for (size_t i = 0; i < program->tokens.n; i++) {
        const struct token *t = &program->tokens.at[i];
        if ((t->kind == TOKEN_NAME || t->kind == TOKEN_TEXT) && strcmp(t->text, name) == 0)
            return true;
    }
    return false;
}

bool bnt_jinja_literal(const struct bnt_jinja *program, size_t i, const char **text, size_t *len) {
    *len = 0;
    if (i >= program->tokens.n) return false;
    const struct token *t = &program->tokens.at[i];
    if (t->kind != TOKEN_TEXT && t->kind != TOKEN_DATA) return true;
    *text = t->text;
    *len = t->len;
    return true;
}
