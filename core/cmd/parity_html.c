/*
 * parity_html.c - `bitnet parity --html=FILE`: what the lock-step found, to look at.
 *
 * A map for each prompt: a row is a layer, a column an operation in the plan's order, a cell how
 * often the operation there was compared and how often it differed. The first difference, from
 * which others may follow, is marked and told in words.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/page.h"
#include "cmd/parity.h"

static const char style[] =
    "body{font:14px sans-serif;color:#222;margin:2em;max-width:100%}table{border-collapse:collapse}"
    "th{font-weight:normal;font-size:12px;padding:2px 4px;text-align:right}"
    "thead th{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left}"
    "td{width:1.7em;height:1.5em;border:1px solid #fff;text-align:center;font-size:11px}"
    ".map{overflow-x:auto}.none{background:#eee}.same{background:#9fd3a7}.bad1{background:#f7c6a3}"
    ".bad2{background:#ee8866}.bad3{background:#cc3311;color:#fff}"
    ".first{outline:3px solid #000;outline-offset:-2px;font-weight:bold}"
    ".ok{color:#117733}.no{color:#cc3311}";

/* What a column is called: the kind, and of a tensor what stands behind "blk.N.". */
static void column_name(const struct bnt_op *op, char *name, size_t size) {
    const char *tensor = op->tensor;
    if (strncmp(tensor, "blk.", 4) == 0) {
        tensor += 4 + strspn(tensor + 4, "0123456789");
        if (*tensor == '.') tensor++;
    }
    snprintf(name, size, "%s%s%.*s", bnt_op_name(op->kind), *tensor ? " " : "",
             (int)(strlen(tensor) > 7 && strcmp(tensor + strlen(tensor) - 7, ".weight") == 0
                       ? strlen(tensor) - 7
                       : strlen(tensor)),
             tensor);
}

static void cell(struct page *p, const struct parity *run, const struct parity_prompt *q,
                 uint32_t k) {
    const struct bnt_op *op = &bnt_look_plan(bnt_session_exec(run->session))->ops[k];
    const struct bnt_lockstep_cell *c = &q->cells[k];
    const bool first = q->lockstep.found && q->lockstep.first.op == k;
    const double share = c->compared ? (double)c->different / (double)c->compared : 0;
    char name[96];
    column_name(op, name, sizeof name);
    fprintf(p->f, "<td class='%s%s' title='",
            c->compared == 0    ? "none"
            : c->different == 0 ? "same"
            : share < 0.34      ? "bad1"
            : share < 0.67      ? "bad2"
                                : "bad3",
            first ? " first" : "");
    page_text(p, name);
    if (op->layer < run->engine->info.n_layer) fprintf(p->f, ", layer %" PRIu32, op->layer);
    fprintf(p->f, ": %" PRIu32 " of %" PRIu32 " differ'>", c->different, c->compared);
    if (c->different) fprintf(p->f, "%" PRIu32, c->different);
    fprintf(p->f, "%s</td>", first ? "&#9733;" : "");
}

/* The operations of [from, to), all of one layer or around them, as a row. */
static void row(struct page *p, const struct parity *run, const struct parity_prompt *q,
                const char *name, uint32_t from, uint32_t to) {
    fprintf(p->f, "<tr><th scope='row'>%s</th>", name);
    for (uint32_t k = from; k < to; k++) cell(p, run, q, k);
    fprintf(p->f, "</tr>\n");
}

static void columns(struct page *p, const struct bnt_plan *plan, uint32_t from, uint32_t to) {
    char name[96];
    fprintf(p->f, "<div class='map'><table><thead><tr><th></th>");
    for (uint32_t k = from; k < to; k++) {
        column_name(&plan->ops[k], name, sizeof name);
        fprintf(p->f, "<th scope='col'>");
        page_text(p, name);
        fprintf(p->f, "</th>");
    }
    fprintf(p->f, "</tr></thead><tbody>\n");
}

