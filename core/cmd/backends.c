/*
 * backends.c - `bitnet backends`: the machine, and the decision table of the plugins found.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/terminal.h"
#include "file/types.h"
#include "machine/cpu.h"
#include "plugin/choice.h"
#include "run/rows.h"

/* Dense types that a backend does not know, each after a blank; their number. */
static unsigned expanded_types(const struct bnt_backend *b, char *out, size_t size) {
    const struct bnt_type_info *t;
    unsigned count = 0;
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; (t = bnt_type_at(i)); i++) {
        if (t->kind != BNT_KIND_DENSE || !bnt_rows_expand(&b->kernels, t->id)) continue;
        int n = snprintf(out + used, size - used, " %s", t->name);
        if (n > 0 && (size_t)n < size - used) used += (size_t)n;
        count++;
    }
    return count;
}

/* The kernel sets that one was chosen among, and what they were measured to do. */
static void show_sets(const struct bnt_sets *sets) {
    for (unsigned i = 0; sets && sets->count > 1 && i < sets->count; i++) {
        printf("  %-16s     %c   %s", "", i == sets->taken ? '*' : ' ', sets->of[i].variant);
        if (sets->rate[i] > 0.0)
            printf(": %.1f G ternary weights a second from memory", sets->rate[i] * 1e-9);
        printf("\n");
    }
}

static json_t *sets_as_json(const struct bnt_sets *sets) {
    json_t *list = json_array();
    for (unsigned i = 0; sets && i < sets->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:b}", "variant", sets->of[i].variant,
                                              "weights_per_second", (json_int_t)sets->rate[i],
                                              "taken", (int)(i == sets->taken)));
    return list;
}

static void show_text(const struct bnt_backends *b, const struct bnt_topology_info *top) {
    printf("CPU      %s: %u cores, %u hardware threads\n", bnt_cpu_model(), top->cores, top->pus);
    printf("features %s\n", bnt_cpu_get()->features);
    printf("plugins  %s\n", bnt_backends_dir(b));
    if (bnt_backends_note(b)[0]) printf("         %s\n", bnt_backends_note(b));
    for (size_t i = 0; i < bnt_backends_count(b); i++) {
        const struct bnt_candidate *c = bnt_backends_at(b, i);
        const struct bnt_backend *usable = bnt_backends_get(b, i);
        printf("%c %-16s %4d  %s%-14s%s %s\n", c->chosen ? '*' : ' ', c->name, c->priority,
               color(stdout, usable ? COLOR_GOOD : COLOR_BAD), bnt_verdict_name(c->verdict),
               color(stdout, COLOR_NONE), c->reason);
        if (usable)
            printf("  %-16s       kernels %s, version %s%s%s\n", "", usable->variant,
                   usable->version, usable->by_judge[0] ? ", by ref-scalar: " : "",
                   usable->by_judge);
        show_sets(bnt_backends_sets(b, i));
        if (usable && usable->base[0])
            printf("  %-16s       extends %s, which does: %s\n", "", usable->base, usable->by_base);
        char types[200];
        if (usable && expanded_types(usable, types, sizeof types))
            printf("  %-16s       rows of these types become F32 first:%s\n", "", types);
    }
}

static json_t *as_json(const struct bnt_backends *b, const struct bnt_topology_info *top) {
    json_t *candidates = json_array();
    for (size_t i = 0; i < bnt_backends_count(b); i++) {
        const struct bnt_candidate *c = bnt_backends_at(b, i);
        const struct bnt_backend *usable = bnt_backends_get(b, i);
        json_t *o =
            json_pack("{s:s, s:o, s:i, s:s, s:o, s:b}", "name", c->name, "path",
                      cmd_json_text(c->path, strlen(c->path)), "priority", c->priority, "verdict",
                      bnt_verdict_name(c->verdict), "reason",
                      cmd_json_text(c->reason, strlen(c->reason)), "chosen", (int)c->chosen);
        char types[200];
        if (o && usable) {
            expanded_types(usable, types, sizeof types);
            json_object_set_new(o, "sets", sets_as_json(bnt_backends_sets(b, i)));
            json_object_set_new(
                o, "kernels",
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "variant",
                          usable->variant, "version", usable->version, "sha256", usable->sha256,
                          "by_judge", usable->by_judge, "base", usable->base, "base_sha256",
                          usable->base_sha256, "by_base", usable->by_base, "types_as_f32",
                          types[0] ? types + 1 : "", "abi_major", (int)usable->abi_major,
                          "abi_minor", (int)usable->abi_minor));
        }
        json_array_append_new(candidates, o);
    }
    const char *note = bnt_backends_note(b);
    return json_pack("{s:{s:s, s:s, s:i, s:i, s:i}, s:o, s:s, s:o}", "machine", "cpu",
                     bnt_cpu_model(), "features", bnt_cpu_get()->features, "cores", (int)top->cores,
                     "hardware_threads", (int)top->pus, "numa_nodes", (int)top->numa_nodes,
                     "plugin_dir", cmd_json_text(bnt_backends_dir(b), strlen(bnt_backends_dir(b))),
                     "note", note, "backends", candidates);
}

int cmd_backends(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_backends *b = NULL;
    struct bnt_topology *top = NULL;
    int status = bnt_topology_open(&top, err);
    if (status != BNT_OK) return status;
    status = bnt_backends_open(
        &b,
        &(struct bnt_backends_options){.plugin_dir = args->plugin_dir,
                                       .try_all = true,
                                       .work = &(struct bnt_work){.topology = top}},
        err);
    if (status == BNT_OK) {
        if (args->json) {
            status = cmd_write_json(as_json(b, bnt_topology_info(top)), err);
        } else {
            show_text(b, bnt_topology_info(top));
            status = cmd_flush(err);
        }
    }
    bnt_backends_close(b);
    bnt_topology_close(top);
    return status;
}
