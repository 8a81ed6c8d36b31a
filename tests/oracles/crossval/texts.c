/* texts.c - golden and random texts; see texts.h. */
#include "texts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

/* ---- golden -----------------------------------------------------------------------------------
 */

static unsigned hex_digit(char c) {
    return (unsigned)(c >= 'a' ? c - 'a' + 10 : c - '0') & 15u;
}

static bool add_hex(struct texts *t, const char *family, const char *name, const char *hex) {
    const size_t len = strlen(hex) / 2;
    struct text *list = realloc(t->list, (t->count + 1) * sizeof *list);
    struct text x = {.len = len};
    if (!list) return false;
    t->list = list;
    x.bytes = malloc(len + 1);
    if (!x.bytes) return false;
    for (size_t i = 0; i < len; i++)
        x.bytes[i] = (char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    x.bytes[len] = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->list[i].len != len || memcmp(t->list[i].bytes, x.bytes, len) != 0) continue;
        free(x.bytes);
        return true;
    }
    snprintf(x.name, sizeof x.name, "%s/%s", family, name);
    t->list[t->count++] = x;
    return true;
}

static bool add_family(struct texts *t, const char *family, char why[600]) {
    char path[4096];
    json_error_t error;
    json_t *golden, *c;
    size_t i;
    bool ok = true;
    snprintf(path, sizeof path, "%s/tests/golden/golden_tokens_%s.json", TEST_SOURCE, family);
    golden = json_load_file(path, 0, &error);
    if (!golden) snprintf(why, 600, "%.300s: %.200s", path, error.text);
    json_array_foreach(json_object_get(golden, "cases"), i, c) {
        const char *name = json_string_value(json_object_get(c, "name"));
        const char *hex = json_string_value(json_object_get(c, "utf8_hex"));
        if (ok && !(ok = name && hex && add_hex(t, family, name, hex)))
            snprintf(why, 600, "%.300s: malformed case, or no memory", path);
    }
    ok = ok && golden != NULL;
    json_decref(golden);
    return ok;
}

bool texts_golden(struct texts *t, char why[600]) {
    *t = (struct texts){0};
    return add_family(t, "gpt2", why) && add_family(t, "llama", why) &&
           add_family(t, "llama3", why);
}

void texts_free(struct texts *t) {
    for (size_t i = 0; i < t->count; i++) free(t->list[i].bytes);
    free(t->list);
}

/* ---- random -----------------------------------------------------------------------------------
 */

/* What splits words in one pre-tokenizer and not in the next: quotes that begin a contraction,
 * digits of several scripts, every kind of white space and of what only looks like it, marks, and
 * the texts of special tokens. */
static const char *const bits[] = {
    " ",
    "  ",
    "    ",
    "\t",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    " \n",
    "\n ",
    "'",
    "'s",
    "'S",
    "'t",
    "'re",
    "'VE",
    "'ll",
    "\u2019s",
    "'\u017f",
    "a",
    "I",
    "Hello",
    "world",
    "ing",
    "don't",
    "\u00e9",
    "e\u0301",
    "\u0301",
    "\u00df",
    "\u0130",
    "\u4e2d\u6587",
    "\u3042",
    "\u0645\u0631",
    "\u0e01\u0e34",
    "\u0928\u093f",
    "\uac00",
    "0",
    "7",
    "12",
    "345",
    "6789",
    "3.14",
    "\u0663",
    "\u0967",
    "\u00b2",
    "\u00bd",
    "\u2167",
    "\u2460",
    ".",
    ",",
    "!",
    "...",
    "!?",
    "$",
    "+",
    "=",
    "<",
    "<|",
    "|>",
    "^",
    "`",
    "~",
    "_",
    "__",
    "-",
    "--",
    "/",
    "\\",
    "#",
    "@",
    "%",
    "&",
    "\u00a0",
    "\xc2\x85",
    "\u1680",
    "\u180e",
    "\u2003",
    "\u2028",
    "\u200b",
    "\u200d",
    "\u202f",
    "\u3000",
    "\ufeff",
    "\u00ad",
    "\u201c",
    "\u20ac",
    "\u2192",
    "\u2581",
    "\U0001f600",
    "\U0001f1e9",
    "\U0001f468\u200d\U0001f469",
    "\U0001f44d\U0001f3fd",
    "\U0001d400",
    "\U0001d7d9",
    "\x01",
    "\x1b",
    "\x7f",
    "<s>",
    "</s>",
    "<unk>",
    "<0x0A>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|begin_of_text|>",
    "https://a.b/",
};

static const char *const words[] = {
    "the",  "of",   "and",   "in",    "that",   "was",  "for",   "with",  "on",    "king",
    "said", "unto", "which", "there", "people", "were", "house", "water", "light", "answered",
};

/* Any character of blocks where all parts are of the same Unicode version in both programs. */
static size_t put_character(struct rng *r, char *out) {
    static const uint32_t blocks[][2] = {
        {0x20, 0x7e},       {0xa1, 0x24f},      {0x250, 0x36f},     {0x370, 0x52f},
        {0x5d0, 0x5ea},     {0x620, 0x6d3},     {0x904, 0x939},     {0xe01, 0xe3a},
        {0x10d0, 0x10fa},   {0x1e00, 0x1eff},   {0x2010, 0x2027},   {0x2030, 0x205e},
        {0x20a0, 0x20bf},   {0x2100, 0x218b},   {0x2190, 0x23ff},   {0x2460, 0x24ff},
        {0x2500, 0x27bf},   {0x3001, 0x303f},   {0x3041, 0x3096},   {0x30a0, 0x30ff},
        {0x4e00, 0x9fa5},   {0xac00, 0xd7a3},   {0xf900, 0xfa2d},   {0xff01, 0xff5e},
        {0x10000, 0x1000b}, {0x1d400, 0x1d454}, {0x1f300, 0x1f5ff}, {0x1f600, 0x1f64f},
        {0x20000, 0x2a6d6},
    };
    const uint32_t *b = blocks[rng_below(r, sizeof blocks / sizeof blocks[0])];
    const uint32_t c = b[0] + rng_below(r, b[1] - b[0] + 1);
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

size_t text_random(uint64_t seed, uint64_t i, char out[TEXT_MAX]) {
    struct rng r = rng_stream(seed, i);
    size_t len = 0;
    for (uint32_t n = 1 + rng_below(&r, 24); n && len + 64 < TEXT_MAX; n--) {
        const uint32_t kind = rng_below(&r, 12);
        const char *s;
        if (kind < 2) {
            len += put_character(&r, out + len);
            continue;
        }
        s = kind < 5 ? words[rng_below(&r, sizeof words / sizeof words[0])]
                     : bits[rng_below(&r, sizeof bits / sizeof bits[0])];
        if (kind == 3) out[len++] = ' ';
        memcpy(out + len, s, strlen(s));
        len += strlen(s);
    }
    return len;
}
