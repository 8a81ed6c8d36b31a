/*
 * prompts.c - the prompts of `bitnet parity`, and what they become in a model's vocabulary.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "parity/parity.h"
#include "run/engine.h"
#include "run/generate.h"

/* Attention works in chunks of 256 positions: the long prompt ends in the third. Judging all of it
 * would take ref-scalar minutes, so the lock-step begins a few tokens before its end. */
enum { LONG = 640, LONG_JUDGED = 8 };

#define STORY                                                                                      \
    "The river came down from the hills in spring and carried more water than the old bridge had " \
    "been made for. Every morning the miller walked to the bank, put a stick into the mud and "    \
    "cut "                                                                                         \
    "a mark where the surface stood. When he came back at noon the mark was under water, and in "  \
    "the evening he could not find the stick at all. On the fourth day the people of the village " \
    "carried their grain to the church on the hill, 27 sacks in all, and counted them twice. "

static const struct parity_prompt known[PARITY_PROMPTS] = {
    {.name = "math", .text = "What is 2+2?", .flags = BNT_ENCODE_BOS},
    {.name = "chat",
     .text = "<|start_header_id|>user<|end_header_id|>\n\nWhat is photosynthesis?<|eot_id|>",
     .flags = BNT_ENCODE_BOS | BNT_ENCODE_PARSE_SPECIAL},
    {.name = "long",
     .text = STORY STORY STORY STORY STORY STORY STORY STORY,
     .flags = BNT_ENCODE_BOS,
     .most = LONG,
     .judged = LONG_JUDGED},
};

/* Names with commas between them, in any order; each prompt is taken once. */
int parity_choose_prompts(struct parity *p, struct bnt_err *err) {
    const char *set = p->o.prompt_set ? p->o.prompt_set : "math";
    bool wanted[PARITY_PROMPTS] = {false};
    char shown[64];
    for (;;) {
        const size_t len = strcspn(set, ",");
        const bool all = len == 3 && memcmp(set, "all", 3) == 0;
        bool found = all;
        for (unsigned i = 0; i < PARITY_PROMPTS; i++) {
            if (!all && !(strlen(known[i].name) == len && memcmp(known[i].name, set, len) == 0))
                continue;
            wanted[i] = found = true;
        }
        if (!found)
            return bnt_fail(err, BNT_E_USAGE, "--prompt-set: '%s' is none of math, chat, long, all",
                            bnt_printable(shown, sizeof shown, set, len));
        if (!set[len]) break;
        set += len + 1;
    }
    for (unsigned i = 0; i < PARITY_PROMPTS; i++)
        if (wanted[i]) p->prompts[p->n_prompts++] = known[i];
    return BNT_OK;
}

/* Cuts a long prompt to its length, or to what the context holds. */
static void cut(struct parity_prompt *q, uint64_t room) {
    if (!q->most) return;
    size_t most = q->most < room ? q->most : (size_t)room;
    if (q->list.count > most) q->list.count = most;
    if (q->list.count > q->judged) q->judged_from = q->list.count - q->judged;
}

int parity_encode_prompts(struct parity *p, uint64_t *longest, struct bnt_err *err) {
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(p->engine);
    uint64_t trained = p->engine->info.n_ctx_train, steps = p->o.steps;
    *longest = 0;
    for (unsigned i = 0; i < p->n_prompts; i++) {
        struct parity_prompt *q = &p->prompts[i];
        int status = bnt_encode_prompt(t, q->text, strlen(q->text), q->flags, &q->list, err);
        if (status != BNT_OK) return status;
        cut(q, trained > steps ? trained - steps : 1);
        for (size_t k = 0; k < q->list.count; k++)
            q->special += q->list.end[k] > q->list.begin[k] &&
                          bnt_tokenizer_type(t, q->list.ids[k]) == BNT_TOKEN_CONTROL;
        if (q->list.count > *longest) *longest = q->list.count;
    }
    return BNT_OK;
}