/* Do two runs of operations have the same columns? */
static bool alike(const struct bnt_plan *plan, uint32_t a, uint32_t b, uint32_t n) {
    char left[96], right[96];
    for (uint32_t i = 0; i < n; i++) {
        column_name(&plan->ops[a + i], left, sizeof left);
        column_name(&plan->ops[b + i], right, sizeof right);
        if (strcmp(left, right) != 0) return false;
    }
    return true;
}

/* The plan in stretches of one layer each; layers with the same operations share a table. */
static void map(struct page *p, const struct parity *run, const struct parity_prompt *q) {
    const struct bnt_plan *plan = bnt_look_plan(bnt_session_exec(run->session));
    const uint32_t n_layer = run->engine->info.n_layer;
    uint32_t head = 0, width = 0; /* of the table that is open */
    for (uint32_t from = 0, to; from < plan->n_ops; from = to) {
        const uint32_t layer = plan->ops[from].layer;
        char name[32];
        for (to = from + 1; to < plan->n_ops && plan->ops[to].layer == layer; to++) {
        }
        if (width != to - from || !alike(plan, head, from, width)) {
            if (width) fprintf(p->f, "</tbody></table></div>\n");
            head = from;
            width = to - from;
            columns(p, plan, from, to);
        }
        if (layer < n_layer)
            snprintf(name, sizeof name, "layer %" PRIu32, layer);
        else
            snprintf(name, sizeof name, from == 0 ? "before" : "behind");
        row(p, run, q, name, from, to);
    }
    if (width) fprintf(p->f, "</tbody></table></div>\n");
}

static void prompt(struct page *p, const struct parity *run, const struct parity_prompt *q) {
    char text[400];
    fprintf(p->f, "<h2>%s: %zu tokens</h2>\n<p>", q->name, q->list.count);
    if (q->freed)
        fprintf(p->f, "Free run: %zu of %zu tokens equal, %zu of %zu vectors of logits. ",
                q->free.equal_tokens, q->x.steps, q->free.equal_logits, q->x.steps);
    if (q->stepped) fprintf(p->f, "Lock-step: %" PRIu64 " values compared. ", q->lockstep.values);
    fprintf(p->f, "</p>\n");
    if (!q->stepped || !q->cells) return;
    if (q->lockstep.found) {
        fprintf(p->f, "<p class='no'>First difference (&#9733;): ");
        page_text(p, bnt_op_difference_text(&q->lockstep.first, run->engine->info.n_layer, text,
                                            sizeof text));
        fprintf(p->f, "</p>\n");
    }
    map(p, run, q);
}

int parity_html(const struct parity *run, const char *model, const char *verdict,
                struct bnt_output *to, struct bnt_err *err) {
    struct page p;
    int status = page_begin(&p, err);
    if (status != BNT_OK) return status;
    const bool good = strcmp(verdict, "ok") == 0;
    fprintf(p.f,
            "<!DOCTYPE html>\n<html xmlns='http://www.w3.org/1999/xhtml' lang='en'><head>"
            "<meta charset='utf-8'/><title>bitnet parity: %s</title><style>%s</style></head><body>"
            "\n<h1>bitnet parity: <span class='%s'>%s</span></h1>\n<p>",
            verdict, style, good ? "ok" : "no", verdict);
    page_text(&p, model);
    if (run->engine) {
        fprintf(p.f, ", ");
        page_text(&p, run->engine->backend->name);
    }
    if (run->judge) {
        fprintf(p.f, " beside ");
        page_text(&p, run->judge->name);
    }
    fprintf(p.f, ". Green: compared, and the same to the bit; orange to red: some to all differ; "
                 "grey: not compared.</p>\n");
    for (unsigned i = 0; run->session && i < run->n_prompts; i++) prompt(&p, run, &run->prompts[i]);
    fprintf(p.f, "</body></html>\n");
    return page_end(&p, to, err);
}
