/*
 * check.c - is this JSON a receipt? Structure only: names, types, ranges, lengths that must agree.
 *
 * Receipts come from strangers. The one idea: one table says for each object which members it has
 * and what each must look like; whatever the table does not name is refused, as is whatever it
 * names and the object lacks. schema.json says the same for other programs.
 */
#include <string.h>

#include "read.h"
#include "run/logprob.h"
#include "run/sample.h"

enum kind {
    END, /* of a table */
    BOOL,
    NOTHING, /* null */
    INTEGER, /* lo .. hi */
    TEXT,    /* any */
    NAME,    /* one of `words`, separated by spaces; without words: not empty */
    HEX,     /* lo digits, lower case */
    HASH,    /* 64 digits, or none */
    DECIMAL, /* an unsigned 64-bit number as text */
    TIME,    /* 2026-01-31T23:59:59Z */
    DAY,     /* 2026-01-31, or empty */
    OBJECT,  /* of `members` */
    LIST,    /* of what members[0] says; at least lo */
    MAP,     /* any names of a-z A-Z 0-9 _ . with values as members[0] says */
};

struct field {
    const char *name;
    enum kind kind;
    json_int_t lo, hi;
    const char *words;
    const struct field *members;
    bool optional;
};

#define MOST ((json_int_t)1 << 53) /* what every JSON reader takes exactly */
#define ID_MOST 2147483647
#define COUNT(key)                                                                                 \
    { .name = (key), .kind = INTEGER, .hi = MOST }
#define UINT32(key)                                                                                \
    { .name = (key), .kind = INTEGER, .hi = UINT32_MAX }
#define FLAG(key)                                                                                  \
    { .name = (key), .kind = BOOL }
#define ANY(key)                                                                                   \
    { .name = (key), .kind = TEXT }
#define WORD(key, w)                                                                               \
    { .name = (key), .kind = NAME, .words = (w) }
#define HASH_OF(key)                                                                               \
    { .name = (key), .kind = HEX, .lo = 64 }
#define FLOAT(key)                                                                                 \
    { .name = (key), .kind = HEX, .lo = 8 }
#define FLOAT_IF(key)                                                                              \
    { .name = (key), .kind = HEX, .lo = 8, .optional = true }
#define TOKEN(key)                                                                                 \
    { .name = (key), .kind = INTEGER, .lo = -1, .hi = ID_MOST }
#define PART(key, m)                                                                               \
    { .name = (key), .kind = OBJECT, .members = (m) }
#define LIST_OF(key, m, least)                                                                     \
    { .name = (key), .kind = LIST, .lo = (least), .members = (m) }
#define MAP_OF(key, m)                                                                             \
    { .name = (key), .kind = MAP, .members = (m) }
#define FINISH                                                                                     \
    { .kind = END }

static const struct field an_id[] = {{.kind = INTEGER, .hi = ID_MOST}};
static const struct field a_float[] = {{.kind = HEX, .lo = 8}};
static const struct field a_seal[] = {{.kind = HEX, .lo = 16}};
static const struct field a_stop[] = {{.kind = NAME}};

static const struct field a_key[] = {{.kind = NAME}};
static const struct field model[] = {
    WORD("architecture", NULL),
    COUNT("bytes"),
    HASH_OF("sha256"),
    {.name = "ignored_keys", .kind = LIST, .lo = 1, .members = a_key, .optional = true},
    {.name = "parts", .kind = INTEGER, .lo = 2, .hi = 1000, .optional = true},
    {.name = "i2s_layout", .kind = NAME, .words = "a b c", .optional = true},
    FINISH};
static const struct field tokenizer[] = {WORD("source", "gguf"),
                                         WORD("kind", "gpt2 llama gemma4"),
                                         ANY("pre"),
                                         WORD("pre_source", "metadata inferred default none"),
                                         HASH_OF("digest"),
                                         WORD("eot_source", "metadata inferred none"),
                                         COUNT("vocab_size"),
                                         COUNT("merges_count"),
                                         TOKEN("bos"),
                                         TOKEN("eos"),
                                         TOKEN("eot"),
                                         TOKEN("unk"),
                                         FLAG("add_bos"),
                                         FLAG("add_eos"),
                                         FLAG("ignore_merges"),
                                         FLAG("add_space_prefix"),
                                         FINISH};
