/* reply.c - JSON in and out of requests, as all interfaces need it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "json_repair.h"
#include "serve/server.h"

void serve_reply_json(struct serve_request *r, unsigned status, json_t *body) {
    static const char no_memory[] = "{\"error\":{\"message\":\"out of memory\"}}";
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (bnt_json_lost()) { /* a part of it may be missing */
        free(text);
        text = NULL;
    }
    if (text)
        serve_reply(r, status, "application/json", text, strlen(text));
    else
        serve_reply_static(r, 503, "application/json", no_memory, strlen(no_memory));
}

json_t *serve_body_object(struct serve_server *s, struct serve_request *r) {
    json_error_t why;
    size_t len;
    const char *text = serve_body(r, &len);
    json_t *body;
    (void)bnt_json_lost(); /* of what came before in this thread */
    if (bnt_json_load(&body, text, len, JSON_ALLOW_NUL, &why) == BNT_E_NOMEM) {
        serve_fail(s, r, 503, NULL, "out of memory");
        return NULL;
    }
    char shown[120];
    if (json_is_object(body)) return body;
    if (body)
        serve_fail(s, r, 400, NULL, "the body is JSON, but no object");
    else if (json_error_code(&why) == json_error_numeric_overflow)
        serve_fail(s, r, 400, NULL, "the body has a number that is too large: line %d, column %d",
                   why.line, why.column);
    else
        serve_fail(s, r, 400, NULL, "the body is not JSON: line %d, column %d: %s", why.line,
                   why.column, bnt_printable(shown, sizeof shown, why.text, strlen(why.text)));
    json_decref(body);
    return NULL;
}

json_t *serve_json_text(const char *text, size_t len) {
    json_t *string = json_stringn(text, len); /* most text needs no repair */
    return string ? string : bnt_json_repair(text, len, true);
}

json_t *serve_json_ids(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n && array; i++) json_array_append_new(array, json_integer(ids[i]));
    return array;
}

void serve_new_id(struct serve_server *s, const char *prefix, char id[64]) {
    snprintf(id, 64, "%s%08" PRIx32 "%08" PRIx32 "%08llx", prefix, (uint32_t)s->started,
             (uint32_t)getpid(), atomic_fetch_add(&s->last_id, 1) + 1);
}
