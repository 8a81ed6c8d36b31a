/*
 * test_schema.c - JSON schemas as grammars: what is refused and by which name and place, what a
 * model may write, and hostile sizes. What schemas mean is for tests/oracles/schemas.mjs.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "schema.h"
#include "suite.h"

/* A whole number of 309 digits that begins with these two. */
#define ZEROS_43 "0000000000000000000000000000000000000000000"
#define DIGITS_309(first)                                                                          \
    first "000000" ZEROS_43 ZEROS_43 ZEROS_43 ZEROS_43 ZEROS_43 ZEROS_43 ZEROS_43

#define DRAFT_7 "http://json-schema.org/draft-07/schema#"

static const struct bnt_schema_options strict, lenient = {true, true, true};

static int compile(const char *schema, const struct bnt_schema_options *o, struct bnt_grammar **g,
                   struct bnt_err *err) {
    return bnt_schema_compile(g, schema, strlen(schema), o, err);
}

static bool accepts(const char *schema, const struct bnt_schema_options *o, const char *text) {
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    ck_assert_msg(compile(schema, o, &g, &err) == BNT_OK, "%s: %s", schema, err.text);
    ck_assert(bnt_machine_open(&m, g, NULL) == BNT_OK);
    bnt_state s = bnt_machine_start(m);
    for (const char *p = text; *p && s != BNT_STATE_DEAD; p++) {
        s = bnt_machine_step(m, s, (uint8_t)*p);
        ck_assert(s != BNT_STATE_NONE);
    }
    bool is = bnt_machine_accepts(m, s);
    bnt_machine_close(m);
    bnt_grammar_close(g);
    return is;
}

/* ---- what is refused --------------------------------------------------------------------------
 */