static const struct field prompt[] = {
    FLAG("add_bos"),     FLAG("parse_special"),    FLAG("exact"),
    COUNT("bytes"),      HASH_OF("blake3"),        HASH_OF("sha256"),
    FLAG("recoverable"), LIST_OF("ids", an_id, 1), FINISH};
static const struct field bias[] = {
    {.name = "id", .kind = INTEGER, .hi = ID_MOST}, FLOAT("bias"), FINISH};
static const struct field a_bias[] = {{.kind = OBJECT, .members = bias}};
static const struct field sampling[] = {
    FLOAT("temperature"),
    UINT32("top_k"),
    FLOAT("top_p"),
    FLOAT("min_p"),
    FLOAT("repeat_penalty"),
    UINT32("repeat_last"),
    {.name = "seed", .kind = DECIMAL},
    FLOAT_IF("presence_penalty"),
    FLOAT_IF("frequency_penalty"),
    {.name = "logit_bias", .kind = LIST, .lo = 1, .members = a_bias, .optional = true},
    {.name = "logprobs", .kind = INTEGER, .hi = BNT_LOGPROBS_MOST, .optional = true},
    FINISH};
static const struct field constraint[] = {WORD("kind", "json-schema gbnf json calls"),
                                          HASH_OF("sha256"), FINISH};
static const struct field limits[] = {
    COUNT("predict"),
    COUNT("context"),
    FLAG("ignore_eos"),
    LIST_OF("stops", a_stop, 0),
    {.name = "constraint", .kind = OBJECT, .members = constraint, .optional = true},
    FINISH};
static const struct field step_logprobs[] = {FLOAT("logprob"), LIST_OF("top_ids", an_id, 0),
                                             LIST_OF("top_logprobs", a_float, 0), FINISH};
static const struct field of_a_step[] = {{.kind = OBJECT, .members = step_logprobs}};
static const struct field output[] = {
    {.name = "logprobs", .kind = LIST, .members = of_a_step, .optional = true},
    LIST_OF("ids", an_id, 0),
    LIST_OF("logits", a_float, 0),
    LIST_OF("hidden_chain", a_seal, 0),
    {.name = "hidden_sha256", .kind = HASH},
    WORD("stop_reason", "length end-of-text stop-string context-full interrupted"),
    COUNT("text_bytes"),
    HASH_OF("text_sha256"),
    FINISH};
#define OF_EVERY_RESULT                                                                            \
    COUNT("schema_version"), COUNT("numerics_version"), PART("model", model),                      \
        PART("tokenizer", tokenizer), WORD("template", NULL), PART("sampling", sampling),          \
        PART("limits", limits)
static const struct field result_of_run[] = {OF_EVERY_RESULT, PART("prompt", prompt),
                                             PART("output", output), FINISH};
#define OF_EVERY_TURN_PROMPT                                                                       \
    COUNT("bytes"), HASH_OF("blake3"), HASH_OF("sha256"), COUNT("system_bytes"),                   \
        FLAG("recoverable"), LIST_OF("ids", an_id, 1)
static const struct field a_text[] = {WORD("encoding", "utf-8 hex"), ANY("text"), FINISH};
static const struct field turn_prompt[] = {
    OF_EVERY_TURN_PROMPT,
    PART("user", a_text),
    {.name = "system", .kind = OBJECT, .members = a_text, .optional = true},
    FINISH};
static const struct field turn[] = {COUNT("keep"), COUNT("depth"), PART("prompt", turn_prompt),
                                    PART("output", output), FINISH};
static const struct field a_turn[] = {{.kind = OBJECT, .members = turn}};
static const struct field result_of_chat[] = {OF_EVERY_RESULT,
                                              HASH_OF("template_sha256"),
                                              {.name = "template_date", .kind = DAY},
                                              LIST_OF("turns", a_turn, 1),
                                              FINISH};
/* Conversations from before templates were run: their texts are only in their tokens. */
static const struct field old_turn_prompt[] = {OF_EVERY_TURN_PROMPT, FINISH};
static const struct field old_turn[] = {COUNT("keep"), PART("prompt", old_turn_prompt),
                                        PART("output", output), FINISH};
static const struct field an_old_turn[] = {{.kind = OBJECT, .members = old_turn}};
static const struct field result_of_old_chat[] = {OF_EVERY_RESULT, LIST_OF("turns", an_old_turn, 1),
                                                  FINISH};

