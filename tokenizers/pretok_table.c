/*
 * pretok_table.c - every value of tokenizer.ggml.pre that is known, and the expressions it stands
 * for.
 *
 * Knows names and expressions only. The names are those of llama.cpp (v0.5.0) and the forks that
 * ternary models come with; the expressions are those of the tokenizers that the models were
 * trained with (tokenizer.json), where llama.cpp approximates them (tekken, gpt-4o, tiny_aya), and
 * llama.cpp's otherwise. Rows of one family cut, merge and begin alike.
 */
#include <string.h>

#include "pretok.h"

/* ---- parts that several expressions share -----------------------------------------------------
 */

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define OTHERS " ?[^\\s\\p{L}\\p{N}]+"
#define SPACES "\\s+(?!\\S)|\\s+"
#define NEWLINES "\\s*[\\r\\n]+"
/* A word that ends its run of capitals where small letters begin; letters without case are both. */
#define CASED(large, small, tail)                                                                  \
    "[^\\r\\n\\p{L}\\p{N}]?" large "*" small "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" large "+" small    \
    "*" tail
#define LARGE "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define SMALL "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define LARGE_NOT_HAN "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define SMALL_NOT_HAN "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define ASCII_SIGN "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define HAN_KANA "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define HAN_HANGUL "[\\x{800}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+"
#define SIGN_WORD ASCII_SIGN "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
#define CONTRACTION_SMALL "'s|'t|'re|'ve|'m|'ll|'d"
#define GPT2 CONTRACTION_SMALL "| ?\\p{L}+| ?\\p{N}+|" OTHERS "|" SPACES
#define LLAMA3(digits) CONTRACTION "|" WORD "|" digits "|" OTHERS "[\\r\\n]*|" NEWLINES "|" SPACES

/* ---- the cuts of each family ------------------------------------------------------------------
 */

typedef const char *const cuts[BNT_CUTS_MAX + 1];