static const struct {
    const char *schema;
    int status;
    const char *says;
} refusals[] = {
    {"", BNT_E_FORMAT, "schema, line 1:"},
    {"{\"type\":\"object\",\"type\":\"array\"}", BNT_E_FORMAT, "duplicate"},
    {"[]", BNT_E_FORMAT, "it is no object"},
    {"{\"not\":{}}", BNT_E_UNSUPPORTED, "schema, #: keyword 'not' is not supported"},
    {"{\"properties\":{\"a\":{\"items\":{\"contains\":2}}}}", BNT_E_UNSUPPORTED,
     "schema, #/properties/a/items: keyword 'contains'"},
    {"{\"multipleOf\":0.01}", BNT_E_UNSUPPORTED, "#/multipleOf: is possible only of whole numbers"},
    {"{\"multipleOf\":0}", BNT_E_FORMAT, "#/multipleOf: must be a number above 0"},
    {"{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":8,\"maximum\":13}", BNT_E_FORMAT,
     "no text matches"},
    {"{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"if\":{}}}}", BNT_E_UNSUPPORTED,
     "schema, #/$ref: keyword 'if'"},
    {"{\"anyOf\":[{},{\"contains\":{}}]}", BNT_E_UNSUPPORTED, "#/anyOf/1: keyword 'contains'"},
    {"{\"type\":\"strin\"}", BNT_E_FORMAT, "#/type: must be the name of a type"},
    {"{\"type\":[\"string\",7]}", BNT_E_FORMAT, "#/type"},
    {"{\"minLength\":-1}", BNT_E_FORMAT, "#/minLength: must be a count"},
    {"{\"minLength\":1.5}", BNT_E_FORMAT, "#/minLength: must be a count"},
    {"{\"minItems\":99999999}", BNT_E_LIMIT, "#/minItems"},
    {"{\"minimum\":\"1\"}", BNT_E_FORMAT, "#/minimum: must be a number"},
    {"{\"exclusiveMinimum\":true}", BNT_E_FORMAT, "#/exclusiveMinimum: must be a number"},
    {"{\"required\":true}", BNT_E_FORMAT, "#/required: must be an array of names"},
    {"{\"properties\":{\"a\":1}}", BNT_E_FORMAT, "#/properties: must be an object of schemas"},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"prefixItems\":[{}]}",
     BNT_E_UNSUPPORTED, "#/prefixItems: is not of the draft"},
    {"{\"$schema\":\"https://json-schema.org/draft/2019-09/"
     "schema\",\"anyOf\":[{\"prefixItems\":[]}]}",
     BNT_E_UNSUPPORTED, "#/anyOf/0/prefixItems: is not of the draft"},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"items\":{\"$ref\":\"#/definitions/"
     "a\","
     "\"maximum\":2},\"definitions\":{\"a\":{}}}",
     BNT_E_UNSUPPORTED, "#/items/$ref: stands beside other keywords"},
    {"{\"items\":[{}]}", BNT_E_UNSUPPORTED, "#/items: as an array is of drafts before"},
    {"{\"additionalItems\":{}}", BNT_E_UNSUPPORTED, "#/additionalItems: is of drafts before"},
    {"{\"$schema\":\"" DRAFT_7 "\",\"items\":[7]}", BNT_E_FORMAT, "#/items: must be an array of"},
    {"{\"oneOf\":[{\"type\":\"string\",\"format\":\"time\"},{\"type\":\"string\",\"pattern\":"
     "\"^22:59:60-01:00$\"}]}",
     BNT_E_UNSUPPORTED, "#/oneOf: it cannot be seen"},
    {"{\"oneOf\":[{\"type\":\"string\",\"format\":\"date-time\"},{\"const\":\"2020-01-01 "
     "00:00:00Z\"}]}",
     BNT_E_UNSUPPORTED, "#/oneOf: it cannot be seen"},
    {"{\"oneOf\":[{\"type\":\"integer\",\"format\":\"uint8\"},{\"type\":\"integer\",\"minimum\":"
     "300}]}",
     BNT_E_UNSUPPORTED, "#/oneOf: it cannot be seen"},
    {"{\"oneOf\":[{\"type\":\"number\",\"format\":\"int8\"},{\"enum\":[1.5]}]}", BNT_E_UNSUPPORTED,
     "#/oneOf: it cannot be seen"},
    {"{\"type\":\"integer\",\"multipleOf\":3,\"minimum\":10000000000000000}", BNT_E_UNSUPPORTED,
     "#/multipleOf: is written of numbers with at most 15 digits"},
    {"{\"enum\":[]}", BNT_E_FORMAT, "#/enum"},
    {"{\"format\":\"regex\"}", BNT_E_UNSUPPORTED, "#/format: 'regex' is not supported"},
    {"{\"$ref\":\"http://x/y\"}", BNT_E_UNSUPPORTED, "#/$ref"},
    {"{\"$ref\":\"#/$defs/a\"}", BNT_E_FORMAT, "there is no such schema"},
    {"{\"$ref\":\"#\"}", BNT_E_UNSUPPORTED, "refers to itself"},
    {"{\"$ref\":\"#/$defs/a%00b\",\"$defs\":{\"a\":true}}", BNT_E_FORMAT, "no such schema"},
    {"{\"$ref\":\"#/anyOf/00\",\"anyOf\":[{}]}", BNT_E_FORMAT, "no such schema"},
    {"{\"$ref\":\"#/$defs/a/$defs/b\",\"$defs\":{\"a\":{\"$id\":\"a\",\"$defs\":{\"b\":{}}}}}",
     BNT_E_UNSUPPORTED, "an $id of its own"},
    {"{\"pattern\":\"\\\\c1\"}", BNT_E_UNSUPPORTED, "an unknown escape"},
    {"{\"pattern\":\"(?<>a)\"}", BNT_E_FORMAT, "a group's name"},
    {"{\"pattern\":\"(?<1>a)\"}", BNT_E_UNSUPPORTED, "a group's name"},
    {"{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}", BNT_E_UNSUPPORTED, "refers to itself"},
    {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", BNT_E_UNSUPPORTED, "known draft"},
    {"{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"integer\"}]}", BNT_E_UNSUPPORTED,
     "#/oneOf: it cannot be seen that schemas 0 and 1"},
    {"{\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^a\"},{\"type\":\"string\",\"pattern\":\"b$\"}"
     "]}",
     BNT_E_UNSUPPORTED, "#/oneOf: it cannot be seen that schemas 0 and 1"},
    /* ours are narrower than what a reader takes for one: a text could be of both */
    {"{\"oneOf\":[{\"type\":\"string\",\"format\":\"email\"},{\"type\":\"string\",\"pattern\":\"^"
     "\\\"\"}]}",
     BNT_E_UNSUPPORTED, "#/oneOf: it cannot be seen that schemas 0 and 1"},
    {"{\"properties\":{\"a\":{}},\"propertyNames\":{\"pattern\":\"a\"}}", BNT_E_UNSUPPORTED,
     "#/propertyNames: with a pattern"},
    {"{\"type\":\"object\",\"propertyNames\":{\"anyOf\":[{\"const\":\"a\"},{\"minLength\":3}]}}",
     BNT_E_UNSUPPORTED, "#/propertyNames: with anyOf"},
    {"{\"type\":\"object\",\"propertyNames\":{\"not\":{}}}", BNT_E_UNSUPPORTED, "keyword 'not'"},
    {"{\"properties\":{\"d\":{}},\"additionalProperties\":true,\"propertyNames\":{\"maxLength\":2}"
     "}",
     BNT_E_UNSUPPORTED, "lengths beside names"},
    {"{\"propertyNames\":7}", BNT_E_FORMAT, "#/propertyNames: must be a schema"},
    {"{\"enum\":[[1]],\"items\":{\"minimum\":0}}", BNT_E_UNSUPPORTED,
     "beside a schema of the value's parts"},
    {"{\"enum\":[\"a\",\"b\"],\"pattern\":\"c\"}", BNT_E_FORMAT, "no text matches"},
    {"{\"uniqueItems\":true}", BNT_E_UNSUPPORTED, "#/uniqueItems: is possible only"},
    {"{\"uniqueItems\":true,\"items\":{\"enum\":[[9007199254740993],[9007199254740992]]}}",
     BNT_E_UNSUPPORTED, "within 2^53"},
    {"{\"enum\":[]}", BNT_E_FORMAT, "#/enum: must be an array of at least one value"},
    {"{\"uniqueItems\":1}", BNT_E_FORMAT, "#/uniqueItems: must be true or false"},
    {"{\"uniqueItems\":true,\"items\":{\"type\":\"string\"}}", BNT_E_UNSUPPORTED, "#/uniqueItems"},
    {"{\"uniqueItems\":true,\"prefixItems\":[{\"enum\":[1]}]}", BNT_E_UNSUPPORTED,
     "first elements"},
    {"{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"enum\":[1,1.0]},\"minItems\":2}",
     BNT_E_FORMAT, "no text matches"},
    {"{\"pattern\":\"a(?=b)\"}", BNT_E_UNSUPPORTED, "look-around"},
    {"{\"pattern\":\"(a)\\\\1\"}", BNT_E_UNSUPPORTED, "backreferences"},
    {"{\"pattern\":\"\\\\bx\"}", BNT_E_UNSUPPORTED, "word boundaries"},
    {"{\"pattern\":\"(^a|b)c\"}", BNT_E_UNSUPPORTED, "^ and $"},
    {"{\"pattern\":\"[z-a]\"}", BNT_E_FORMAT, "no range"},
    {"{\"pattern\":\"(a\"}", BNT_E_FORMAT, "schema, #/pattern: pattern"},
    {"{\"required\":[\"a\\u0000b\"]}", BNT_E_UNSUPPORTED, "#/required: a name with U+0000"},
    {"{\"type\":\"string\\u0000x\"}", BNT_E_FORMAT, "the name of a type"},
    {"{\"type\":[\"string\",\"null\\u0000\"]}", BNT_E_FORMAT, "the name of a type"},
    {"{\"format\":\"date\\u0000x\"}", BNT_E_UNSUPPORTED, "is not supported"},
    {"{\"$ref\":\"#/$defs/a\\u0000b\",\"$defs\":{\"a\":true}}", BNT_E_FORMAT, "U+0000"},
    {"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\\u0000zz\"}", BNT_E_UNSUPPORTED,
     "is not a known draft"},
    {"{\"pattern\":\"(a\",\"required\":[\"a\",\"b\"]}", BNT_E_FORMAT, ") was expected"},
    {"{\"pattern\":\"(?!b)a\"}", BNT_E_UNSUPPORTED, "look-around"},
    {"{\"pattern\":\"^a|^(?!b)\"}", BNT_E_UNSUPPORTED, "look-around beside |"},
    {"{\"pattern\":\"^(?=a)*b\"}", BNT_E_FORMAT, "nothing to repeat"},
    {"{\"pattern\":\"^(?!a\"}", BNT_E_FORMAT, ") was expected"},
    {"{\"pattern\":\"^(?<!b)a\"}", BNT_E_UNSUPPORTED, "look-around"},
    {"{\"pattern\":\"^(?!(?=b)a)\"}", BNT_E_UNSUPPORTED, "look-around"},
    {"{\"format\":\"date\",\"maxLength\":9,\"type\":\"string\"}", BNT_E_FORMAT, "no text matches"},
    {"{\"pattern\":\"a\",\"maxLength\":3,\"minLength\":4,\"type\":\"string\"}", BNT_E_FORMAT,
     "no text matches"},
    {"{\"type\":\"string\",\"enum\":[1,2]}", BNT_E_FORMAT,
     "no text matches it: nothing can stand at #"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"items\":{\"minLength\":2,\"maxLength\":1,"
     "\"type\":"
     "\"string\"},\"minItems\":1,\"type\":\"array\"},\"b\":{}},\"required\":[\"a\"]}",
     BNT_E_FORMAT, "nothing can stand at #/properties/a/items"},
    {"{\"type\":\"object\",\"properties\":{\"a/b~c\":{\"not\":{}}}}", BNT_E_UNSUPPORTED,
     "#/properties/a~1b~0c: keyword 'not'"},
    {"false", BNT_E_FORMAT, "no text matches"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
     BNT_E_FORMAT, "no text matches"},
    {"{\"minimum\":3,\"maximum\":2,\"type\":\"number\"}", BNT_E_FORMAT, "no text matches"},
    {"{\"y-order\":1}", BNT_E_UNSUPPORTED, "keyword 'y-order'"},
    {"{\"type\":\"string\",\"nullable\":true}", BNT_E_UNSUPPORTED, "#/nullable: is no word of"},
    {"{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":2147483648}", BNT_E_FORMAT,
     "no text matches"},
};

