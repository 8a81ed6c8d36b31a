/*
 * test_jinja.c - the interpreter of chat templates: marks travel with the bytes they mark, limits
 * hold, and what is refused names its line. That it renders as Jinja does is for
 * tests/oracles/jinja.mjs.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "suite.h"
#include "value.h"

/* Renders with `user`, somebody else's, and `own`, the program's. *marks: '^' below each marked
 * byte. */
static int render(const char *source, const char *user, const struct bnt_jinja_limits *limits,
                  char text[4096], char marks[4096], struct bnt_err *err) {
    struct bnt_jinja *program;
    struct bnt_jinja_run *run;
    struct bnt_marked out = {0};
    struct jv v, own = jv_text("own");
    int status = bnt_jinja_open(&program, source, strlen(source), err);
    if (status != BNT_OK) return status;
    ck_assert(bnt_jinja_begin(&run, program, limits, err) == BNT_OK);
    ck_assert(jv_text_copy(run, user, strlen(user), true, &v));
    ck_assert(bnt_jinja_set(run, "user", &v, err) == BNT_OK);
    ck_assert(bnt_jinja_set(run, "own", &own, err) == BNT_OK);
    bnt_jinja_set_time(run, 0);
    status = bnt_jinja_render(run, &out, err);
    if (status == BNT_OK) {
        ck_assert_uint_lt(out.len, 4096);
        memcpy(text, out.text, out.len);
        for (size_t i = 0; i < out.len; i++) marks[i] = out.marks && out.marks[i] ? '^' : '.';
        text[out.len] = marks[out.len] = '\0';
    }
    bnt_jinja_end(run);
    bnt_jinja_close(program);
    return status;
}

/* ---- marks ----------------------------------------------------------------------------------- */

static const struct {
    const char *source, *text, *marks; /* with "aB c" as the user's */
} marked[] = {
    {"x{{ user }}y", "xaB cy", ".^^^^."},
    {"{{ own ~ user ~ own }}", "ownaB cown", "...^^^^..."},
    {"{{ '<' + user + '>' }}", "<aB c>", ".^^^^."},
    {"{{ user[1:] }}{{ user[::-1] }}{{ user[0] }}", "B cc Baa", "^^^^^^^^"},
    {"{{ ('1' ~ user ~ '2')[::-1] }}", "2c Ba1", ".^^^^."},
    {"{{ ('1' ~ user ~ '2')[::2] }}", "1Bc", ".^^"},
    {"{{ user | upper }}{{ user | lower }}{{ user.title() }}{{ user | capitalize }}",
     "AB Cab cAb CAb c", "^^^^^^^^^^^^^^^^"},
    {"{{ ('ss ' ~ user) | trim | title }}", "Ss Ab C", "...^^^^"},
    {"{{ (' ' ~ user ~ ' ') | trim }}", "aB c", "^^^^"},
    {"{{ user.split(' ') | join('-') }}", "aB-c", "^^.^"},
    {"{{ 'x-y' | replace('-', user) }}", "xaB cy", ".^^^^."},
    {"{{ user | replace('B', '<|>') }}", "a<|> c", "^...^^"},
    {"{{ user.replace(' ', own) }}", "aBownc", "^^...^"},
    {"{{ [user, 1] }}", "['aB c', 1]", "..^^^^....."},
    {"{{ {'k': user} | tojson }}", "{\"k\": \"aB c\"}", ".......^^^^.."},
    {"{{ (user ~ '\n' ~ own) | tojson }}", "\"aB c\\nown\"", ".^^^^......"},
    {"{{ {user: own} }}", "{'aB c': 'own'}", "..^^^^........."},
    {"{% set x %}[{{ user }}]{% endset %}{{ x }}", "[aB c]", ".^^^^."},
    {"{% macro m(a) %}({{ a }}){% endmacro %}{{ m(user) }}{{ m(own) }}", "(aB c)(own)",
     ".^^^^......"},
    {"{% filter upper %}x{{ user }}{% endfilter %}", "XAB C", ".^^^^"},
    {"{{ '%s|%5s' % (user, own) }}", "aB c|  own", "^^^^......"},
    {"{{ '{0}|{x}'.format(user, x=own) }}", "aB c|own", "^^^^...."},
    {"{{ user | indent(2, true) }}", "  aB c", "..^^^^"},
    {"{% for c in user %}{{ c }}.{% endfor %}", "a.B. .c.", "^.^.^.^."},
    {"{{ user * 2 }}", "aB caB c", "^^^^^^^^"},
    {"{{ user | length }}{{ user == 'aB c' }}{{ 'B' in user }}", "4TrueTrue", "........."},
    {"{{ ([user] | map('upper') | first) ~ own }}", "AB Cown", "^^^^..."},
    {"{{ {'a': user}.items() | list | first | last }}", "aB c", "^^^^"},
    {"{{ own | safe + user }}", "ownaB c", "...^^^^"},
    {"{{ user.partition(' ')[2] ~ user.rsplit(' ', 1)[0] }}", "caB", "^^^"},
    {"{{ user if user else own }}{{ x | default(user) }}", "aB caB c", "^^^^^^^^"},
    {"{{ user | list | sort | join }}", " aBc", "^^^^"},
    {"{{ dict(**{user: 1}) }}", "{'aB c': 1}", "..^^^^....."},
    {"{% macro m() %}{{ kwargs | list | first }}{% endmacro %}{{ m(own=1, **{}) }}{{ m(**{user: "
     "1}) }}",
     "ownaB c", "...^^^^"},
    {"{% set d = {} %}{% set _ = d.update(x=1, **{user: 1}) %}{{ d | join }}", "xaB c", ".^^^^"},
    {"{{ strftime_now('%Y') ~ user }}", "1970aB c", "....^^^^"},
};

