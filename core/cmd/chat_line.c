/*
 * chat_line.c - see chat.h.
 *
 * At a terminal libedit reads the line, with editing and a history; from anything else lines are
 * taken as they come, so that a script can talk.
 */
#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/chat.h"

struct chat_lines {
    EditLine *edit; /* NULL: not at a terminal */
    History *history;
    bool goes_on; /* the next line belongs to the one before */
    char *text;   /* the line, of all its parts */
    size_t len, capacity;
    char *raw; /* of getline */
    size_t raw_capacity;
};

static char *prompt(EditLine *edit) {
    static char first[] = "> ", more[] = "... ";
    struct chat_lines *l;
    el_get(edit, EL_CLIENTDATA, &l);
    return l->goes_on ? more : first;
}

static int open_terminal(struct chat_lines *l, struct bnt_err *err) {
    HistEvent event;
    FILE *shown = isatty(STDOUT_FILENO) ? stdout : stderr;
    /* libedit edits characters; numbers are still written as in the C locale. */
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    l->edit = el_init("bitnet", stdin, shown, stderr);
    l->history = history_init();
    if (!l->edit || !l->history) return bnt_fail_nomem(err, "the line editor", 0);
    history(l->history, &event, H_SETSIZE, 1000);
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_HIST, history, l->history);
    el_source(l->edit, NULL); /* the user's ~/.editrc */
    return BNT_OK;
}

int chat_lines_open(struct chat_lines **out, struct bnt_err *err) {
    struct chat_lines *l = calloc(1, sizeof *l);
    int status = BNT_OK;
    *out = NULL;
    if (!l) return bnt_fail_nomem(err, "the input", sizeof *l);
    if (isatty(STDIN_FILENO) && (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO)))
        status = open_terminal(l, err);
    if (status == BNT_OK)
        *out = l;
    else
        chat_lines_close(l);
    return status;
}

void chat_lines_close(struct chat_lines *l) {
    if (!l) return;
    if (l->edit) el_end(l->edit);
    if (l->history) history_end(l->history);
    free(l->text);
    free(l->raw);
    free(l);
}

bool chat_lines_edited(const struct chat_lines *l) {
    return l->edit != NULL;
}

/* One line of the file or terminal, its end included; *n is 0 at the end of all. */
static int read_raw(struct chat_lines *l, enum chat_line *what, const char **line, size_t *n,
                    struct bnt_err *err) {
    int count = 0;
    ssize_t got;
    *what = CHAT_LINE;
    errno = 0;
    if (l->edit) {
        *line = el_gets(l->edit, &count);
        *n = *line && count > 0 ? (size_t)count : 0;
        if (*n) return BNT_OK;
        *what = errno == EINTR ? CHAT_CANCELLED : CHAT_END;
        return BNT_OK;
    }
    got = getline(&l->raw, &l->raw_capacity, stdin);
    *line = l->raw;
    *n = got > 0 ? (size_t)got : 0;
    if (*n) return BNT_OK;
    *what = errno == EINTR ? CHAT_CANCELLED : CHAT_END;
    if (*what == CHAT_END && ferror(stdin))
        return bnt_fail(err, BNT_E_IO, "standard input: %s", strerror(errno));
    return BNT_OK;
}

static int append(struct chat_lines *l, const char *s, size_t n, struct bnt_err *err) {
    if (l->len + n + 1 > l->capacity) {
        size_t capacity = 2 * (l->len + n + 1);
        char *grown = realloc(l->text, capacity);
        if (!grown) return bnt_fail_nomem(err, "a line", capacity);
        l->text = grown;
        l->capacity = capacity;
    }
    memcpy(l->text + l->len, s, n);
    l->len += n;
    l->text[l->len] = '\0';
    return BNT_OK;
}

static void remember(struct chat_lines *l, const char *line, size_t n) {
    HistEvent event;
    if (l->edit && n > 0 && !(n == 1 && line[0] == '\n'))
        history(l->history, &event, H_ENTER, line);
}

int chat_lines_next(struct chat_lines *l, enum chat_line *what, const char **text, size_t *len,
                    struct bnt_err *err) {
    l->len = 0;
    l->goes_on = false;
    for (;;) {
        const char *line;
        size_t n;
        int status = read_raw(l, what, &line, &n, err);
        if (status != BNT_OK) return status;
        if (n == 0) break;
        remember(l, line, n);
        if (line[n - 1] == '\n') n--;
        if (n && line[n - 1] == '\r') n--;
        bool more = n && line[n - 1] == '\\';
        if (l->goes_on && (status = append(l, "\n", 1, err)) != BNT_OK) return status;
        if ((status = append(l, line, n - more, err)) != BNT_OK) return status;
        l->goes_on = more;
        if (!more) break;
    }
    if (*what == CHAT_END && l->len) *what = CHAT_LINE; /* it ended inside a line */
    *text = l->text ? l->text : "";
    *len = l->len;
    return BNT_OK;
}