START_TEST(refuses_by_name_and_place) {
    struct bnt_grammar *g;
    struct bnt_err err = {0};
    int status = compile(refusals[_i].schema, &strict, &g, &err);
    ck_assert_msg(status == refusals[_i].status, "%s: %d, %s", refusals[_i].schema, status,
                  err.text);
    ck_assert_msg(strstr(err.text, refusals[_i].says) != NULL, "%s: %s", refusals[_i].schema,
                  err.text);
    ck_assert_ptr_null(g);
}
END_TEST

/* ---- what a model may write --------------------------------------------------------------------
 */

static const struct {
    const char *schema;
    const char *yes[4], *no[6];
} written[] = {
    {"{\"$schema\":\"" DRAFT_7 "\",\"type\":\"array\",\"items\":[{\"const\":1},{\"const\":2}],"
     "\"additionalItems\":{\"const\":3},\"maxItems\":4}",
     {"[]", "[1]", "[1, 2, 3]", "[1, 2, 3, 3]"},
     {"[2]", "[1, 2, 2]", "[1, 2, 3, 3, 3]"}},
    {"{\"$schema\":\"" DRAFT_7 "\",\"type\":\"array\",\"items\":{\"const\":1},\"additionalItems\":"
     "false}",
     {"[]", "[1, 1]"},
     {"[2]"}},
    {"{\"type\":\"integer\",\"format\":\"uint8\",\"maximum\":300,\"minimum\":254}",
     {"254", "255"},
     {"256", "253"}},
    {"{\"type\":\"number\",\"format\":\"int8\",\"enum\":[1,1.5,200]}", {"1"}, {"1.5", "200"}},
    {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{}},\"type\":\"object\"}",
     {"{}", "{\"a\": 1}", "{\"a\": 1, \"b\": [1, {\"x\": null}]}", "{\"b\": true}"},
     {"{\"b\": 1, \"a\": 1}", "{\"a\":1}", "{ }", "{\"c\": 1}", "{\"a\": 1.0}", "{\"a\": 1 }"}},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"null\"},"
     "\"properties\":{\"a\":{\"const\":1}}}",
     {"{\"a\": 1, \"b\": null}", "{\"ab\": null}", "{\"\": null}", "{\"b\": null, \"c\": null}"},
     {"{\"a\": null}", "{\"b\": null, \"a\": 1}", "{\"\\u0061\": null}", "{\"b\": 1}"}},
    {"{\"type\":\"string\"}",
     {"\"\"", "\"\\n\\u0001\xC3\xA9\"", "\"\\\"\\\\/\""},
     {"\"\\/\"", "\"\\u00e9\"", "\"\\u000a\"", "\"\n\"", "\"\xFF\"", "\"\\u001F\""}},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":\"x\",\"$ref\":\"#/"
     "definitions/a\","
     "\"definitions\":{\"a\":{\"const\":1}}}",
     {"1"},
     {"2"}},
    {"{\"type\":\"integer\",\"minimum\":12345678901234567890.0,\"maximum\":1."
     "2345678901234567899e19}",
     {"12345678901234567168"},
     {"12345678901234567000", "12345678901234567890"}},
    {"{\"type\":\"object\",\"properties\":{}}", {"{}"}, {"{\"a\": 1}"}},
    /* a class that no character is in: only the other branch is left */
    {"{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"a[]b{1,4}\"},{\"const\":true}]}",
     {"true"},
     {"\"\"", "\"a\"", "\"ab\"", "\"a[]b\""}},
    {"{\"type\":\"object\"}", {"{}", "{\"a\": {\"b\": [\"c\"]}}"}, {"[]", "{\"a\": }"}},
    {"{\"enum\":[{\"b\":1,\"a\":[]},1.50,1e30]}",
     {"{\"b\": 1, \"a\": []}", "1.5", "1e+30"},
     {"{\"a\": [], \"b\": 1}", "1.50"}},
    {"{\"type\":\"number\",\"exclusiveMinimum\":1.1}", /* a reader would round the first of no */
     {"1.10000000000001", "1.2", "17"},
     {"1.10000000000000000000000000061", "1.1", "1"}},
    {"{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1e18}",
     {"0.5", "12.25", "0.00000000000000001", "999999999999999872"},
     {"0", "999999999999999999", "1000000000000000000"}},
    {"{\"type\":\"number\",\"minimum\":1e308}", /* no reader has infinity for it */
     {DIGITS_309("11"), DIGITS_309("17") ".5"},
     {DIGITS_309("18"), DIGITS_309("09"), "1"}},
    {"{\"type\":\"string\",\"pattern\":\"^[\\\\w--a]$\",\"maxLength\":9007199254740991}",
     {"\"-\"", "\"a\"", "\"_\""},
     {"\"/\"", "\"\""}},
    {"{\"type\":\"string\",\"format\":\"date\",\"pattern\":\"^2\",\"allOf\":[{\"pattern\":\"1$\"}]"
     "}",
     {"\"2024-02-01\"", "\"2000-12-31\"", "\"2999-12-31\""},
     {"\"2023-02-29\"", "\"1999-12-31\"", "\"2024-02-12\"", "\"21\""}},
    {"{\"type\":[\"string\",\"null\"],\"format\":\"email\",\"maxLength\":9}",
     {"null", "\"a@b.c\"", "\"abcd@ef.g\""},
     {"\"abcd@ef.gh\"", "\"a@b\"", "\"\""}},
    {"{\"type\":\"string\",\"pattern\":\"^.*$\",\"minLength\":2,\"maxLength\":2}",
     {"\"\\\"\\\\\"", "\"\xC3\xA9\xF0\x9F\x99\x82\"", "\"a\\u0001\""},
     {"\"a\"", "\"\xC3\xA9\"", "\"\\\"\"", "\"abc\"", "\"a\\n\"", "\"\\u0001\""}},
    {"{\"enum\":[\"a\",\"bc\",\"\",\"b\\n\\\"\",7],\"pattern\":\"^b\",\"maxLength\":3}",
     {"\"bc\"", "\"b\\n\\\"\"", "7"},
     {"\"a\"", "\"\"", "\"b\"", "\"bcd\""}},
    {"{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":0,\"nullable\":false,\"x-go-name\":"
     "\"N\",\"xml\":{}}",
     {"0", "2147483647"},
     {"-1", "2147483648", "null", "1.5"}},
    {"{\"type\":[\"string\",\"integer\"],\"format\":\"uint64\"}",
     {"0", "\"12\"", "18446744073709549568"},
     {"-1", "\"x\"", "\"01\"", "\"\"", "18446744073709551616"}},
    {"{\"type\":[\"string\",\"number\"],\"format\":\"double\"}",
     {"\"-1.5\"", "1e30", "-0.25"},
     {"\"x\"", "\"1.\""}},
    {"{\"type\":\"object\",\"propertyNames\":{\"type\":\"string\"},\"additionalProperties\":{"
     "\"type\":\"null\"}}",
     {"{}", "{\"a\": null, \"\": null}"},
     {"{\"a\": 1}", "{1: null}"}},
    {"{\"type\":\"object\",\"propertyNames\":{\"$ref\":\"#/$defs/"
     "c\"},\"additionalProperties\":{\"type\":\"null\"},"
     "\"required\":[\"b\"],\"$defs\":{\"c\":{\"enum\":[\"a\",\"b\",3]}}}",
     {"{\"b\": null}", "{\"b\": null, \"a\": null}"},
     {"{}", "{\"a\": null}", "{\"b\": null, \"c\": null}", "{\"b\": null, \"b\": null}"}},
    {"{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-z]$\"},\"additionalProperties\":{"
     "\"type\":\"null\"}}",
     {"{}", "{\"a\": null, \"z\": null}"},
     {"{\"ab\": null}", "{\"\": null}"}},
    {"{\"additionalProperties\":false,\"type\":\"object\",\"properties\":{\"abc\":{},\"d\":{"
     "\"const\":1}},\"propertyNames\":{"
     "\"maxLength\":2}}",
     {"{}", "{\"d\": 1}"},
     {"{\"abc\": 1}", "{\"e\": 1}", "{\"d\": 2}"}},
    {"{\"type\":\"object\",\"propertyNames\":false}", {"{}"}, {"{\"a\": 1}"}},
    {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"propertyNames\":{\"const\":\"a\"},"
     "\"required\":[\"b\"]}]}",
     {"null"},
     {"{}", "{\"a\": 1}", "{\"b\": 1}"}},
    /* a model comes to an end of a number: 18 digits before the point and 17 behind, or a bound's
     */
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
     {"0.12345678901234567", "1", "0.5", "1.00000000000000000"},
     {"0.123456789012345678", "1.1", "1.000000000000000000"}},
    {"{\"type\":\"integer\"}",
     {"-123456789012345678", "0"},
     {"1234567890123456789", "-1234567890123456789"}},
    {"{\"type\":\"integer\",\"minimum\":12345678901234567890.0}",
     {"12345678901234567168", "99999999999999999999"},
     {"123456789012345671680", "12345678901234567167"}},
    {"{\"type\":\"number\"}",
     {"-1.5", "123456789012345678.12345678901234567", "1.5e+30"},
     {"1.123456789012345678", "1234567890123456789.5", "1e400"}},
    {"{\"type\":\"string\",\"format\":\"uuid4\"}",
     {"\"123e4567-e89b-42d3-a456-426614174000\""},
     {"\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567-e89b-42d3-c456-426614174000\""}},
    {"{\"type\":\"string\",\"format\":\"starts_with\",\"pattern\":\"^ab.*\"}",
     {"\"ab\"", "\"abc\""},
     {"\"a\"", "\"bab\""}},
    {"{\"type\":\"string\",\"format\":\"lowercase\"}", {"\"\"", "\"a1\""}, {"\"aB\""}},
    {"{\"type\":\"number\",\"format\":\"int8\"}", {"7", "-128"}, {"7.5", "128"}},
    {"{\"type\":\"string\",\"format\":\"password\"}", {"\"\"", "\"a\\\\b\""}, {"7"}},
    {"{\"type\":\"string\",\"format\":\"byte\"}", {"\"\"", "\"aGk=\""}, {"\"aGk\"", "\"-\""}},
    {"{\"discriminator\":{\"propertyName\":\"k\",\"mapping\":{\"a\":\"#/$defs/"
     "a\"}},\"oneOf\":[{\"$ref\":"
     "\"#/$defs/"
     "a\"},{\"type\":\"null\"}],\"$defs\":{\"a\":{\"properties\":{\"k\":{\"const\":\"a\"}},"
     "\"required\":[\"k\"],\"type\":\"object\"}}}",
     {"{\"k\": \"a\"}", "null"},
     {"{}", "{\"k\": \"b\"}"}},
    {"{\"type\":\"array\",\"uniqueItems\":true,\"minItems\":1,\"items\":{\"$ref\":\"#/$defs/c\"},"
     "\"$defs\":{\"c\":{\"enum\":[\"a\",\"ab\",3,3.0]}}}",
     {"[\"ab\", \"a\"]", "[\"a\", \"ab\", 3]", "[3]"},
     {"[\"a\", \"a\"]", "[3, \"a\", 3]", "[]", "[\"b\"]"}},
    {"{\"type\":\"integer\",\"multipleOf\":7}",
     {"0", "-7", "700", "999999999999994"},
     {"1", "-8", "7.5", "70000000000000000"}},
    {"{\"type\":\"number\",\"multipleOf\":15,\"minimum\":-30,\"exclusiveMaximum\":60}",
     {"-30", "0", "45"},
     {"-45", "60", "5", "7.5"}},
    {"{\"allOf\":[{\"multipleOf\":4},{\"multipleOf\":6.0}],\"type\":\"integer\"}",
     {"12", "0", "-24"},
     {"4", "6", "-18"}},
    {"{\"enum\":[1,5,10,\"5\"],\"multipleOf\":5}", {"5", "10", "\"5\""}, {"1"}},
    {"{\"type\":\"array\",\"uniqueItems\":true,\"maxItems\":1,\"items\":{\"type\":\"boolean\"}}",
     {"[]", "[true]"},
     {"[true, false]"}},
    {"{\"const\":\"2024-02-29\",\"format\":\"date\"}", {"\"2024-02-29\""}, {"\"2024-02-28\""}},
    {"{\"oneOf\":[{\"type\":\"string\",\"format\":\"date\"},{\"type\":\"string\",\"format\":\"date-"
     "time\"},"
     "{\"type\":\"string\",\"pattern\":\"^[a-c]+$\",\"maxLength\":3}]}",
     {"\"2024-02-29\"", "\"2024-02-29T00:00:00Z\"", "\"abc\""},
     {"\"abca\"", "\"\"", "\"2024-02-30\""}},
    {"{\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^a\",\"maxLength\":2},"
     "{\"type\":\"string\",\"pattern\":\"^a\",\"minLength\":3}]}",
     {"\"a\"", "\"ab\"", "\"abc\""},
     {"\"b\"", "\"\""}},
    {"{\"type\":\"string\",\"format\":\"date\"}",
     {"\"2024-02-29\"", "\"2000-02-29\"", "\"1999-12-31\"", "\"0004-02-29\""},
     {"\"2023-02-29\"", "\"1900-02-29\"", "\"2024-13-01\"", "\"2024-04-31\"", "\"0000-01-01\""}},
    {"{\"type\":\"string\",\"format\":\"date-time\"}",
     {"\"2024-02-29T23:59:59Z\"", "\"2024-02-29T00:00:00.123456789+01:00\""},
     {"\"2024-02-29t00:00:00Z\"", "\"2024-02-29T00:00:00z\"", "\"2024-12-31T23:59:60Z\"",
      "\"2024-02-29T00:00:00.1234567890Z\""}},
};

