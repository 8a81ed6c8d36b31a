/*
 * letters.c - what Python's str says of characters, and their upper, lower and title case.
 *
 * utf8proc knows categories, simple mappings and full foldings; here stand the properties that
 * follow from none of these, as ranges.
 */
#include <utf8proc.h>

#include "text.h"
#include "unicode.h"

struct range {
    int32_t first, last;
};

static bool is_in(const struct range *all, size_t n, int32_t c) {
    for (size_t i = 0; i < n; i++)
        if (c >= all[i].first && c <= all[i].last) return true;
    return false;
}
#define IS_IN(all, c) is_in(all, sizeof all / sizeof all[0], c)

static utf8proc_category_t category(int32_t c) {
    return c < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c);
}

bool char_is_space(int32_t c) {
    return bnt_class_of(c) == BNT_CLASS_SPACE || (c >= 0x1c && c <= 0x1f);
}

bool char_is_lower(int32_t c) {
    static const struct range other[] = {
        {0xaa, 0xaa},       {0xba, 0xba},       {0x2b0, 0x2b8},     {0x2c0, 0x2c1},
        {0x2e0, 0x2e4},     {0x345, 0x345},     {0x37a, 0x37a},     {0x1d2c, 0x1d6a},
        {0x1d78, 0x1d78},   {0x1d9b, 0x1dbf},   {0x2071, 0x2071},   {0x207f, 0x207f},
        {0x2090, 0x209c},   {0x2170, 0x217f},   {0x24d0, 0x24e9},   {0x2c7c, 0x2c7d},
        {0xa69c, 0xa69d},   {0xa770, 0xa770},   {0xa7f8, 0xa7f9},   {0xab5c, 0xab5f},
        {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba}};
    return category(c) == UTF8PROC_CATEGORY_LL || IS_IN(other, c);
}

bool char_is_upper(int32_t c) {
    static const struct range other[] = {{0x2160, 0x216f},
                                         {0x24b6, 0x24cf},
                                         {0x1f130, 0x1f149},
                                         {0x1f150, 0x1f169},
                                         {0x1f170, 0x1f189}};
    return category(c) == UTF8PROC_CATEGORY_LU || IS_IN(other, c);
}

bool char_is_title(int32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LT;
}

bool char_is_letter(int32_t c) {
    return category(c) >= UTF8PROC_CATEGORY_LU && category(c) <= UTF8PROC_CATEGORY_LO;
}

bool char_is_numeric(int32_t c) {
    return category(c) >= UTF8PROC_CATEGORY_ND && category(c) <= UTF8PROC_CATEGORY_NO;
}

bool char_is_digit(int32_t c) {
    static const struct range other[] = {
        {0xb2, 0xb3},       {0xb9, 0xb9},       {0x1369, 0x1371},   {0x19da, 0x19da},
        {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089},   {0x2460, 0x2468},
        {0x2474, 0x247c},   {0x2488, 0x2490},   {0x24ea, 0x24ea},   {0x24f5, 0x24fd},
        {0x24ff, 0x24ff},   {0x2776, 0x277e},   {0x2780, 0x2788},   {0x278a, 0x2792},
        {0x10a40, 0x10a43}, {0x10e60, 0x10e68}, {0x11052, 0x1105a}, {0x1f100, 0x1f10a}};
    return category(c) == UTF8PROC_CATEGORY_ND || IS_IN(other, c);
}

int char_decimal(int32_t c) {
    int32_t first = c;
    if (category(c) != UTF8PROC_CATEGORY_ND) return -1;
    while (category(first - 1) == UTF8PROC_CATEGORY_ND) first--;
    return (c - first) % 10; /* they stand in tens */
}

/* ---- case ------------------------------------------------------------------------------------ */

static bool is_cased(int32_t c) {
    return char_is_lower(c) || char_is_upper(c) || char_is_title(c);
}