static const struct field machine[] = {WORD("target", "x86_64 aarch64 other"),
                                       ANY("cpu"),
                                       ANY("features"),
                                       ANY("os"),
                                       ANY("os_release"),
                                       WORD("libc", "glibc other"),
                                       ANY("libc_version"),
                                       COUNT("packages"),
                                       COUNT("numa_nodes"),
                                       COUNT("cores"),
                                       COUNT("hardware_threads"),
                                       COUNT("quota_cpus"),
                                       COUNT("l1d_bytes"),
                                       COUNT("l2_bytes"),
                                       COUNT("l3_bytes"),
                                       COUNT("memory_bytes"),
                                       FINISH};
static const struct field set[] = {WORD("variant", NULL), COUNT("weights_per_second"), FINISH};
static const struct field a_set[] = {{.kind = OBJECT, .members = set}};
static const struct field backend[] = {
    WORD("name", NULL),
    ANY("version"),
    ANY("variant"),
    WORD("abi", NULL),
    ANY("path"),
    {.name = "sha256", .kind = HASH},
    ANY("by_judge"),
    {.name = "base", .kind = NAME, .optional = true},
    {.name = "base_sha256", .kind = HEX, .lo = 64, .optional = true},
    {.name = "by_base", .kind = TEXT, .optional = true},
    {.name = "sets", .kind = LIST, .lo = 2, .members = a_set, .optional = true},
    FINISH};
static const struct field candidate[] = {WORD("name", NULL),
                                         ANY("path"),
                                         {.name = "priority", .kind = INTEGER, -MOST, MOST},
                                         WORD("verdict", NULL),
                                         ANY("reason"),
                                         FLAG("chosen"),
                                         FINISH};
static const struct field a_candidate[] = {{.kind = OBJECT, .members = candidate}};
static const struct field calls[] = {WORD("by", NULL), COUNT("calls"), FINISH};
static const struct field a_slot[] = {{.kind = OBJECT, .members = calls}};
static const struct field timings[] = {COUNT("load_us"),        COUNT("prefill_us"),
                                       COUNT("prefill_tokens"), COUNT("decode_us"),
                                       COUNT("decode_tokens"),  FINISH};
static const struct field memory[] = {COUNT("weights_bytes"), COUNT("session_bytes"),
                                      COUNT("peak_rss_bytes"), FINISH};
static const struct field environment[] = {
    {.name = "BITNET_BACKEND", .kind = TEXT, .optional = true},
    {.name = "BITNET_DETERMINISTIC", .kind = TEXT, .optional = true},
    {.name = "BITNET_PLUGIN_DIR", .kind = TEXT, .optional = true},
    {.name = "BITNET_SEED", .kind = TEXT, .optional = true},
    {.name = "BITNET_THREADS", .kind = TEXT, .optional = true},
    FINISH};
static const struct field i2s[] = {WORD("known", "stated found assumed"), WORD("seen", "a b c"),
                                   COUNT("margin"), FINISH};
static const struct field draft[] = {COUNT("proposed"), COUNT("accepted"), FINISH};
static const struct field circumstance[] = {
    {.name = "timestamp", .kind = TIME},
    WORD("version", NULL),
    WORD("commit", NULL),
    {.name = "llama_cpp_commit", .kind = NOTHING},
    ANY("model_path"),
    COUNT("threads"),
    FLAG("deterministic"),
    PART("machine", machine),
    PART("backend", backend),
    LIST_OF("decision_table", a_candidate, 1),
    MAP_OF("kernel_calls", a_slot),
    PART("timings", timings),
    PART("memory", memory),
    PART("environment", environment),
    {.name = "i2s", .kind = OBJECT, .members = i2s, .optional = true},
    {.name = "draft", .kind = OBJECT, .members = draft, .optional = true},
    FINISH};
static const struct field signature[] = {WORD("algorithm", NULL),
                                         HASH_OF("public_key"),
                                         {.name = "value", .kind = HEX, .lo = 128},
                                         FINISH};
#define OF_EVERY_RECEIPT                                                                           \
    PART("circumstance", circumstance), HASH_OF("result_sha256"), HASH_OF("circumstance_sha256"),  \
        MAP_OF("field_sha256", a_seal), {                                                          \
        .name = "signature", .kind = OBJECT, .members = signature, .optional = true                \
    }
