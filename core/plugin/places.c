/*
 * places.c - see places.h.
 *
 * The folder is that of the object that holds this very function: the program, or libbitnet.so in
 * somebody's program, beside whose file nothing of ours is to be expected.
 */
#include "plugin/places.h"

#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static char plugins[PATH_MAX], model[PATH_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct search {
    uintptr_t address;
    char path[PATH_MAX]; /* of the object that the address lies in; "" if not found */
};

static int look(struct dl_phdr_info *info, size_t size, void *arg) {
    struct search *s = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || s->address - (info->dlpi_addr + p->p_vaddr) >= p->p_memsz)
            continue;
        bool program = !info->dlpi_name || !info->dlpi_name[0];
        if (!realpath(program ? "/proc/self/exe" : info->dlpi_name, s->path)) s->path[0] = '\0';
        return 1;
    }
    return 0;
}

/* What stands at `beside` from the folder of `object`, else `otherwise`. */
static void place(char out[PATH_MAX], const char *object, const char *beside,
                  const char *otherwise) {
    char path[PATH_MAX];
    const char *slash = strrchr(object, '/');
    snprintf(out, PATH_MAX, "%s", otherwise);
    if (!slash || !beside[0]) return;
    int n = snprintf(path, sizeof path, "%.*s%s", (int)(slash - object) + 1, object, beside);
    if (n < 0 || (size_t)n >= sizeof path) return;
    if (!realpath(path, out)) snprintf(out, PATH_MAX, "%s", otherwise);
}

static void find_places(void) {
    struct search s = {.address = (uintptr_t)&bnt_places};
    if (!getauxval(AT_SECURE)) dl_iterate_phdr(look, &s);
    place(plugins, s.path, bnt_places.plugins_beside, bnt_places.plugins);
    place(model, s.path, bnt_places.model_beside, bnt_places.model);
}

const char *bnt_plugin_dir(void) {
    pthread_once(&once, find_places);
    return plugins;
}

const char *bnt_model_path(void) {
    pthread_once(&once, find_places);
    return model;
}
