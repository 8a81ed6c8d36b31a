/* generation.c - see generation.h. */
#include "run/generation.h"

#include <stdlib.h>

void bnt_generation_free(struct bnt_generation *g) {
    free(g->tokens);
    free(g->chosen_logits);
    free(g->links);
    free(g->logprobs);
    free(g->top_logprobs);
    free(g->text);
    *g = (struct bnt_generation){0};
}

const char *bnt_stop_reason_name(enum bnt_stop_reason reason) {
    switch (reason) {
    case BNT_STOP_LENGTH: return "length";
    case BNT_STOP_EOG: return "end-of-text";
    case BNT_STOP_STRING: return "stop-string";
    case BNT_STOP_CONTEXT: return "context-full";
    case BNT_STOP_INTERRUPTED: return "interrupted";
    }
    return "?";
}