static bool is_ignored_by_case(int32_t c) {
    static const struct range inside_of_words[] = {
        {'\'', '\''},     {'.', '.'},       {':', ':'},       {0xb7, 0xb7},
        {0x387, 0x387},   {0x55f, 0x55f},   {0x5f4, 0x5f4},   {0x2018, 0x2019},
        {0x2024, 0x2024}, {0x2027, 0x2027}, {0xfe13, 0xfe13}, {0xfe52, 0xfe52},
        {0xfe55, 0xfe55}, {0xff07, 0xff07}, {0xff0e, 0xff0e}, {0xff1a, 0xff1a}};
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK || IS_IN(inside_of_words, c);
}

/* A sigma at the end of a word is written otherwise. */
static bool is_last_sigma(struct bnt_marked t, size_t at, size_t end) {
    int32_t c = 0;
    size_t i = at;
    while (i > 0 && (i = text_before(t, i, &c), is_ignored_by_case(c))) continue;
    if (at == 0 || is_ignored_by_case(c) || !is_cased(c)) return false;
    for (i = end; i < t.len;) {
        i += text_next(t, i, &c);
        if (!is_ignored_by_case(c)) return !is_cased(c);
    }
    return true;
}

static bool put_lower(struct bnt_jinja_run *r, struct pen *p, struct bnt_marked t, size_t at,
                      size_t end, int32_t c, bool foreign) {
    if (c == 0x130) return pen_char(r, p, 'i', foreign) && pen_char(r, p, 0x307, foreign);
    if (c == 0x3a3) return pen_char(r, p, is_last_sigma(t, at, end) ? 0x3c2 : 0x3c3, foreign);
    return pen_char(r, p, utf8proc_tolower(c), foreign);
}

/* A character whose upper case is several folds to as many: these, in upper case, are it. In title
 * case the first letter alone is, and an iota that was below the letter goes back there. */
static bool put_upper(struct bnt_jinja_run *r, struct pen *p, int32_t c, bool title, bool foreign) {
    utf8proc_int32_t many[8];
    int bound = UTF8PROC_BOUNDCLASS_START;
    utf8proc_int32_t simple = title ? utf8proc_totitle(c) : utf8proc_toupper(c);
    utf8proc_ssize_t n = 1;
    if (c == 0xdf || (!char_is_upper(c) && !(title && (char_is_title(c) || simple != c))))
        n = utf8proc_decompose_char(c, many, 8, UTF8PROC_CASEFOLD, &bound);
    if (n < 2 || n > 8) return pen_char(r, p, simple, foreign);
    bool begun = false, iota = c >= 0x1f80 && c < 0x2000 && c != 0x1f80;
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        int32_t one = many[i];
        if (!title || !begun)
            one = title ? utf8proc_totitle(one) : utf8proc_toupper(one);
        else if (iota && one == 0x3b9)
            one = 0x345;
        begun = begun || is_cased(many[i]);
        if (!pen_char(r, p, one, foreign)) return false;
    }
    return true;
}

bool text_case(struct bnt_jinja_run *r, struct bnt_marked t, enum text_case how,
               struct bnt_marked *out) {
    struct pen p = {0};
    bool inside = false; /* a word, of which the first letter is done */
    if (!run_step(r, t.len)) return false;
    for (size_t at = 0, n; at < t.len; at += n) {
        int32_t c;
        bool ok, foreign = t.marks && t.marks[at];
        n = text_next(t, at, &c);
        if (c < 0)
            ok = pen_put(r, &p, text_part(t, at, at + n));
        else if (how == CASE_LOWER || inside)
            ok = put_lower(r, &p, t, at, at + n, c, foreign);
        else
            ok = put_upper(r, &p, c, how != CASE_UPPER, foreign);
        if (!ok) return false;
        inside = how == CASE_CAPITAL || (how == CASE_TITLE && is_cased(c));
    }
    *out = pen_done(&p);
    return true;
}
