/*
 * chosen.h - before a plugin's plugin.c: its choice of a kernel set is made for a CPU that has the
 * features CHOOSE_FOR beyond what the plugin needs. So whole runs reach a set on a machine that
 * would choose another. The plugin is otherwise the same, name and kernels.
 *
 * plugin.c defines choose(host), a use with parentheses, which becomes choose_for(host); it hands
 * `choose`, without them, to BNT_PLUGIN: the function below.
 */
#ifndef BITNET_TESTS_CHOSEN_H
#define BITNET_TESTS_CHOSEN_H

#include <bitnet/plugin.h>

static const bnt_kernels *choose_for(const bnt_host *host);

static const bnt_kernels *choose(const bnt_host *host) {
    bnt_cpu cpu = *host->cpu;
    bnt_host other = *host;
    cpu.features = CHOOSE_FOR;
    other.cpu = &cpu;
    return choose_for(&other);
}

#define choose(host) choose_for(host)

#endif