static cuts plain_default = {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"};
static cuts falcon = {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"};
static cuts gpt2 = {GPT2};
static cuts starcoder = {"\\p{N}", GPT2};
static cuts llama3 = {LLAMA3("\\p{N}{1,3}")};
static cuts qwen2 = {LLAMA3("\\p{N}")};
static cuts qwen35 = {CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|"
                                  " ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" NEWLINES "|" SPACES};
static cuts jais2 = {CONTRACTION "|" WORD "|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" NEWLINES
                                 "|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|"
                                 "\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|"
                                 "\\s{1,2}(?!\\S)|\\s"};
static cuts minicpm5 = {"\\p{N}{1,3}", LLAMA3("\\p{N}+")};
static cuts ufakzeka = {WORD "|\\p{N}|" OTHERS "[\\r\\n]*|" NEWLINES "|" SPACES};
static cuts seed_coder = {CONTRACTION "|" WORD "|\\p{N}|" OTHERS "|" NEWLINES "|" SPACES};
static cuts bailingmoe = {CONTRACTION "|" WORD "|\\p{N}|" OTHERS "[\\r\\n]*|\\s*[\\r\\n]|" SPACES};
static cuts laguna = {"[^\\n]+|\\n+", LLAMA3("\\p{N}")};
static cuts exaone_moe = {CONTRACTION
                          "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|"
                          "\\p{N}|" OTHERS "[\\r\\n/]?|\\s*[\\r\\n]|" SPACES};
static cuts tekken = {CASED(LARGE, SMALL, "") "|\\p{N}|" OTHERS "[\\r\\n/]*|" NEWLINES "|" SPACES};
static cuts gpt4o = {CASED(LARGE, SMALL, CONTRACTION "?") "|\\p{N}{1,3}|" OTHERS
                                                          "[\\r\\n/]*|" NEWLINES "|" SPACES};
static cuts tiny_aya = {BNT_CUT_THREES_APART,
                        CASED(LARGE, SMALL, CONTRACTION "?") "|\\p{N}{1,3}|" OTHERS
                                                             "[\\r\\n/]*|" NEWLINES "|" SPACES};
static cuts youtu = {
    "[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}"
    "\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}"
    "\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|" HAN_KANA,
    CASED(LARGE, SMALL, CONTRACTION "?") "|\\p{N}|" OTHERS "[\\r\\n/]*|" NEWLINES "|" SPACES};
static cuts kimi_k2 = {"\\p{Han}+|" CASED(LARGE_NOT_HAN, SMALL_NOT_HAN, CONTRACTION "?") //
                       "|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" NEWLINES "|" SPACES};
static cuts deepseek_coder = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", HAN_HANGUL, "\\p{N}"};
static cuts deepseek_v3 = {"\\p{N}{1,3}", HAN_KANA,
                           SIGN_WORD "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" NEWLINES "|" SPACES};
static cuts spark = {"\\p{N}{1,3}", HAN_KANA, SIGN_WORD "| ?[\\p{P}\\p{S}]+|[\\r\\n]|" SPACES,
                     "\\p{N}"};
/* The first range of the third group is that of the compatibility ideographs, which llama.cpp's
 * source has in a normalised spelling (U+8C48). */
static cuts afmoe = {BNT_CUT_THREES,
                     "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{F900}-\\x{FAFF}\\x{3040}-\\x{309F}"
                     "\\x{30A0}-\\x{30FF}\\x{FF65}-\\x{FF9F}\\x{2F00}-\\x{2FDF}\\x{E40}-\\x{EFF}"
                     "\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-\\x{AA7F}\\x{A9E0}-\\x{A9FF}"
                     "\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+",
                     SIGN_WORD "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" NEWLINES "|" SPACES};
static cuts superbpe = {"\\p{N}+", BNT_CUT_THREES_BEFORE};
#define BLOOM " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
static cuts bloom = {BLOOM};
static cuts viking = {BLOOM, "\\p{N}"};
static cuts chameleon = {"<sentinel:[0-9]+>",      "IMGIMG[A-I]{1,4}Z",
                         "[\\t\\n]|    |  ",       "\\p{N}",
                         "[\\p{P}!-/:-@\\[-`{-~]", GPT2};
/* Letters of the scripts that have cases; then ASCII and wide punctuation; then \s+$, said so that
 * a run of spaces inside a word is looked at once. */
static cuts deepseek_llm = {
    "[\\r\\n]",
    "\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}"
    "\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}"
    "\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}"
    "\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}"
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}"
    "\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}"
    "\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}"
    "\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}"
    "\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}"
    "\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}"
    "\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}"
    "\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}"
    "\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}"
    "\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}"
    "\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+",
    "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
    "(?:\\s|\\S)*\\S|\\s+",
    HAN_HANGUL,
    "\\p{N}+"};

/* ---- names ------------------------------------------------------------------------------------
 */

enum { MERGES = 0, WHOLE = 1, BOS = 2 }; /* WHOLE: ignore_merges */
#define ROW(name, family, cuts, flags)                                                             \
    { name, family, cuts, ((flags)&WHOLE) != 0, ((flags)&BOS) != 0 }
#define LLAMA3_ROW(name) ROW(name, "llama-bpe", llama3, WHOLE | BOS)
#define SMAUG_ROW(name) ROW(name, "smaug-bpe", llama3, MERGES)
#define QWEN2_ROW(name) ROW(name, "qwen2", qwen2, MERGES)
#define GPT2_ROW(name) ROW(name, "gpt-2", gpt2, MERGES)
#define STARCODER_ROW(name) ROW(name, "starcoder", starcoder, MERGES)
#define GPT4O_ROW(name) ROW(name, "gpt-4o", gpt4o, MERGES)
#define DEEPSEEK_V3_ROW(name) ROW(name, "deepseek-v3", deepseek_v3, MERGES)
#define BLOOM_ROW(name) ROW(name, "bloom", bloom, MERGES)
#define BAILING_ROW(name) ROW(name, "bailingmoe", bailingmoe, MERGES)
#define OTHER_ROW(name, cuts) ROW(name, name, cuts, MERGES)
#define NOT_BYTE_LEVEL(name) ROW(name, name, NULL, MERGES)

static const struct bnt_pretok known[] = {
    OTHER_ROW("default", plain_default),
    LLAMA3_ROW("llama-bpe"),
    LLAMA3_ROW("llama3"),
    LLAMA3_ROW("llama-v3"),
    LLAMA3_ROW("falcon3"),
    LLAMA3_ROW("falcon_e"),
    LLAMA3_ROW("falcon-e"),
    LLAMA3_ROW("falcon-h1"),
    LLAMA3_ROW("pixtral"),
    LLAMA3_ROW("midm-2.0"),
    LLAMA3_ROW("lfm2"),
    LLAMA3_ROW("jina-v5-nano"),
    SMAUG_ROW("smaug-bpe"),
    SMAUG_ROW("dbrx"),
    SMAUG_ROW("chatglm-bpe"),
    SMAUG_ROW("glm4"),
    QWEN2_ROW("qwen2"),
    QWEN2_ROW("deepseek-r1-qwen"),
    QWEN2_ROW("kormo"),
    QWEN2_ROW("f2llmv2"),
    QWEN2_ROW("stablelm2"),
    QWEN2_ROW("megrez"),
    QWEN2_ROW("hunyuan"),
    QWEN2_ROW("solar-open"),
    QWEN2_ROW("grok-2"),
    OTHER_ROW("qwen35", qwen35),
    GPT2_ROW("gpt-2"),
    GPT2_ROW("phi-2"),
    GPT2_ROW("mpt"),
    GPT2_ROW("olmo"),
    GPT2_ROW("jais"),
    GPT2_ROW("exaone4"),
    GPT2_ROW("trillion"),
    GPT2_ROW("modern-bert"),
    GPT2_ROW("granite-docling"),
    GPT2_ROW("gigachat"),
    GPT2_ROW("a.x-4.0"),
    GPT2_ROW("mellum"),
    GPT2_ROW("jina-es"),
    GPT2_ROW("jina-de"),
    GPT2_ROW("jina-v1-en"),
    GPT2_ROW("jina-v2-es"),
    GPT2_ROW("jina-v2-de"),
    GPT2_ROW("jina-v2-code"),
    GPT2_ROW("roberta-bpe"),
    STARCODER_ROW("starcoder"),
    STARCODER_ROW("refact"),
    STARCODER_ROW("command-r"),
    STARCODER_ROW("smollm"),
    STARCODER_ROW("codeshell"),
    STARCODER_ROW("exaone"),
    STARCODER_ROW("minerva-7b"),
    STARCODER_ROW("mellum2"),
    OTHER_ROW("falcon", falcon),
    GPT4O_ROW("gpt-4o"),
    GPT4O_ROW("llama4"),
    GPT4O_ROW("kanana2"),
    GPT4O_ROW("talkie"),
    GPT4O_ROW("minimax-m2"),
    ROW("granite-embed-multi-97m", "granite-embed-multi-97m", gpt4o, WHOLE),
    ROW("tekken", "tekken", tekken, WHOLE | BOS),
    OTHER_ROW("tiny_aya", tiny_aya),
    ROW("cohere2moe", "tiny_aya", tiny_aya, MERGES),
    OTHER_ROW("kimi-k2", kimi_k2),
    OTHER_ROW("deepseek-llm", deepseek_llm),
    OTHER_ROW("deepseek-coder", deepseek_coder),
    DEEPSEEK_V3_ROW("deepseek-v3"),
    DEEPSEEK_V3_ROW("hunyuan-dense"),
    DEEPSEEK_V3_ROW("joyai-llm"),
    DEEPSEEK_V3_ROW("hy_v4"),
    OTHER_ROW("spark2_5", spark),
    ROW("youtu", "youtu", youtu, WHOLE),
    OTHER_ROW("jais-2", jais2),
    ROW("minicpm5", "minicpm5", minicpm5, WHOLE),
    OTHER_ROW("ufakzeka", ufakzeka),
    OTHER_ROW("seed-coder", seed_coder),
    BAILING_ROW("bailingmoe"),
    BAILING_ROW("bailingmoe2"),
    BAILING_ROW("llada-moe"),
    OTHER_ROW("laguna", laguna),
    OTHER_ROW("exaone-moe", exaone_moe),
    OTHER_ROW("afmoe", afmoe),
    OTHER_ROW("superbpe", superbpe),
    BLOOM_ROW("bloom"),
    BLOOM_ROW("poro-chat"),
    BLOOM_ROW("gpt3-finnish"),
    OTHER_ROW("viking", viking),
    ROW("chameleon", "chameleon", chameleon, BOS),
    NOT_BYTE_LEVEL("gemma4"),
    NOT_BYTE_LEVEL("granite-embed-multi-311m"),
    NOT_BYTE_LEVEL("sarvam-moe"),
    NOT_BYTE_LEVEL("whitespace"),
};
enum { N_KNOWN = sizeof known / sizeof known[0] };

const struct bnt_pretok *bnt_pretok_at(size_t i) {
    return i < N_KNOWN ? &known[i] : NULL;
}

const struct bnt_pretok *bnt_pretok_find(struct bnt_str name) {
    for (size_t i = 0; i < N_KNOWN; i++)
        if (bnt_str_eq(name, known[i].name)) return &known[i];
    return NULL;
}

const struct bnt_pretok *bnt_pretok_named(const char *name) {
    return bnt_pretok_find((struct bnt_str){name, strlen(name)});
}

char *bnt_pretok_names(char *dst, size_t size) {
    size_t n = 0;
    if (size == 0) return dst;
    for (size_t i = 0; i < N_KNOWN; i++) {
        size_t len = strlen(known[i].name);
        if (!known[i].cuts) continue;
        if (n + len + 2 > size) break;
        if (n) dst[n++] = ' ';
        memcpy(dst + n, known[i].name, len);
        n += len;
    }
    dst[n] = 0;
    return dst;
}
