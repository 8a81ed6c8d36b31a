/*
 * json_repair.c - see json_repair.h.
 *
 * Room for the worst case is taken at once: three bytes for each.
 */
#include "json_repair.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/json_memory.h"

json_t *bnt_json_repair(const char *text, size_t len, bool keep_nul) {
    static const char replacement[] = "\xef\xbf\xbd";
    char *clean = bnt_json_take(3 * len + 1);
    size_t n = 0;
    if (!clean) return NULL;
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(len - i), &c);
        bool kept = used > 0 && (c != 0 || keep_nul);
        size_t from = used > 0 ? (size_t)used : 1, to = kept ? from : 3;
        memcpy(clean + n, kept ? text + i : replacement, to);
        n += to;
        i += from;
    }
    json_t *s = json_stringn(clean, n);
    free(clean);
    return s;
}
