/* tokens.c - POST /tokenize and /detokenize, GET /tokenizer_info and /props: the model as its files
 * have it, for evaluation harnesses and editors. */
#include <stdlib.h>
#include <string.h>

#include "serve/server.h"

/* A member that is true, false or not there. */
static bool flag(const json_t *body, const char *name, bool otherwise) {
    const json_t *v = json_object_get(body, name);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

void serve_tokenize(struct serve_server *s, struct serve_request *r) {
    json_t *body = serve_body_object(s, r);
    if (!body) return;
    const json_t *text = json_object_get(body, "prompt");
    if (!text) text = json_object_get(body, "content"); /* as llama-server's clients call it */
    const unsigned flags =
        (flag(body, "add_special_tokens", flag(body, "add_special", true)) ? BNT_ENCODE_BOS : 0u) |
        (flag(body, "parse_special", false) ? BNT_ENCODE_PARSE_SPECIAL : 0u);
    struct bnt_token_list list = {0};
    struct bnt_err err = {0};
    if (!json_is_string(text)) {
        serve_fail(s, r, 400, "prompt", "prompt: must be a text");
    } else if (bnt_tokenizer_encode(bnt_engine_tokenizer(s->engine), json_string_value(text),
                                    json_string_length(text), flags, &list, &err) != BNT_OK) {
        serve_fail(s, r, serve_status_of(err.status), "prompt", "%s", err.text);
    } else {
        serve_reply_json(r, 200,
                         json_pack("{s:o, s:I, s:I}", "tokens",
                                   serve_json_ids(list.ids, list.count), "count",
                                   (json_int_t)list.count, "max_model_len",
                                   (json_int_t)serve_scheduler_context(s->scheduler)));
    }
    bnt_token_list_free(&list);
    json_decref(body);
}

static int32_t *read_ids(const json_t *list, size_t *n) {
    *n = json_array_size(list);
    int32_t *ids = malloc((*n + 1) * sizeof *ids);
    for (size_t i = 0; i < *n && ids; i++) {
        const json_int_t id = json_integer_value(json_array_get(list, i));
        ids[i] = json_is_integer(json_array_get(list, i)) && id >= 0 && id <= INT32_MAX
                     ? (int32_t)id
                     : -1;
    }
    return ids;
}

static bool all_known(const struct serve_server *s, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= bnt_engine_info(s->engine)->n_vocab) return false;
    return true;
}

void serve_detokenize(struct serve_server *s, struct serve_request *r) {
    json_t *body = serve_body_object(s, r);
    if (!body) return;
    const json_t *list = json_object_get(body, "tokens");
    struct bnt_err err = {0};
    char *text = NULL;
    size_t n, len;
    int32_t *ids = read_ids(list, &n);
    if (!ids)
        serve_fail(s, r, 503, NULL, "out of memory");
    else if (!json_is_array(list) || !all_known(s, ids, n))
        serve_fail(s, r, 400, "tokens", "tokens: must be a list of ids of the vocabulary");
    else if (bnt_tokenizer_decode(bnt_engine_tokenizer(s->engine), ids, n, true, &text, &len,
                                  &err) != BNT_OK)
        serve_fail(s, r, serve_status_of(err.status), "tokens", "%s", err.text);
    else
        serve_reply_json(r, 200,
                         json_pack("{s:o, s:o}", "prompt", serve_json_text(text, len), "content",
                                   serve_json_text(text, len)));
    free(text);
    free(ids);
    json_decref(body);
}

/* The text of a token, or null where there is none. */
static json_t *piece(const struct bnt_tokenizer *t, int32_t id) {
    if (id < 0) return json_null();
    const struct bnt_str text = bnt_tokenizer_piece(t, id);
    return serve_json_text(text.ptr, text.len);
}

void serve_tokenizer_info(struct serve_server *s, struct serve_request *r) {
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(s->engine);
    const struct bnt_tokenizer_info *i = bnt_tokenizer_info(t);
    struct bnt_str chat = {0};
    if (bnt_gguf_find(s->engine->gguf, "tokenizer.chat_template"))
        bnt_gguf_str(s->engine->gguf, "tokenizer.chat_template", &chat);
    serve_reply_json(
        r, 200,
        json_pack("{s:s, s:s, s:I, s:b, s:b, s:o, s:o, s:o, s:o, s:i, s:i, s:o}", "tokenizer_class",
                  i->kind, "pre", i->pre, "vocab_size", (json_int_t)i->vocab_size, "add_bos_token",
                  (int)i->add_bos, "add_eos_token", (int)i->add_eos, "bos_token", piece(t, i->bos),
                  "eos_token", piece(t, i->eos), "eot_token", piece(t, i->eot), "unk_token",
                  piece(t, i->unk), "bos_token_id", (int)i->bos, "eos_token_id", (int)i->eos,
                  "chat_template", chat.ptr ? serve_json_text(chat.ptr, chat.len) : json_null()));
}

void serve_props(struct serve_server *s, struct serve_request *r) {
    const struct bnt_engine_info *info = bnt_engine_info(s->engine);
    const struct serve_load load = serve_scheduler_load(s->scheduler);
    const struct bnt_template *tm = &s->chat.tm;
    const struct bnt_template *tools = &s->for_tools.tm;
    serve_reply_json(
        r, 200,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s?, s:s?, s:s*}", "version",
                  BNT_VERSION, "model", s->model_id, "model_sha256", s->model_sha256,
                  "system_fingerprint", s->fingerprint, "backend", info->backend, "backend_variant",
                  info->backend_variant, "threads",
                  (json_int_t)serve_scheduler_threads(s->scheduler), "n_ctx",
                  (json_int_t)serve_scheduler_context(s->scheduler), "running",
                  (json_int_t)load.running, "waiting", (json_int_t)load.waiting, "chat_template",
                  tm->name, "chat_template_sha256", tm->name ? tm->sha256 : NULL,
                  "chat_template_tool_use_sha256", tools->name ? tools->sha256 : NULL));
}
