/*
 * vocab_spm.c - tokenizer.model: a SentencePiece model, which is a protobuf message.
 *
 * The one idea: a message is a walk over fields, a number and bytes each, and everything that is
 * not asked for is stepped over. Facts: sentencepiece_model.proto of the SentencePiece project:
 * ModelProto.pieces = 1 {piece = 1, score = 2, type = 3}, trainer_spec = 2 {model_type = 3,
 * treat_whitespace_as_suffix = 24, byte_fallback = 35}, normalizer_spec = 3 {name = 1,
 * precompiled_charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4, escape_whitespaces
 * = 5}.
 */
#include <inttypes.h>
#include <string.h>

#include "convert/vocab_in.h"

enum { VARINT, FIXED64, BYTES, FIXED32 = 5, UNIGRAM = 1, BPE = 2 };

struct field {
    uint64_t number, value; /* value: of VARINT; of FIXED32 its bits */
    unsigned wire;
    const uint8_t *bytes; /* of BYTES */
    size_t len;
};

struct message {
    const uint8_t *at, *end;
    bool broken;
};

static bool varint(struct message *m, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        uint8_t b = *m->at++;
        *out |= (uint64_t)(b & 127) << shift;
        if (b < 128) return true;
    }
    m->broken = true;
    return false;
}

/* The next field; false at the end, or where the message is broken. */
static bool next(struct message *m, struct field *f) {
    uint64_t tag, len = 0;
    if (m->broken || m->at == m->end || !varint(m, &tag)) return false;
    *f = (struct field){.number = tag >> 3, .wire = tag & 7};
    switch (f->wire) {
    case VARINT: return varint(m, &f->value);
    case FIXED64: len = 8; break;
    case FIXED32: len = 4; break;
    case BYTES:
        if (!varint(m, &len)) return false;
        break;
    default: m->broken = true; return false;
    }
    if (len > (uint64_t)(m->end - m->at)) {
        m->broken = true;
        return false;
    }
    f->bytes = m->at;
    f->len = (size_t)len;
    if (f->wire == FIXED32) memcpy(&f->value, m->at, 4);
    m->at += len;
    return true;
}

static struct message inside(const struct field *f) {
    return (struct message){f->bytes, f->bytes + f->len, false};
}

static int broken(struct bnt_err *err) {
    return bnt_fail(err, BNT_E_FORMAT, "tokenizer.model is no SentencePiece model, or damaged");
}

static int read_piece(struct bnt_vocab_in *v, const struct field *f, struct bnt_err *err) {
    struct bnt_piece_in *p;
    struct message m = inside(f);
    struct field g;
    uint64_t type = BNT_PIECE_NORMAL;
    int status = bnt_vocab_in_piece(&p, v, v->count, err);
    if (status != BNT_OK) return status;
    if (!p) return bnt_fail(err, BNT_E_LIMIT, "tokenizer.model: %" PRIu32 " pieces", v->count);
    p->text = "";
    while (next(&m, &g)) {
        if (g.number == 1 && g.wire == BYTES) p->text = (const char *)g.bytes, p->len = g.len;
        if (g.number == 2 && g.wire == FIXED32) {
            uint32_t bits = (uint32_t)g.value;
            memcpy(&p->score, &bits, sizeof bits);
        }
        if (g.number == 3 && g.wire == VARINT) type = g.value;
    }
    if (m.broken || type < BNT_PIECE_NORMAL || type > BNT_PIECE_BYTE) return broken(err);
    p->type = (enum bnt_piece_type)type; /* the same numbers */
    if (p->type == BNT_PIECE_USER && !memmem(p->text, p->len, "\xE2\x96\x81", 3))
        v->note =
            "the tokenizer has user-defined pieces, which GGUF's readers find before anything "
            "else, and put a space behind: texts with them may get other tokens";
    return BNT_OK;
}

static int read_trainer(const struct field *f, struct bnt_err *err) {
    struct message m = inside(f);
    struct field g;
    uint64_t kind = UNIGRAM, suffix = 0;
    while (next(&m, &g)) {
        if (g.number == 3 && g.wire == VARINT) kind = g.value;
        if (g.number == 24 && g.wire == VARINT) suffix = g.value;
    }
    if (m.broken) return broken(err);
    if (suffix)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tokenizer.model puts spaces behind words (treat_whitespace_as_suffix)");
    if (kind == BPE) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tokenizer.model is a SentencePiece model of kind %s; only BPE is converted",
                    kind == UNIGRAM ? "Unigram" : "word or character");
}

static int read_normalizer(struct bnt_vocab_in *v, const struct field *f, struct bnt_err *err) {
    struct message m = inside(f);
    struct field g;
    uint64_t extra = 1, escape = 1;
    size_t map = 0, name_len = 0;
    const char *name = "";
    while (next(&m, &g)) {
        if (g.number == 1 && g.wire == BYTES) name = (const char *)g.bytes, name_len = g.len;
        if (g.number == 2 && g.wire == BYTES) map = g.len;
        if (g.wire != VARINT) continue;
        if (g.number == 3) v->add_space = g.value != 0;
        if (g.number == 4) extra = g.value;
        if (g.number == 5) escape = g.value;
    }
    if (m.broken) return broken(err);
    if (map) {
        char shown[48];
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tokenizer.model replaces characters first (normalizer '%s'), which GGUF "
                        "has no word for",
                        bnt_printable(shown, sizeof shown, name, name_len));
    }
    if (escape == 0)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "tokenizer.model leaves spaces as they are");
    if (extra)
        v->note = "the tokenizer takes away spaces that follow each other, which GGUF has no word "
                  "for: such texts get other tokens";
    return BNT_OK;
}

int bnt_vocab_in_read_spm(struct bnt_vocab_in *v, const void *model, size_t size,
                          struct bnt_err *err) {
    struct message m = {model, (const uint8_t *)model + size, false};
    struct field f;
    int status = BNT_OK;
    bool trained = false;
    v->add_space = true;
    while (status == BNT_OK && next(&m, &f)) {
        if (f.wire != BYTES) continue;
        if (f.number == 1) status = read_piece(v, &f, err);
        if (f.number == 2) status = read_trainer(&f, err);
        if (f.number == 3) status = read_normalizer(v, &f, err);
        trained |= f.number == 2;
    }
    if (status == BNT_OK && (m.broken || v->count == 0 || !trained)) status = broken(err);
    return status;
}
