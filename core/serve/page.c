/*
 * page.c - the page at "/", and the files that it is made of, which lie in the program.
 *
 * Nothing is loaded from elsewhere, and the page may run no script but these files: that is what
 * its Content-Security-Policy says. It needs no key, since nothing is in it; what it asks for does.
 */
#include <string.h>

#include "serve/server.h"

/* The bytes of a file of this folder, as `name` up to `name_end`. */
#define FILE_BYTES(name, path)                                                                     \
    __asm__(".pushsection .rodata\n.global " #name "\n.hidden " #name "\n" #name                   \
            ":\n.incbin \"core/serve/page/" path "\"\n.global " #name "_end\n.hidden " #name       \
            "_end\n" #name "_end:\n.byte 0\n.popsection\n");                                       \
    extern const char name[], name##_end[]

FILE_BYTES(page_index, "index.html");
FILE_BYTES(page_css, "page.css");
FILE_BYTES(page_js, "page.js");
FILE_BYTES(page_marked, "marked.min.js");
FILE_BYTES(page_purify, "purify.min.js");

static const struct {
    const char *path, *type, *from, *end;
} files[] = {{"/", "text/html; charset=utf-8", page_index, page_index_end},
             {"/page.css", "text/css; charset=utf-8", page_css, page_css_end},
             {"/page.js", "text/javascript; charset=utf-8", page_js, page_js_end},
             {"/marked.min.js", "text/javascript; charset=utf-8", page_marked, page_marked_end},
             {"/purify.min.js", "text/javascript; charset=utf-8", page_purify, page_purify_end}};

void serve_page(struct serve_server *s, struct serve_request *r) {
    serve_put_header(r, "Content-Security-Policy",
                     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                     "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    serve_put_header(r, "Referrer-Policy", "no-referrer");
    serve_put_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    serve_put_header(r, "Cache-Control", "no-cache");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (strcmp(files[i].path, serve_path(r)) != 0) continue;
        serve_reply_static(r, 200, files[i].type, files[i].from,
                           (size_t)(files[i].end - files[i].from));
        return;
    }
    serve_fail(s, r, 404, NULL, "there is no such file");
}
