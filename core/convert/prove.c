/* prove.c - see prove.h. */
#include "convert/prove.h"

#include "model/model.h"
#include "tokenizer.h"

int bnt_prove_file(const char *path, const struct bnt_gguf *made_from, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_model *m = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_err why = {0};
    int status = bnt_gguf_open(&g, path, &why);
    if (status == BNT_OK && made_from) bnt_gguf_ignore_alike(g, made_from);
    if (status == BNT_OK) status = bnt_model_open(&m, g, &why);
    if (status == BNT_OK) status = bnt_tokenizer_open(&t, g, &why);
    if (status != BNT_OK)
        bnt_fail(err, status, "the file that was made cannot be run: %.500s", why.text);
    bnt_tokenizer_close(t);
    bnt_model_close(m);
    bnt_gguf_close(g);
    return status;
}