START_TEST(models_write_one_form) {
    size_t i = (size_t)_i;
    for (size_t k = 0; k < 4 && written[i].yes[k]; k++) {
        ck_assert_msg(accepts(written[i].schema, &strict, written[i].yes[k]), "%s: not %s",
                      written[i].schema, written[i].yes[k]);
        ck_assert_msg(accepts(written[i].schema, &lenient, written[i].yes[k]), "%s: not %s",
                      written[i].schema, written[i].yes[k]);
    }
    for (size_t k = 0; k < 6 && written[i].no[k]; k++)
        ck_assert_msg(!accepts(written[i].schema, &strict, written[i].no[k]), "%s: %s",
                      written[i].schema, written[i].no[k]);
}
END_TEST

/* Whatever it says, no instance comes to it. */
START_TEST(what_nothing_reaches_is_not_looked_at) {
    static const char *const schemas[] = {
        "{\"type\":\"null\",\"$defs\":{\"a\":{\"not\":{},\"type\":7}}}",
        "{\"type\":\"null\",\"properties\":{\"a\":{\"not\":{}}}}",
        "{\"type\":\"null\",\"pattern\":\"(\"}",
        "{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"maxItems\":1,\"minItems\":1,"
        "\"prefixItems\":"
        "[true],\"items\":false}],\"definitions\":{\"b\":{\"$ref\":\"#/nowhere\"}}}",
    };
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        ck_assert_msg(accepts(schemas[i], &strict, "null"), "%s", schemas[i]);
        ck_assert_msg(!accepts(schemas[i], &strict, "{}"), "%s", schemas[i]);
    }
}
END_TEST

