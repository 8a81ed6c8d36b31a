/*
 * sets.c - see sets.h.
 *
 * Must not know what kernels do. What the loader does is done in a child first, its self-check
 * included: a plugin that crashes there is reported like any other fault. One whose kernels are
 * refused is tested all the same, to say more. Then the file is mapped here, and kernels() is asked
 * once for each list of features that this CPU could have had, from all it has down to what the
 * plugin needs, so that sets for lesser CPUs are tested on a better one. The plugin that it
 * extends, BASE.so in its own folder or else in the plugin folder, goes the same way before it.
 */
#include "sets.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/cpu.h"
#include "machine/fpenv.h"
#include "plugin/places.h"
#include "plugin/slots.h"
#include "plugin/vet.h"

/* ---- in the child: what the loader says ---------------------------------------------------- */

struct probe {                   /* shared with the child */
    char path[4096], base[4096]; /* base: of the plugin it extends, or "" */
    char extends[64];
    enum bnt_verdict verdict;
    bool unsafe;
    char reason[600], unsafe_reason[600];
};

/* The base as the loader would have it; BASE, and why, when it would refuse that. */
static enum bnt_verdict probe_base(struct bnt_sets *base, const struct probe *p,
                                   struct bnt_err *err) {
    struct bnt_plugin_file file;
    struct bnt_err why = {0};
    enum bnt_verdict v = bnt_vet_file(&file, p->base, bnt_cpu_get(), &why);
    if (v == BNT_VERDICT_UNSAFE) /* as below */
        file.fd = open(p->base, O_RDONLY | O_CLOEXEC), fstat(file.fd, &file.st),
        v = bnt_elfnote_read(file.fd, &file.note, &why) == BNT_OK ? BNT_VERDICT_OK : v;
    if (v == BNT_VERDICT_OK && strcmp(file.note.name, p->extends) != 0) {
        bnt_fail(&why, BNT_E_BACKEND, "it calls itself '%s'", file.note.name);
        v = BNT_VERDICT_NOTE_MISMATCH;
    }
    if (v == BNT_VERDICT_OK && file.note.extends[0]) {
        bnt_fail(&why, BNT_E_BACKEND, "it itself extends '%s'", file.note.extends);
        v = BNT_VERDICT_BASE;
    }
    if (v == BNT_VERDICT_OK) v = bnt_vet_load(base, &file, p->base, bnt_cpu_get(), NULL, &why);
    if (v == BNT_VERDICT_OK) return v;
    bnt_fail(err, BNT_E_BACKEND, "the plugin that it extends, '%.300s': %s: %.200s", p->base,
             bnt_verdict_name(v), why.text);
    return v == BNT_VERDICT_CPU ? v : BNT_VERDICT_BASE;
}

static void probe_file(void *arg) {
    struct probe *p = arg;
    struct bnt_plugin_file file;
    static struct bnt_sets sets, base;
    struct bnt_err err = {0};
    const struct bnt_vetting how = {.base = p->base[0] ? &base.of[0] : NULL};
    p->verdict = bnt_vet_file(&file, p->path, bnt_cpu_get(), &err);
    if (p->verdict == BNT_VERDICT_UNSAFE) { /* worth saying, no reason not to test it */
        p->unsafe = true;
        memcpy(p->unsafe_reason, err.text, sizeof err.text);
        char missing[200];
        file.fd = open(p->path, O_RDONLY | O_CLOEXEC);
        p->verdict =
            file.fd < 0 || fstat(file.fd, &file.st) != 0            ? BNT_VERDICT_UNREADABLE
            : bnt_elfnote_read(file.fd, &file.note, &err) != BNT_OK ? BNT_VERDICT_NO_NOTE
            : file.note.abi_major != BNT_ABI_MAJOR                  ? BNT_VERDICT_ABI
            : !bnt_cpu_has(bnt_cpu_get()->features, file.note.needs, missing, sizeof missing)
                ? BNT_VERDICT_CPU
                : BNT_VERDICT_OK;
    }
    if (p->verdict == BNT_VERDICT_OK && p->base[0]) p->verdict = probe_base(&base, p, &err);
    if (p->verdict == BNT_VERDICT_OK)
        p->verdict = bnt_vet_load(&sets, &file, p->path, bnt_cpu_get(), &how, &err);
    memcpy(p->reason, err.text, sizeof err.text);
}

static void map_and_ask(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const bnt_plugin *plugin = handle ? dlsym(handle, BNT_PLUGIN_SYMBOL) : NULL;
    bnt_host host = {sizeof host, BNT_ABI_MAJOR, BNT_ABI_MINOR, 0, bnt_cpu_get()};
    if (plugin && plugin->abi_major == BNT_ABI_MAJOR && plugin->kernels) plugin->kernels(&host);
}

/* Whether mapping the file, and its base, and asking for kernels does any harm. */
static void probe_mapping(void *arg) {
    const struct probe *p = arg;
    if (p->base[0]) map_and_ask(p->base);
    map_and_ask(p->path);
}

