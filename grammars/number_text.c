/*
 * number_text.c - numbers as text: the fewest digits that read as the same number, spelled as
 * JavaScript spells them, in any locale.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "json.h"

/* 0.d1d2d3... times 10^point; no digit: zero. */
struct decimal {
    char digits[40];
    int count, point;
    bool negative;
};

static struct decimal read_decimal(const char *text) {
    struct decimal d = {.point = 0};
    bool behind = false;
    if (*text == '-') {
        d.negative = true;
        text++;
    }
    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            behind = true;
        } else if (d.count == 0 && *text == '0') {
            d.point -= behind;
        } else if (d.count < (int)sizeof d.digits) {
            d.digits[d.count++] = *text;
            d.point += !behind;
        }
    }
    if (*text) d.point += atoi(text + 1);
    while (d.count && d.digits[d.count - 1] == '0') d.count--;
    return d;
}

static void write_plain(const struct decimal *d, char *out) {
    if (d->negative && d->count) *out++ = '-';
    if (d->point <= 0 || d->count == 0) *out++ = '0';
    for (int i = 0; d->count && i < d->point; i++) *out++ = i < d->count ? d->digits[i] : '0';
    if (d->count && d->count > d->point) {
        *out++ = '.';
        for (int i = d->point; i < d->count; i++) *out++ = i < 0 ? '0' : d->digits[i];
    }
    *out = '\0';
}

/* With so many digits of the power at least. */
static void write_power(const struct decimal *d, int least, char *out) {
    int power = d->point - 1;
    if (d->negative) *out++ = '-';
    *out++ = d->digits[0];
    if (d->count > 1) *out++ = '.';
    for (int i = 1; i < d->count; i++) *out++ = d->digits[i];
    snprintf(out, 16, "e%c%0*d", power < 0 ? '-' : '+', least, power < 0 ? -power : power);
}

/* Jansson's text of it, which no locale changes. */
static void dump(const json_t *number, size_t precision, char out[64]) {
    size_t n = json_dumpb(number, out, 63, JSON_ENCODE_ANY | JSON_REAL_PRECISION(precision));
    out[n < 64 ? n : 0] = '\0';
}

/* The fewest digits that read as the same number. */
static struct decimal shortest(const json_t *number) {
    char text[64] = "";
    double wanted = json_number_value(number);
    for (size_t precision = 1; precision <= 17; precision++) {
        dump(number, precision, text);
        if (json_is_integer(number)) break;
        json_t *again = bnt_json_part(text, strlen(text), JSON_DECODE_ANY);
        double got = json_number_value(again);
        json_decref(again);
        if (got >= wanted && got <= wanted) break;
    }
    return read_decimal(text);
}

void bnt_json_number_text(const json_t *number, char out[BNT_NUMBER_TEXT], bool plain) {
    double wanted = json_number_value(number);
    if (plain && json_is_real(number) && fabs(wanted) >= 0x1p53) { /* a whole number, exactly */
        snprintf(out, BNT_NUMBER_TEXT, "%.0f", wanted);
        return;
    }
    struct decimal d = shortest(number);
    if (plain || json_is_integer(number) || (d.point > -6 && d.point <= 21))
        write_plain(&d, out);
    else
        write_power(&d, 1, out);
}

void bnt_json_real_repr(const json_t *real, char out[BNT_NUMBER_TEXT]) {
    struct decimal d = shortest(real);
    if (d.count == 0) {
        strcpy(out, signbit(json_real_value(real)) ? "-0.0" : "0.0");
        return;
    }
    if (d.count && (d.point <= -4 || d.point > 16)) {
        write_power(&d, 2, out);
        return;
    }
    write_plain(&d, out);
    if (!strchr(out, '.')) strcat(out, ".0");
}