/* ---- hostile sizes ----------------------------------------------------------------------------
 */

static int compile_repeated(const char *open, const char *middle, const char *close, size_t n) {
    size_t lo = strlen(open), lc = strlen(close), at = 0;
    char *text = malloc(n * (lo + lc) + strlen(middle) + 1);
    struct bnt_grammar *g;
    struct bnt_err err = {0};
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++, at += lo) memcpy(text + at, open, lo);
    strcpy(text + at, middle);
    at += strlen(middle);
    for (size_t i = 0; i < n; i++, at += lc) memcpy(text + at, close, lc);
    int status = bnt_schema_compile(&g, text, at, &strict, &err);
    ck_assert(status == BNT_OK || err.text[0]);
    bnt_grammar_close(g);
    free(text);
    return status;
}

static void many_members(const char *begin, const char *each, const char *end) {
    enum { MANY = 200000, ROOM = 20 };
    struct bnt_grammar *g = NULL;
    struct bnt_err err = {0};
    char *text = malloc((size_t)MANY * ROOM + 100), *at = text;
    ck_assert_ptr_nonnull(text);
    at += sprintf(at, "%s", begin);
    for (int i = 0; i < MANY; i++) at += sprintf(at, each, i); /* NOLINT */
    sprintf(at, "%s", end);
    ck_assert_int_eq(compile(text, &strict, &g, &err), BNT_E_LIMIT);
    ck_assert_msg(strstr(err.text, "an object of more than 4096 members"), "%s", err.text);
    free(text);
}