/* Whether the judgement is about kernels alone: then they can be looked at one by one. */
static bool about_kernels(enum bnt_verdict v) {
    return v == BNT_VERDICT_OK || v == BNT_VERDICT_SELF_CHECK || v == BNT_VERDICT_FP_ENVIRONMENT;
}

/* ---- here: the sets ------------------------------------------------------------------------ */

struct segments {
    uintptr_t inside; /* an address of the object */
    struct ck_set *set;
};

/* Writable memory of the object, without what the linker made read-only after relocation. */
static int find_segments(struct dl_phdr_info *info, size_t size, void *arg) {
    struct segments *s = arg;
    bool ours = false;
    uintptr_t relro_lo = 0, relro_hi = 0;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t lo = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && s->inside >= lo && s->inside < lo + p->p_memsz) ours = true;
        if (p->p_type == PT_GNU_RELRO) relro_lo = lo, relro_hi = lo + p->p_memsz;
    }
    for (unsigned i = 0; ours && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t lo = info->dlpi_addr + p->p_vaddr, hi = lo + p->p_memsz;
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_W)) continue;
        if (lo >= relro_lo && lo < relro_hi) lo = relro_hi;
        if (lo >= hi || s->set->n_segments == CK_SEGMENTS) continue;
        s->set->segments[s->set->n_segments++] =
            (struct ck_segment){(const unsigned char *)lo, hi - lo};
    }
    return ours;
}

static const bnt_kernels *judge_with(const char *features) {
    static bnt_cpu cpu;
    cpu = *bnt_cpu_get();
    cpu.features = features;
    bnt_host host = {sizeof host, BNT_ABI_MAJOR, BNT_ABI_MINOR, 0, &cpu};
    return bnt_judge_plugin.kernels(&host);
}

/* `features` without the word that starts at `at`. */
static char *without(const char *features, size_t at, char *dst) {
    size_t n = strcspn(features + at, ",");
    memcpy(dst, features, at);
    strcpy(dst + at, features + at + n + (features[at + n] == ','));
    n = strlen(dst);
    if (n && dst[n - 1] == ',') dst[n - 1] = '\0';
    return dst;
}

struct source {
    const bnt_plugin *plugin, *base; /* base: NULL when it extends none */
    const char *path;                /* "" for the linked-in one */
    struct {
        const bnt_kernels *own, *base;
    } seen[16];
    unsigned n_seen;
};

/* Set number n; false where there are not so many. */
static bool ask(struct ck_sets *sets, struct source *from, const char *features, uint32_t n,
                const struct ck_options *options) {
    bnt_cpu cpu = *bnt_cpu_get();
    cpu.features = features;
    bnt_host host = {sizeof host, BNT_ABI_MAJOR, BNT_ABI_MINOR, n, &cpu};
    const bnt_kernels *k = from->plugin->kernels(&host);
    host.set = 0;
    const bnt_kernels *under = from->base ? from->base->kernels(&host) : NULL;
    struct bnt_table table, base;
    struct bnt_err err;
    if (!k || (from->base && !under)) return false;
    if (from->n_seen == CK_COUNT(from->seen) || sets->count == CK_MAX_SETS) return false;
    for (unsigned i = 0; i < from->n_seen; i++)
        if (from->seen[i].own == k && from->seen[i].base == under) return true;
    from->seen[from->n_seen].own = k;
    from->seen[from->n_seen++].base = under;
    struct ck_set *set = calloc(1, sizeof *set);
    if (!set) return false;
    bool is_judge = strcmp(from->plugin->name, bnt_judge_plugin.name) == 0;
    set->judge = judge_with(is_judge || options->long_run ? "" : bnt_cpu_get()->features);
    if ((under && bnt_slots_complete(&base, under, NULL, set->judge, &err) != BNT_OK) ||
        bnt_slots_complete(&table, k, under ? &base : NULL, set->judge, &err) != BNT_OK) {
        free(set);
        return true;
    }
    set->k = table.kernels;
    set->makers = table.makers;
    snprintf(set->base, sizeof set->base, "%s", from->base ? from->base->name : "");
    snprintf(set->plugin, sizeof set->plugin, "%s", from->plugin->name);
    snprintf(set->variant, sizeof set->variant, "%s", set->k.variant ? set->k.variant : "");
    snprintf(set->path, sizeof set->path, "%s", from->path);
    if (options->variant && strcmp(options->variant, set->variant) != 0) {
        free(set);
        return true;
    }
    struct segments s = {(uintptr_t)from->plugin, set};
    if (from->path[0]) dl_iterate_phdr(find_segments, &s);
    sets->at[sets->count++] = set;
    return true;
}

static void ask_each(struct ck_sets *sets, struct source *from, const char *features,
                     const struct ck_options *options) {
    for (uint32_t n = 0; n < BNT_SETS_MOST && ask(sets, from, features, n, options); n++) {
    }
}