static const struct field of_run[] = {PART("result", result_of_run), OF_EVERY_RECEIPT, FINISH};
static const struct field of_chat[] = {PART("result", result_of_chat), OF_EVERY_RECEIPT, FINISH};
static const struct field of_old_chat[] = {PART("result", result_of_old_chat), OF_EVERY_RECEIPT,
                                           FINISH};

/* Where we are, for messages: "result.output.ids[3]". */
struct path {
    char text[200];
    struct bnt_err *err;
};

static int fail(const struct path *at, const char *what) {
    return bnt_fail(at->err, BNT_E_FORMAT, "receipt: %s%s%s", at->text, at->text[0] ? ": " : "",
                    what);
}

static struct path below(const struct path *at, const char *name) {
    struct path p = {.err = at->err};
    char shown[64];
    snprintf(p.text, sizeof p.text, "%.120s%s%s", at->text, at->text[0] ? "." : "",
             bnt_printable(shown, sizeof shown, name, strlen(name)));
    return p;
}

static bool is_digits(const char *s, size_t n, const char *digits) {
    return strlen(s) == n && strspn(s, digits) == n;
}

static bool is_word(const char *s, const char *words) {
    size_t n = strlen(s);
    while (words) {
        size_t len = strcspn(words, " ");
        if (len == n && memcmp(words, s, n) == 0) return true;
        words = words[len] ? words + len + 1 : NULL;
    }
    return false;
}

static bool has_form(const char *s, const char *form) {
    for (size_t i = 0; i <= strlen(form); i++) { /* the NUL as well */
        if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i]) return false;
    }
    return true;
}

static bool is_u64(const char *s) {
    static const char most[] = "18446744073709551615";
    size_t n = strspn(s, "0123456789");
    if (s[n] || n == 0 || n > sizeof most - 1 || (s[0] == '0' && n > 1)) return false;
    return n < sizeof most - 1 || strcmp(s, most) <= 0;
}

static int check_string(const struct field *f, const char *s, const struct path *at) {
    static const char hex[] = "0123456789abcdef";
    switch (f->kind) {
    case NAME:
        if (f->words ? is_word(s, f->words) : s[0] != '\0') return BNT_OK;
        return fail(at, f->words ? "not a word that may stand here" : "empty");
    case HEX:
        if (is_digits(s, (size_t)f->lo, hex)) return BNT_OK;
        return fail(at, f->lo == 8     ? "not 8 hexadecimal digits"
                        : f->lo == 16  ? "not 16 hexadecimal digits"
                        : f->lo == 128 ? "not 128 hexadecimal digits"
                                       : "not 64 hexadecimal digits");
    case HASH:
        return !s[0] || is_digits(s, 64, hex) ? BNT_OK : fail(at, "not 64 hexadecimal digits");
    case DECIMAL: return is_u64(s) ? BNT_OK : fail(at, "not an unsigned 64-bit number");
    case TIME:
        return has_form(s, "dddd-dd-ddTdd:dd:ddZ")
                   ? BNT_OK
                   : fail(at, "not a time like 2026-01-31T23:59:59Z");
    case DAY:
        return !s[0] || has_form(s, "dddd-dd-dd") ? BNT_OK : fail(at, "not a date like 2026-01-31");
    default: return BNT_OK;
    }
}

static int check_value(const struct field *f, const json_t *v, const struct path *at);

static int check_object(const struct field *members, const json_t *o, const struct path *at) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o, key, value) {
        const struct field *m = members;
        struct path here = below(at, key);
        while (m->kind != END && strcmp(m->name, key) != 0) m++;
        if (m->kind == END) return fail(&here, "unknown field");
        int status = check_value(m, value, &here);
        if (status != BNT_OK) return status;
    }
    for (const struct field *m = members; m->kind != END; m++) {
        struct path here = below(at, m->name);
        if (!m->optional && !json_object_get(o, m->name)) return fail(&here, "missing");
    }
    return BNT_OK;
}

