/* judge.c - see judge.h. */
#include "plugin/judge.h"

#include <pthread.h>
#include <string.h>

#include "machine/cpu.h"

static void copy_text(char *dst, size_t size, const char *text) {
    bnt_printable(dst, size, text ? text : "", text ? strnlen(text, size) : 0);
}

enum bnt_verdict bnt_backend_fill(struct bnt_backend *out, const bnt_plugin *plugin,
                                  const struct bnt_backend *base, const bnt_kernels *judge,
                                  const bnt_cpu *cpu, uint32_t set, struct bnt_err *err) {
    struct bnt_table table, bases;
    const bnt_host host = {sizeof host, BNT_ABI_MAJOR, BNT_ABI_MINOR, set, cpu};
    const bnt_kernels *k = plugin->kernels ? plugin->kernels(&host) : NULL;
    copy_text(out->name, sizeof out->name, plugin->name);
    copy_text(out->version, sizeof out->version, plugin->version);
    out->abi_major = plugin->abi_major;
    out->abi_minor = plugin->abi_minor;
    if (!k) {
        bnt_fail(err, BNT_E_BACKEND, "it has no kernel set for this CPU");
        return BNT_VERDICT_NO_KERNELS;
    }
    if (base) {
        bases = (struct bnt_table){base->kernels, base->makers};
        memcpy(out->base, base->name, sizeof out->base);
        memcpy(out->base_sha256, base->sha256, sizeof out->base_sha256);
    }
    if (bnt_slots_complete(&table, k, base ? &bases : NULL, judge ? judge : k, err) != BNT_OK)
        return BNT_VERDICT_NO_KERNELS;
    out->kernels = table.kernels;
    out->makers = table.makers;
    bnt_slots_list(&out->makers, BNT_JUDGE, out->by_judge, sizeof out->by_judge);
    bnt_slots_list(&out->makers, BNT_BASE, out->by_base, sizeof out->by_base);
    copy_text(out->variant, sizeof out->variant, out->kernels.variant);
    return BNT_VERDICT_OK;
}

extern const bnt_plugin bnt_judge_plugin; /* ref-scalar's bitnet_plugin_v1, renamed by the build */

static struct bnt_backend judge_backend;

static void make_judge(void) {
    struct bnt_backend b = {0};
    if (bnt_backend_fill(&b, &bnt_judge_plugin, NULL, NULL, bnt_cpu_get(), 0, NULL) ==
        BNT_VERDICT_OK) {
        judge_backend = b;
    }
}

const struct bnt_backend *bnt_judge(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_judge);
    return &judge_backend;
}

int bnt_judge_priority(void) {
    return bnt_judge_plugin.priority;
}