/* All features, then without each one that the plugin does not need, then the needs alone. */
static void ask_all(struct ck_sets *sets, const bnt_plugin *plugin, const bnt_plugin *base,
                    const char *path, const struct ck_options *options) {
    const char *all = bnt_cpu_get()->features;
    struct source from = {.plugin = plugin, .base = base, .path = path};
    char *fewer = malloc(strlen(all) + 1);
    if (!fewer) return;
    ask_each(sets, &from, all, options);
    for (size_t at = 0; all[at];) {
        size_t n = strcspn(all + at, ",");
        without(all, at, fewer);
        if (bnt_cpu_has(fewer, plugin->needs, NULL, 0) &&
            (!base || bnt_cpu_has(fewer, base->needs, NULL, 0)))
            ask_each(sets, &from, fewer, options);
        at += n + (all[at + n] == ',');
    }
    if (!base || bnt_cpu_has(plugin->needs, base->needs, NULL, 0))
        ask_each(sets, &from, plugin->needs, options);
    free(fewer);
}

static const bnt_plugin *map_file(const char *real) {
    void *handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    const bnt_plugin *plugin = handle ? dlsym(handle, BNT_PLUGIN_SYMBOL) : NULL;
    if (bnt_fpenv_deviation()) bnt_fpenv_reset();
    return plugin && plugin->kernels ? plugin : NULL;
}

static const char *folder(const struct ck_options *options) {
    const char *from_environment = secure_getenv("BITNET_PLUGIN_DIR");
    return options->plugin_dir ? options->plugin_dir
           : from_environment  ? from_environment
                               : bnt_plugin_dir();
}

/* Fills p->extends and p->base from the note of the file, as far as that can be read. */
static void look_for_base(struct probe *p, const struct ck_options *options) {
    struct bnt_elfnote note;
    char path[8192];
    int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return;
    if (bnt_elfnote_read(fd, &note, &(struct bnt_err){0}) == BNT_OK && note.extends[0]) {
        memcpy(p->extends, note.extends, sizeof p->extends);
        snprintf(path, sizeof path, "%.*s%s.so", (int)(strrchr(p->path, '/') - p->path + 1),
                 p->path, note.extends);
        if (access(path, F_OK) != 0)
            snprintf(path, sizeof path, "%s/%s.so", folder(options), note.extends);
        snprintf(p->base, sizeof p->base, "%.4095s", path);
    }
    close(fd);
}

static void add_file(struct ck_sets *sets, const char *path, const struct ck_options *options) {
    char died[1024];
    unsigned seconds = 4 * options->timeout;
    struct probe *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || !realpath(path, p->path)) {
        printf("%s: FAILED: cannot open it\n", path);
        sets->refused++;
        return;
    }
    look_for_base(p, options);
    bool survived = ck_survives(probe_file, p, seconds, died, sizeof died);
    if (survived && p->verdict == BNT_VERDICT_CPU) {
        fprintf(stderr, "%s: not tested: %s\n", path, p->reason);
        sets->skipped++;
        goto out;
    }
    if (survived && p->unsafe)
        fprintf(stderr, "%s: the loader would refuse it: %s\n", path, p->unsafe_reason);
    if (!survived) {
        printf("%s: FAILED while the loader looked at it%s%s: %s\n", path,
               p->base[0] ? " and at " : "", p->base, died);
    } else if (p->verdict != BNT_VERDICT_OK) {
        printf("%s: FAILED: the loader refuses it (%s): %s\n", path, bnt_verdict_name(p->verdict),
               p->reason);
    }
    if (!survived || p->verdict != BNT_VERDICT_OK) sets->refused++;
    if (survived && !about_kernels(p->verdict)) goto out;
    if (!ck_survives(probe_mapping, p, seconds, died, sizeof died)) goto out;
    const bnt_plugin *base = p->base[0] ? map_file(p->base) : NULL, *plugin = map_file(p->path);
    if (plugin && (base || !p->base[0])) ask_all(sets, plugin, base, path, options);
out:
    munmap(p, sizeof *p);
}

void ck_sets_add(struct ck_sets *sets, const char *what, const struct ck_options *options) {
    char path[8192];
    size_t n = strlen(what);
    if (strchr(what, '/') || (n > 3 && strcmp(what + n - 3, ".so") == 0)) {
        add_file(sets, what, options);
        return;
    }
    snprintf(path, sizeof path, "%s/%s.so", folder(options), what);
    if (access(path, F_OK) != 0 && strcmp(what, bnt_judge_plugin.name) == 0)
        ask_all(sets, &bnt_judge_plugin, NULL, "", options);
    else
        add_file(sets, path, options);
}

static int is_plugin(const struct dirent *e) {
    size_t n = strlen(e->d_name);
    return n > 3 && strcmp(e->d_name + n - 3, ".so") == 0;
}

void ck_sets_add_folder(struct ck_sets *sets, const struct ck_options *options) {
    struct dirent **names = NULL;
    char path[8192];
    int n = scandir(folder(options), &names, is_plugin, alphasort);
    if (n < 0) fprintf(stderr, "bitnet-checkkern: cannot read the folder '%s'\n", folder(options));
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder(options), names[i]->d_name);
        add_file(sets, path, options);
        free(names[i]);
    }
    free(names);
}

void ck_sets_free(struct ck_sets *sets) {
    for (size_t i = 0; i < sets->count; i++) free(sets->at[i]);
    sets->count = 0;
}