static int check_map(const struct field *f, const json_t *o, const struct path *at) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o, key, value) {
        struct path here = below(at, key);
        size_t len = strlen(key);
        if (len == 0 || strspn(key, "abcdefghijklmnopqrstuvwxyz_.ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789") != len)
            return fail(&here, "not a name");
        int status = check_value(f->members, value, &here);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int check_list(const struct field *f, const json_t *list, const struct path *at) {
    size_t n = json_array_size(list);
    if (n < (size_t)f->lo) return fail(at, "empty");
    for (size_t i = 0; i < n; i++) {
        struct path here = {.err = at->err};
        snprintf(here.text, sizeof here.text, "%.160s[%zu]", at->text, i);
        int status = check_value(f->members, json_array_get(list, i), &here);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int check_value(const struct field *f, const json_t *v, const struct path *at) {
    switch (f->kind) {
    case BOOL: return json_is_boolean(v) ? BNT_OK : fail(at, "not true or false");
    case NOTHING: return json_is_null(v) ? BNT_OK : fail(at, "not null");
    case INTEGER:
        if (!json_is_integer(v)) return fail(at, "not a whole number");
        if (json_integer_value(v) < f->lo || json_integer_value(v) > f->hi)
            return fail(at, "out of range");
        return BNT_OK;
    case OBJECT:
        return json_is_object(v) ? check_object(f->members, v, at) : fail(at, "not an object");
    case MAP: return json_is_object(v) ? check_map(f, v, at) : fail(at, "not an object");
    case LIST: return json_is_array(v) ? check_list(f, v, at) : fail(at, "not a list");
    default:
        return json_is_string(v) ? check_string(f, json_string_value(v), at)
                                 : fail(at, "not a string");
    }
}

/* Before anything else, so that a receipt of another time is named as such. */
static int check_versions(const json_t *r, const struct path *at) {
    const json_t *part = json_object_get(r, "result");
    const json_t *schema = json_object_get(part, "schema_version");
    const json_t *numerics = json_object_get(part, "numerics_version");
    if (!json_is_integer(schema)) return fail(at, "result.schema_version is missing");
    if (json_integer_value(schema) != BNT_RECEIPT_SCHEMA)
        return bnt_fail(at->err, BNT_E_UNSUPPORTED,
                        "receipt: schema_version %" JSON_INTEGER_FORMAT
                        "; this program knows version %d",
                        json_integer_value(schema), BNT_RECEIPT_SCHEMA);
    if (!json_is_integer(numerics)) return fail(at, "result.numerics_version is missing");
    if (json_integer_value(numerics) != BNT_NUMERICS_VERSION)
        return bnt_fail(at->err, BNT_E_UNSUPPORTED,
                        "receipt: numerics_version %" JSON_INTEGER_FORMAT
                        "; this program computes by version %d",
                        json_integer_value(numerics), BNT_NUMERICS_VERSION);
    return BNT_OK;
}

/* Nothing can be said of a signature by an algorithm that is not known. */
static int check_algorithm(const json_t *r, const struct path *at) {
    char shown[40];
    const json_t *of = json_object_get(json_object_get(r, "signature"), "algorithm");
    const char *name = json_string_value(of);
    if (!name || strcmp(name, "ed25519") == 0) return BNT_OK;
    return bnt_fail(at->err, BNT_E_UNSUPPORTED,
                    "receipt: signature.algorithm: '%s'; this program knows ed25519",
                    bnt_printable(shown, sizeof shown, name, strlen(name)));
}

/* What a row of the table cannot say: floats in the ranges that the command line takes. */
static int check_sampling(const json_t *r, const struct path *at) {
    static const struct {
        const char *name;
        float lo, hi;
    } ranges[] = {{"temperature", 0.0f, 100.0f},
                  {"top_p", 0.0f, 1.0f},
                  {"min_p", 0.0f, 1.0f},
                  {"repeat_penalty", 1e-3f, 1e3f},
                  {"presence_penalty", -100.0f, 100.0f},
                  {"frequency_penalty", -100.0f, 100.0f}};
    const json_t *o = json_object_get(json_object_get(r, "result"), "sampling");
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const json_t *bits = json_object_get(o, ranges[i].name);
        float f = bits ? bnt_receipt_float(bits) : ranges[i].lo;
        struct path part = below(at, "result.sampling"), here = below(&part, ranges[i].name);
        if (!(f >= ranges[i].lo && f <= ranges[i].hi)) return fail(&here, "out of range");
    }
    return BNT_OK;
}

static int check_biases(const json_t *r, const struct path *at) {
    const json_t *o = json_object_get(json_object_get(r, "result"), "sampling");
    const json_t *list = json_object_get(o, "logit_bias");
    struct path here = below(at, "result.sampling.logit_bias");
    json_int_t last = -1;
    if (json_array_size(list) > BNT_BIASES_MOST) return fail(&here, "too many");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        float f = bnt_receipt_float(json_object_get(one, "bias"));
        snprintf(here.text, sizeof here.text, "result.sampling.logit_bias[%zu]", i);
        if (!(f >= -100.0f && f <= 100.0f)) return fail(&here, "out of range");
        if (json_integer_value(json_object_get(one, "id")) <= last)
            return fail(&here, "ids do not rise");
        last = json_integer_value(json_object_get(one, "id"));
    }
    return BNT_OK;
}

/* Members of `output` that must agree. */
static int check_steps(const json_t *o, bool logprobs, const struct path *at) {
    const json_t *chain = json_object_get(o, "hidden_chain");
    const char *last = json_string_value(json_object_get(o, "hidden_sha256"));
    size_t n = json_array_size(json_object_get(o, "ids"));
    if (json_array_size(json_object_get(o, "logits")) != n || json_array_size(chain) != n)
        return fail(at, "ids, logits and hidden_chain are not of one length");
    const json_t *likely = json_object_get(o, "logprobs");
    if (logprobs != (likely != NULL))
        return fail(at, logprobs ? "logprobs is missing" : "logprobs that were not asked for");
    if (likely && json_array_size(likely) != n) return fail(at, "logprobs is not of ids' length");
    if ((n == 0) != (last[0] == '\0'))
        return fail(at, "hidden_sha256 does not fit the number of steps");
    if (n && strncmp(json_string_value(json_array_get(chain, n - 1)), last, 16) != 0)
        return fail(at, "hidden_sha256 does not begin like the last of hidden_chain");
    return BNT_OK;
}

static int check_outputs(const json_t *r, const struct path *at) {
    const json_t *part = json_object_get(r, "result");
    size_t n = bnt_receipt_turns(r);
    int status = BNT_OK;
    struct path here = below(at, "result.output");
    const bool logprobs = json_object_get(json_object_get(part, "sampling"), "logprobs") != NULL;
    if (n == 0) return check_steps(json_object_get(part, "output"), logprobs, &here);
    json_int_t context = 0;
    for (size_t k = 0; k < n && status == BNT_OK; k++) {
        const json_t *of = json_array_get(json_object_get(part, "turns"), k);
        const json_t *answer = json_object_get(of, "output");
        json_int_t keep = json_integer_value(json_object_get(of, "keep"));
        snprintf(here.text, sizeof here.text, "result.turns[%zu].keep", k);
        if (keep > context) return fail(&here, "more than the context has");
        context =
            keep + (json_int_t)json_array_size(json_object_get(answer, "ids")) +
            (json_int_t)json_array_size(json_object_get(json_object_get(of, "prompt"), "ids"));
        snprintf(here.text, sizeof here.text, "result.turns[%zu].output", k);
        status = check_steps(answer, logprobs, &here);
    }
    return status;
}

int bnt_receipt_check(const json_t *receipt, struct bnt_err *err) {
    struct path top = {.err = err};
    if (!json_is_object(receipt)) return fail(&top, "not a JSON object");
    const char *kind = json_string_value(json_object_get(receipt, "kind"));
    if (kind && strcmp(kind, "parity") == 0)
        return bnt_fail(
            err, BNT_E_UNSUPPORTED,
            "receipt: a result of `bitnet parity`, which compares two backends and holds no run "
            "to compute again; `bitnet parity --backend=NAME` compares anew");
    const json_t *result = json_object_get(receipt, "result");
    const struct field *form = !json_object_get(result, "turns")            ? of_run
                               : json_object_get(result, "template_sha256") ? of_chat
                                                                            : of_old_chat;
    int status = check_versions(receipt, &top);
    if (status == BNT_OK) status = check_object(form, receipt, &top);
    if (status == BNT_OK) status = check_algorithm(receipt, &top);
    if (status == BNT_OK) status = check_sampling(receipt, &top);
    if (status == BNT_OK) status = check_biases(receipt, &top);
    if (status == BNT_OK) status = check_outputs(receipt, &top);
    return status;
}
