/*
 * bench_plot.c - `bitnet bench --plot=FILE.svg`: the results as bars.
 *
 * A bar is the median in tokens a second, a line the least and the most, a mark the limit that the
 * machine gave. Prefill and decode, which differ by orders, are two charts.
 */
#include <string.h>

#include "cmd/bench.h"
#include "cmd/page.h"

enum { WIDTH = 860, LABEL = 200, BAR = 480, ROW = 26, HEAD = 44 };

/* The most that any bar, line or mark of a chart reaches. */
static double most(const struct bench *b, bool decode) {
    double x = 0;
    for (size_t i = 0; i < b->n_tests; i++) {
        const struct bench_test *t = &b->tests[i];
        if (t->decode != decode) continue;
        if (t->max > x) x = t->max;
        if (t->limit_fraction > 0 && t->median / t->limit_fraction > x)
            x = t->median / t->limit_fraction;
    }
    return x;
}

static void draw_test(struct page *p, const struct bench *b, const struct bench_test *t,
                      double scale, int y) {
    const unsigned threads = b->threads.values[t->team];
    const double limit = t->limit_fraction > 0 ? t->median / t->limit_fraction : 0;
    fprintf(p->f, "<g><title>%s, %u thread%s, depth %u: median %.2f, least %.2f, most %.2f tok/s",
            t->name, threads, threads == 1 ? "" : "s", t->depth, t->median, t->min, t->max);
    if (limit > 0)
        fprintf(p->f, "; %.0f %% of the limit (%s)", 100 * t->limit_fraction,
                t->decode ? "read" : "int8");
    fprintf(p->f,
            "</title><text x='%d' y='%d' text-anchor='end'>%s, %u thread%s, depth %u</text>"
            "<rect class='bar' x='%d' y='%d' width='%.1f' height='%d'/>",
            LABEL - 8, y + 16, t->name, threads, threads == 1 ? "" : "s", t->depth, LABEL, y + 3,
            t->median * scale, ROW - 8);
    fprintf(p->f, "<path class='range' d='M%.1f %d H%.1f'/>", LABEL + t->min * scale, y + ROW / 2,
            LABEL + t->max * scale);
    if (limit > 0)
        fprintf(p->f, "<path class='limit' d='M%.1f %d V%d'/>", LABEL + limit * scale, y + 1,
                y + ROW - 3);
    fprintf(p->f, "<text x='%d' y='%d'>%.2f</text></g>\n", LABEL + BAR + 10, y + 16, t->median);
}

/* One chart; gives where the next begins. */
static int draw(struct page *p, const struct bench *b, bool decode, int y) {
    const double top = most(b, decode);
    if (!(top > 0)) return y;
    fprintf(p->f, "<text class='head' x='%d' y='%d'>%s, tokens a second</text>\n", LABEL, y + 28,
            decode ? "decode" : "prefill");
    y += HEAD;
    for (size_t i = 0; i < b->n_tests; i++) {
        if (b->tests[i].decode != decode) continue;
        draw_test(p, b, &b->tests[i], BAR / top, y);
        y += ROW;
    }
    return y;
}

int bench_plot(const struct bench *b, struct bnt_output *to, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(b->engine);
    struct page p;
    const int height = 60 + 2 * HEAD + (int)b->n_tests * ROW + 40;
    int status = page_begin(&p, err);
    if (status != BNT_OK) return status;
    fprintf(p.f,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' height='%d'>\n"
            "<style>svg{background:#fff}text{font:13px sans-serif;fill:#222}.head{font-weight:bold}"
            ".bar{fill:#4477aa}.range{stroke:#111;stroke-width:2}"
            ".limit{stroke:#cc3311;stroke-width:3}</style>\n<text class='head' x='12' y='26'>",
            WIDTH, height, WIDTH, height);
    page_text(&p, cmd_model_path(b->args));
    fprintf(p.f, ", ");
    page_text(&p, info->backend);
    fprintf(p.f, " (");
    page_text(&p, info->backend_variant);
    fprintf(p.f, ")</text>\n");
    const int y = draw(&p, b, true, draw(&p, b, false, 30));
    fprintf(p.f,
            "<text x='%d' y='%d'>bar: median; line: least to most; red: the limit that the machine "
            "gave</text>\n</svg>\n",
            LABEL, y + 30);
    return page_end(&p, to, err);
}