/* `count` times `each` with a comma between, whose %d is the number. */
static char *many(char *at, int count, const char *each) {
    for (int i = 0; i < count; i++) {
        if (i) *at++ = ',';
        at += sprintf(at, each, i); /* NOLINT */
    }
    return at;
}

/* What grows with the square of a schema is counted, and ends before memory or time do. */
START_TEST(squares_end) {
    static const struct {
        const char *begin, *first;
        int n_first;
        const char *middle, *second;
        int n_second;
        const char *end;
    } cases[] = {
        {"{\"allOf\":[", "{}", 60000, "],\"anyOf\":[", "{}", 4000, "]}"},
        {"{\"allOf\":[", "{}", 100000, "],\"x\":[", "%d", 1, "]}"},
        {"{\"allOf\":[{\"enum\":[", "%d", 40000, "]},{\"enum\":[", "%d", 40000, "]}]}"},
        {"{\"oneOf\":[{\"enum\":[", "%d", 40000, "]},{\"enum\":[", "-%d", 40000, "]}]}"},
        {"{\"oneOf\":[{\"type\":\"object\",\"required\":[", "\"a%d\"", 10000,
         "]},{\"type\":\"object\",\"required\":[", "\"b%d\"", 10000, "]}]}"},
    };
    char *text = malloc(1 << 21);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bnt_grammar *g = NULL;
        struct bnt_err err = {0};
        char *at = text + sprintf(text, "%s", cases[i].begin);
        at = many(at, cases[i].n_first, cases[i].first);
        at += sprintf(at, "%s", cases[i].middle);
        at = many(at, cases[i].n_second, cases[i].second);
        sprintf(at, "%s", cases[i].end);
        ck_assert_int_eq(compile(text, &strict, &g, &err), BNT_E_LIMIT);
        ck_assert_msg(strstr(err.text, "too many steps"), "%zu: %s", i, err.text);
    }
    free(text);
}
END_TEST

