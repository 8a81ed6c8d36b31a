/* page.c - see page.h. */
#include "cmd/page.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

int page_begin(struct page *p, struct bnt_err *err) {
    *p = (struct page){0};
    p->f = open_memstream(&p->text, &p->len);
    return p->f ? BNT_OK : bnt_fail_nomem(err, "a page", 0);
}

/* What XML has no room for (control characters, bytes that are no UTF-8) becomes '?'. */
void page_text(struct page *p, const char *text) {
    const utf8proc_uint8_t *s = (const utf8proc_uint8_t *)text;
    for (utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text); left > 0;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(s, left, &c);
        if (n < 1 || c < ' ' || c == 0x7f || c == 0xfffe || c == 0xffff) {
            fputc('?', p->f);
            n = 1;
        } else if (n == 1 && strchr("<>&\"'", c)) {
            fprintf(p->f, "&#%d;", (int)c);
        } else {
            fwrite(s, 1, (size_t)n, p->f);
        }
        s += n;
        left -= n;
    }
}

int page_end(struct page *p, struct bnt_output *to, struct bnt_err *err) {
    int status = BNT_OK;
    if (!p->f) return BNT_OK;
    const int lost = ferror(p->f);
    if (fclose(p->f) != 0 || lost)
        status = bnt_fail_nomem(err, "a page", p->len);
    else if (to)
        status = bnt_output_write(to, p->text, p->len, err);
    free(p->text);
    *p = (struct page){0};
    return status;
}