START_TEST(marks_travel) {
    char text[4096], marks[4096];
    struct bnt_err err = {0};
    ck_assert_msg(render(marked[_i].source, "aB c", NULL, text, marks, &err) == BNT_OK, "%s: %s",
                  marked[_i].source, err.text);
    ck_assert_str_eq(text, marked[_i].text);
    ck_assert_msg(strcmp(marks, marked[_i].marks) == 0, "%s:\n  %s\n  %s", marked[_i].source, text,
                  marks);
}
END_TEST

/* Whatever a chain of filters and methods does, a byte that only the user has stays the user's. */
START_TEST(marks_travel_through_chains) {
    static const char *const steps[] = {"|upper",
                                        "|trim",
                                        "|tojson",
                                        "|string",
                                        "|replace('a','b')",
                                        "[1:]",
                                        "[::-1]",
                                        ".strip('x')",
                                        "|indent(1)",
                                        ".title()",
                                        "|list|join('<')",
                                        ".split('a')|join('|')",
                                        "|lower",
                                        "~ own",
                                        "|reverse|string",
                                        "|default(own)"};
    struct rng r = rng_stream(7, 1);
    for (unsigned n = 0; n < 3000; n++) {
        char source[400] = "{{ (own ~ user", text[4096], marks[4096];
        struct bnt_err err = {0};
        strcat(source, ")");
        for (unsigned k = 1 + rng_below(&r, 5); k; k--) {
            memmove(source + 4, source + 3, strlen(source + 3) + 1);
            source[3] = '(';
            strcat(source, steps[rng_below(&r, sizeof steps / sizeof steps[0])]);
            strcat(source, ")");
        }
        strcat(source, " }}");
        ck_assert_msg(render(source, "a\x01Z x\x01", NULL, text, marks, &err) == BNT_OK, "%s: %s",
                      source, err.text);
        for (size_t i = 0; text[i]; i++)
            if (text[i] == '\x01') ck_assert_msg(marks[i] == '^', "%s: %s", source, marks);
    }
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

static const struct {
    const char *source, *says;
} endless[] = {
    {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
     "line 1: the template "},
    {"{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", "line 1: evaluation is nested deeper"},
    {"\n{{ 'x' * 9223372036854775807 }}", "line 2: the template "},
    {"{{ [1] * 9223372036854775807 }}", "line 1: the template "},
    {"{{ '%99999s' % 1 * 1000 }}{{ 'y' * 1000000000 }}", "line 1: the template "},
    {"{% set ns = namespace(a='x' * 1000) %}{% for i in range(99999) %}{% set ns.a = ns.a + ns.a "
     "%}{% endfor %}",
     "needs more than"},
    {"{% set l = [1] %}{% set _ = l.append(l) %}{{ l }}", "nested deeper"},
    {"{% set l = [1] %}{% set _ = l.append(l) %}{{ l | tojson }}", "nested deeper"},
    {"{% set l = [1] %}{% set k = [1] %}{% set _ = l.append(k) %}{% set _ = k.append(l) %}{{ l == "
     "k }}",
     "nested deeper"},
    {"{{ range(1000000000) }}", "range: over 100000"},
    {"{{ ('a' * 5000000).rfind('a' * 2500000 ~ 'b') }}", ""},
    {"{{ ('a' * 3000000).strip('b' * 3000000) ~ ('ab' * 3000000).rsplit('ab' * 1000000) }}", ""},
    {"{{ (' ' * 3000000) | indent(1000000000) }}", "the template "},
    {"{{ 1 | tojson(indent=1000000000) }}", "the template "},
    {"{{ '1'.zfill(1000000000) }}", "the template "},
    {"{{ [1] | batch(1000000000, 'x') | list }}", "the template "},
    /* a key that is nested too deep, or of which every part is there twice */
    {"{% set ns = namespace(x=(1,)) %}{% for i in range(9999) %}{% set ns.x = (ns.x,) %}{% endfor "
     "%}"
     "{% set d = {ns.x: 1} %}",
     "nested deeper"},
    {"{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% "
     "endfor %}"
     "{{ {}[ns.x] }}",
     "the template takes more than"},
    {"{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% "
     "endfor %}"
     "{{ [ns.x, 1] | unique | list }}",
     "the template takes more than"},
#define OFTEN(head, what)                                                                          \
    head "{% for i in range(99) %}{% for j in range(9999) %}{% if " what                           \
         " %}{% endif %}{% endfor %}{% endfor %}"
    {OFTEN("{% set a = 'a' * 1000000 %}{% set b = 'a' * 1000000 %}", "a.startswith(b)"),
     "the template takes more than"},
    {OFTEN("{% set a = 'a' * 1000000 %}{% set b = 'a' * 1000000 %}", "a.removesuffix(b)"),
     "the template takes more than"},
    {OFTEN("{% set a = '\xC3\xA9' * 500000 %}", "a[-1]"), "the template takes more than"},
    {OFTEN("{% set a = ' ' * 1000000 %}", "a.lstrip()"), "the template takes more than"},
    {OFTEN("{% set a = 'b' * 1000000 %}{% set b = 'a' * 1000 ~ 'b' %}", "a.strip(b)"),
     "the template takes more than"},
    {OFTEN("{% set a = 'a' * 1000000 %}", "a is lower"), "the template takes more than"},
    {OFTEN("{% set a = ' ' * 1000000 %}", "a.isspace()"), "the template takes more than"},
    {OFTEN("{% set a = ' ' * 1000000 %}", "a | int"), "the template takes more than"},
    {OFTEN("{% set a = 'a' * 1000000 %}", "strftime_now(a)"), "the template takes more than"},
};

START_TEST(nothing_runs_without_end) {
    char text[4096], marks[4096];
    struct bnt_err err = {0};
    const struct bnt_jinja_limits limits = {.steps = 2000000, .memory = 32 << 20, .depth = 0};
    ck_assert_int_eq(render(endless[_i].source, "u", &limits, text, marks, &err), BNT_E_LIMIT);
    ck_assert_msg(strstr(err.text, endless[_i].says) != NULL, "%s", err.text);
}
END_TEST

/* Work that the limits count grows as a template or its data does, not as their square: with n
 * names, pairs or items twice as many take at most about twice the steps, and each few. */
static const char *const linear[][3] = {
    {"", "{%% set x%u = 1 %%}{{ x%u }}", ""},
    {"{% set ns = namespace() %}", "{%% set ns.x%u = 1 %%}{{ ns.x%u }}", ""},
    {"{% set d = {} %}", "{%% set _ = d.update({'k%u': 1}) %%}{{ d.k%u }}", ""},
    {"{% set d = {} %}", "{%% set _ = d.update({%u: 1}) %%}{{ d[%u] }}", ""},
    {"{{ {", "(%u, 'a'): %u, ", "} | length }}"},
    {"{% set l = [] %}", "{%% set _ = l.append(%u) %%}{{ l[%u] }}", ""},
    {"{{ [", "%u, 'x%u', ", "] | unique | list | length }}"},
    {"{{ '' ", "~ 'a%u' ~ %u", " }}"},
    {"{% if 0 %}", "{%% elif x%u == %u %%}", "{% endif %}"},
    {"{{ [", "%u, %u, ", "] | sort | length }}"},
    {"{% macro m() %}{{ kwargs | length }}{% endmacro %}{{ m(**{", "'k%u': %u,", "}) }}"},
};

static uint64_t steps_of(const char *const form[3], unsigned n) {
    size_t room = 64 * (size_t)n + 200;
    char *source = malloc(room), *at = source;
    struct bnt_jinja *program;
    struct bnt_jinja_run *run;
    struct bnt_marked out;
    struct bnt_err err = {0};
    ck_assert(source != NULL);
    at = stpcpy(at, form[0]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (unsigned i = 0; i < n; i++)
        at += snprintf(at, room - (size_t)(at - source), form[1], i, i);
#pragma GCC diagnostic pop
    at = stpcpy(at, form[2]);
    ck_assert_msg(!bnt_jinja_open(&program, source, (size_t)(at - source), &err), "%s", err.text);
    ck_assert(bnt_jinja_begin(&run, program, NULL, &err) == BNT_OK);
    ck_assert_msg(!bnt_jinja_render(run, &out, &err), "%s: %s", form[1], err.text);
    uint64_t steps = run->steps;
    bnt_jinja_end(run);
    bnt_jinja_close(program);
    free(source);
    return steps;
}

START_TEST(work_grows_as_its_cause) {
    const unsigned n = 5000;
    uint64_t once = steps_of(linear[_i], n), twice = steps_of(linear[_i], 2 * n);
    ck_assert_msg(twice < once * 9 / 4, "%s: %llu, %llu", linear[_i][1], (unsigned long long)once,
                  (unsigned long long)twice);
    ck_assert_msg(once < 60 * n, "%s: %llu", linear[_i][1], (unsigned long long)once);
}
END_TEST

static void repeat(char *out, const char *what, unsigned n) {
    for (out += strlen(out); n; n--) out = stpcpy(out, what);
}

START_TEST(nothing_nests_without_end) {
    static const char *const forms[][3] = {{"{{ ", "(", "1"},
                                           {"{{ ", "[", "1"},
                                           {"{{ ", "-", "1 }}"},
                                           {"{{ ", "not ", "1 }}"},
                                           {"{{ 1", "|abs", " }}"},
                                           {"{{ 1", "+1", " }}"},
                                           {"{{ a", "[0]", " }}"},
                                           {"{{ a", ".b", " }}"},
                                           {"{{ a", "()", " }}"},
                                           {"{{ 1", " and 1", " }}"},
                                           {"{{ 1", " if 1", " }}"},
                                           {"{{ 1", " ** 1", " }}"},
                                           {"", "{% if 1 %}", "x"},
                                           {"", "{% for a in b %}", "x"},
                                           {"{{ {1:", "{1:", "1"},
                                           {"", "{% macro m() %}", "x"},
                                           {"{{ 1", " if 1 else 1", " }}"}};
    static char source[1 << 20];
    char text[4096], marks[4096];
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct bnt_err err = {0};
        source[0] = '\0';
        repeat(source, forms[i][0], 1);
        repeat(source, forms[i][1], 20000);
        repeat(source, forms[i][2], 1);
        int status = render(source, "u", NULL, text, marks, &err);
        ck_assert_msg(status == BNT_E_LIMIT, "%s: %d %s", forms[i][1], status, err.text);
    }
}
END_TEST

/* ---- refusals -------------------------------------------------------------------------------- */

static const struct {
    const char *source;
    int status;
    const char *says;
} refused[] = {
    {"a\n{% include 'x' %}", BNT_E_UNSUPPORTED,
     "line 2: the statement 'include' is not known here"},
    {"{% extends 'x' %}", BNT_E_UNSUPPORTED, "the statement 'extends'"},
    {"{% import 'x' as y %}", BNT_E_UNSUPPORTED, "the statement 'import'"},
    {"{% block x %}{% endblock %}", BNT_E_UNSUPPORTED, "the statement 'block'"},
    {"{% do x %}", BNT_E_UNSUPPORTED, "the statement 'do'"},
    {"{% for a in b recursive %}{% endfor %}", BNT_E_UNSUPPORTED, "a recursive loop"},
    {"\n\n{{ x | urlize }}", BNT_E_UNSUPPORTED, "line 3: the filter 'urlize' is not known here"},
    {"{{ x is nosuch }}", BNT_E_UNSUPPORTED, "the test 'nosuch'"},
    /* not reached, and refused all the same, but for what stands in an `if` */
    {"a\n{% for t in [] %}{{ t | nosuch }}{% endfor %}", BNT_E_UNSUPPORTED,
     "line 2: the filter 'nosuch' is not known here"},
    {"{% for t in [] %}{{ t is nosuch }}{% endfor %}", BNT_E_UNSUPPORTED, "the test 'nosuch'"},
    {"{% macro m(a=1 | nosuch) %}{% endmacro %}", BNT_E_UNSUPPORTED, "the filter 'nosuch'"},
    {"{% macro m() %}{{ 1 | nosuch }}{% endmacro %}", BNT_E_UNSUPPORTED, "the filter 'nosuch'"},
    {"{{ x and (y is nosuch) }}", BNT_E_UNSUPPORTED, "the test 'nosuch'"},
    {"{% if 0 %}{% for t in [] %}{{ t | nosuch }}{% endfor %}{% endif %}", BNT_E_UNSUPPORTED,
     "the filter 'nosuch'"},
    {"{% if 0 %}{% filter nosuch %}{% endfilter %}{% endif %}", BNT_E_UNSUPPORTED,
     "the filter 'nosuch'"},
    {"{% if 0 %}{% elif 1 | nosuch %}{% endif %}", BNT_E_UNSUPPORTED, "the filter 'nosuch'"},
    {"{{ 1 if 1 | nosuch }}", BNT_E_UNSUPPORTED, "the filter 'nosuch'"},
    {"{% for a, in [[1]] %}{% endfor %}", BNT_E_FORMAT, "'[' where 'in' should stand"},
    {"{% set a, = [1] %}", BNT_E_FORMAT, "'=' where a name should stand"},
    {"{{ 0xor 1 }}", BNT_E_FORMAT, "'xor' where '}}' should stand"},
    {"{{ 1_a }}", BNT_E_FORMAT, "'_a' where '}}' should stand"},
    {"{{ 'a'.encode() }}", BNT_E_UNSUPPORTED, "'encode' of a str is not known here"},
    {"{{ {}.popitem() }}", BNT_E_UNSUPPORTED, "'popitem' of a dict"},
    {"{{ cycler(1) }}", BNT_E_UNSUPPORTED, "the name 'cycler'"},
    {"{{ ''.__class__ }}", BNT_E_UNSUPPORTED, "two underscores"},
    {"{{ x['__init__'] }}", BNT_E_UNSUPPORTED, "'x' is undefined"},
    {"{{ (1, 2)[0, 1] }}", BNT_E_UNSUPPORTED, "a subscript of several parts"},
    {"{{ '%(a)s' % {'a': 1} }}", BNT_E_UNSUPPORTED, "places with names"},
    {"{{ '{:>3}'.format(1) }}", BNT_E_UNSUPPORTED, "format: what stands between these braces"},
    {"{{ strftime_now('%c') }}", BNT_E_UNSUPPORTED, "strftime_now: a format"},
    {"{{ 9223372036854775807 + 1 }}", BNT_E_UNSUPPORTED, "does not fit 64 bits"},
    {"{{ 2.0**99999 }}", BNT_E_UNSUPPORTED, "a result of ** that is not finite"},
    {"{{ 2**1e300 }}", BNT_E_UNSUPPORTED, "a result of ** that is not finite"},
    {"{{ -1e300 * 1e300 }}", BNT_E_UNSUPPORTED, "a result of * that is not finite"},
    {"{{ 1.7e308 + 1.7e308 }}", BNT_E_UNSUPPORTED, "a result of + that is not finite"},
    {"{{ -1.7e308 - 1.7e308 }}", BNT_E_UNSUPPORTED, "a result of - that is not finite"},
    {"{{ 1e300 / 1e-300 }}", BNT_E_UNSUPPORTED, "a result of / that is not finite"},
    {"{{ 1e300 // 1e-300 }}", BNT_E_UNSUPPORTED, "a result of // that is not finite"},
    {"{{ ('inf' | float) % 2 }}", BNT_E_UNSUPPORTED, "a result of % that is not finite"},
    {"{{ [1e308, 1e308] | sum }}", BNT_E_UNSUPPORTED, "a result of + that is not finite"},
    {"{{ 0.0 ** -1 }}", BNT_E_UNSUPPORTED, "a power that is no real number"},
    {"{{ 1e308 | round(2, 'ceil') }}", BNT_E_UNSUPPORTED,
     "round by ceil or floor of such a number"},
    {"{{ ('inf' | float) | round(0, 'floor') }}", BNT_E_UNSUPPORTED,
     "round by ceil or floor of such"},
    {"{{ ('inf' | float) | int }}", BNT_E_UNSUPPORTED, "does not fit 64 bits"},
    {"{{ '%d' % 1e300 }}", BNT_E_UNSUPPORTED, "%d of a number that does not fit 64 bits"},
    {"{{ ('nan' | float) < 1 }}", BNT_E_UNSUPPORTED, "the order of nan"},
    {"{{ [2, 'nan' | float, 1] | sort }}", BNT_E_UNSUPPORTED, "the order of nan"},
    {"{{ 1 / 9007199254740993 }}", BNT_E_UNSUPPORTED, "/ of whole numbers beyond 2**53"},
    {"\n{{ 1e999 }}", BNT_E_FORMAT, "line 2: a number beyond 64 bits"},
    {"\n{{ raise_exception('roles\n\x1b[1m must alternate') }}", BNT_E_USAGE,
     "line 2: the template says: roles\\x0a\\x1b[1m must alternate"},
    {"{{ 1", BNT_E_FORMAT, "line 1: a tag without its end"},
    {"x\n{% if a %}", BNT_E_FORMAT, "line 2: the template ends inside of 'if', line 2"},
    {"{% endif %}", BNT_E_UNSUPPORTED, "the statement 'endif'"},
    {"{{ ) }}", BNT_E_FORMAT, "a bracket that closes none"},
    {"{{ a b }}", BNT_E_FORMAT, "'b' where '}}' should stand"},
    {"{{ 'abc }}", BNT_E_FORMAT, "a text without its end"},
    {"{# abc", BNT_E_FORMAT, "a comment without its end"},
    {"{% raw %} abc", BNT_E_FORMAT, "raw without its end"},
    {"{{ a ! b }}", BNT_E_FORMAT, "a character that means nothing here"},
    {"{{ 99999999999999999999 }}", BNT_E_FORMAT, "does not fit 64 bits"},
    {"{% break %}", BNT_E_FORMAT, "outside of a loop"},
    {"{% for loop in x %}{% endfor %}", BNT_E_FORMAT, "may not be called 'loop'"},
    {"{% set 1 = 2 %}", BNT_E_FORMAT, "where a name should stand"},
    {"{{ f(a=1, 2) }}", BNT_E_FORMAT, "may not stand behind"},
    {"{% macro m(a=1, b) %}{% endmacro %}", BNT_E_FORMAT, "without default"},
    {"{% macro m(a, a) %}{% endmacro %}", BNT_E_FORMAT, "two parameters are called 'a'"},
    {"{% macro m(caller) %}{% endmacro %}", BNT_E_UNSUPPORTED, "a parameter 'caller'"},
    {"{{ f(a=1, a=2) }}", BNT_E_FORMAT, "the argument 'a' is given twice"},
    {"{% set none = 1 %}", BNT_E_FORMAT, "nothing can be assigned to 'none'"},
    {"{% for true in x %}{% endfor %}", BNT_E_FORMAT, "nothing can be assigned to 'true'"},
    {"{% for a in [] %}{% set loop = 1 %}{% endfor %}", BNT_E_FORMAT, "inside of a loop"},
    {"{{ 012 }}", BNT_E_FORMAT, "'12' where '}}' should stand"},
    {"{{ zz | int }}", BNT_E_UNSUPPORTED, "'zz' is undefined, and no number"},
    {"{{ zz | float }}", BNT_E_UNSUPPORTED, "'zz' is undefined, and no number"},
    {"{{ dict(zz) }}", BNT_E_UNSUPPORTED, "'zz' is undefined, and no dict"},
    {"{{ {}[1:] }}", BNT_E_UNSUPPORTED, "a slice of a dict"},
    {"{{ 5[:] }}", BNT_E_UNSUPPORTED, "a slice of a int"},
    {"{{ 'a'[1:'b'] }}", BNT_E_UNSUPPORTED, "a slice by a str"},
    {"{{ [[1], [1]] | unique | list }}", BNT_E_UNSUPPORTED, "a list cannot be the key"},
    {"{{ {}.get([]) }}", BNT_E_UNSUPPORTED, "a list cannot be the key"},
    {"{{ 'a'.replace('a', new='b') }}", BNT_E_UNSUPPORTED, "'replace' has no argument 'new'"},
    {"{{ {}.get(key='a') }}", BNT_E_UNSUPPORTED, "'get' has no argument 'key'"},
    {"{{ '{}{1}'.format(1, 2) }}", BNT_E_UNSUPPORTED, "some places are numbered"},
    {"{{ self }}", BNT_E_UNSUPPORTED, "the name 'self' is not known here"},
    {"{% filter length %}x{% endfilter %}", BNT_E_UNSUPPORTED, "is a int, not a text"},
    {"{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}", BNT_E_UNSUPPORTED,
     "has no such parameter"},
};

/* What Python makes of floats at the ends of their range, and of signs. */
START_TEST(floats_are_python_s) {
    static const struct {
        const char *source, *text;
    } cases[] = {
        {"{{ 2.0 ** 1023 }} {{ 2.0 ** -99999 }} {{ 2 ** -1074 }}",
         "8.98846567431158e+307 0.0 5e-324"},
        {"{{ -1 // ('inf' | float) }} {{ 1 // ('inf' | float) }}", "-1.0 0.0"},
        {"{{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 // -2 }} {{ 7.5 % -2 }} {{ -0.0 // 2 }}",
         "-4.0 0.5 -4.0 -0.5 -0.0"},
        {"{{ 4503599627370497.0 // 1 }} {{ 1e300 // 7 % 2 }}", "4503599627370497.0 0.0"},
        {"{{ -0.5 | round(0, 'ceil') }} {{ -0.0 | round(1, 'floor') }}", "0.0 0.0"},
        {"{{ 9007199254740993 | round(1, 'ceil') }} {{ 3 | round(22, 'ceil') }}",
         "9007199254740992.0 3.0"},
        {"{{ 'inf' | float }} {{ 'nan' | float }} {{ ('nan' | float) == ('nan' | float) }}",
         "inf nan False"},
    };
    char text[4096], marks[4096];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bnt_err err = {0};
        int status = render(cases[i].source, "u", NULL, text, marks, &err);
        ck_assert_msg(status == BNT_OK, "%s: %s", cases[i].source, err.text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(refusals_name_their_line) {
    char text[4096], marks[4096];
    struct bnt_err err = {0};
    int status = render(refused[_i].source, "u", NULL, text, marks, &err);
    ck_assert_msg(status == refused[_i].status, "%s: %d %s", refused[_i].source, status, err.text);
    ck_assert_msg(strstr(err.text, refused[_i].says) != NULL, "%s: %s", refused[_i].source,
                  err.text);
    ck_assert_msg(strncmp(err.text, "line ", 5) == 0, "%s", err.text);
}
END_TEST

START_TEST(names_are_found) {
    struct bnt_jinja *program;
    static const char source[] = "{{ a.reasoning_content }}{{ b['tools'] }} thinking";
    ck_assert(bnt_jinja_open(&program, source, strlen(source), NULL) == BNT_OK);
    ck_assert(bnt_jinja_mentions(program, "reasoning_content"));
    ck_assert(bnt_jinja_mentions(program, "tools"));
    ck_assert(!bnt_jinja_mentions(program, "thinking"));
    bnt_jinja_close(program);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jinja");
    TCase *tc = tcase_create("jinja");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, marks_travel, 0, sizeof marked / sizeof marked[0]);
    tcase_add_test(tc, marks_travel_through_chains);
    tcase_add_loop_test(tc, nothing_runs_without_end, 0, sizeof endless / sizeof endless[0]);
    tcase_add_test(tc, nothing_nests_without_end);
    tcase_add_loop_test(tc, work_grows_as_its_cause, 0, sizeof linear / sizeof linear[0]);
    tcase_add_loop_test(tc, refusals_name_their_line, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(tc, floats_are_python_s);
    tcase_add_test(tc, names_are_found);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
