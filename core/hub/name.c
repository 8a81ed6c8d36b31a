/*
 * name.c - see name.h.
 */
#include "hub/name.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PART_MOST = 96 }; /* the hub's own limit for ORG and for NAME */

/* One part of a name: the hub's letters, not hidden, not "..", not "--", which the cache needs. */
static bool is_part(const char *s, size_t len, bool of_repo) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (len == 0 || s[0] == '.' || (of_repo && (s[0] == '-' || len > PART_MOST))) return false;
    for (size_t i = 0; i < len; i++) {
        if (!memchr(letters, s[i], sizeof letters - 1)) return false;
        if (i && s[i] == '.' && s[i - 1] == '.') return false;
        if (of_repo && i && s[i] == '-' && s[i - 1] == '-') return false;
    }
    return true;
}

static bool is_path(const char *s) {
    for (;;) {
        size_t len = strcspn(s, "/");
        if (!is_part(s, len, false)) return false;
        if (!s[len]) return true;
        s += len + 1;
    }
}

bool bnt_hub_parse(struct bnt_hub_name *out, const char *text) {
    const char *at = strchr(text, '@');
    const size_t len = at ? (size_t)(at - text) : strlen(text);
    const char *slash = memchr(text, '/', len);
    if (!slash) return false;
    const char *name = slash + 1, *end = memchr(name, '/', len - (size_t)(name - text));
    if (!end) end = text + len;
    if (!is_part(text, (size_t)(slash - text), true) || !is_part(name, (size_t)(end - name), true))
        return false;
    *out = (struct bnt_hub_name){.rev = "main"};
    snprintf(out->repo, sizeof out->repo, "%.*s", (int)(end - text), text);
    if (end < text + len) {
        const int n =
            snprintf(out->file, sizeof out->file, "%.*s", (int)(text + len - end - 1), end + 1);
        if ((size_t)n >= sizeof out->file || !is_path(out->file)) return false;
    }
    if (!at) return true;
    const int n = snprintf(out->rev, sizeof out->rev, "%s", at + 1);
    return (size_t)n < sizeof out->rev && is_path(out->rev) && !strchr(out->rev, '/');
}

bool bnt_hub_is_model_file(const char *name) {
    static const char suffix[] = ".gguf";
    size_t n = strlen(name), s = sizeof suffix - 1;
    return n > s && strcmp(name + n - s, suffix) == 0;
}

bool bnt_hub_is_name(const char *text) {
    struct bnt_hub_name name;
    if (!bnt_hub_parse(&name, text) || access(text, F_OK) == 0) return false;
    return name.file[0] || !bnt_hub_is_model_file(name.repo);
}