START_TEST(hostile_sizes_end) {
    ck_assert(compile_repeated("{\"items\":", "{}", "}", 100) == BNT_OK);
    ck_assert(compile_repeated("{\"items\":", "{}", "}", 100000) == BNT_E_FORMAT);
    ck_assert(compile_repeated("{\"allOf\":[", "{}", "]}", 500) == BNT_OK);
    ck_assert(compile_repeated("{\"anyOf\":[{},", "{}", "]}", 500) != BNT_E_NOMEM);
    ck_assert(compile_repeated("{\"enum\":[[", "1", "]]}", 1) == BNT_OK);
    ck_assert(compile_repeated("[", "1", "]", 1000) == BNT_E_FORMAT);
    /* two to the n combinations */
    char text[16384] = "{\"allOf\":[", *p = text + strlen(text);
    for (unsigned i = 0; i < 20; i++)
        p +=
            sprintf(p, "%s{\"anyOf\":[{\"minLength\":%u},{\"maxLength\":%u}]}", i ? "," : "", i, i);
    strcpy(p, "]}");
    struct bnt_grammar *g;
    struct bnt_err err = {0};
    ck_assert(compile(text, &strict, &g, &err) == BNT_E_LIMIT);
    ck_assert_msg(strstr(err.text, "combinations") != NULL, "%s", err.text);
    ck_assert(compile("{\"pattern\":\"((((a{500}){500}){500}){500})\"}", &strict, &g, &err) ==
              BNT_OK);
    bnt_grammar_close(g);
    ck_assert(compile("{\"pattern\":\"(a?){60000}\"}", &strict, &g, &err) == BNT_E_LIMIT);
    many_members("{\"properties\":{", "\"p%d\":true,", "\"p\":true}}"); /* 200,000 of them */
    many_members("{\"required\":[", "\"p%d\",", "\"p\"]}");
}
END_TEST

/* Only choices are counted as combinations: members and parts without one are as many as they may.
 */
START_TEST(large_ones_compile) {
    static const char inner[] = "\"m%d\":{\"type\":\"integer\"}";
    static const char outer[] = "\"o%d\":{\"type\":\"object\",\"properties\":{";
    struct bnt_grammar *g;
    struct bnt_err err = {0};
    char *text = malloc(1 << 20), *at = text;
    ck_assert_ptr_nonnull(text);
    at += sprintf(at, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 64; i++) {
        at += sprintf(at, outer, i);
        at = many(at, 64, inner);
        at += sprintf(at, "}}%s", i < 63 ? "," : "}}");
    }
    ck_assert_msg(compile(text, &strict, &g, &err) == BNT_OK, "%s", err.text);
    bnt_grammar_close(g);
    at = text + sprintf(text, "{\"type\":\"object\",\"properties\":{");
    at = many(at, 4096, inner);
    sprintf(at, "}}");
    ck_assert_msg(compile(text, &strict, &g, &err) == BNT_OK, "%s", err.text);
    bnt_grammar_close(g);
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schema");
    TCase *tc = tcase_create("schema");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, refuses_by_name_and_place, 0, sizeof refusals / sizeof *refusals);
    tcase_add_loop_test(tc, models_write_one_form, 0, sizeof written / sizeof *written);
    tcase_add_test(tc, what_nothing_reaches_is_not_looked_at);
    tcase_add_test(tc, squares_end);
    tcase_add_test(tc, hostile_sizes_end);
    tcase_add_test(tc, large_ones_compile);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
