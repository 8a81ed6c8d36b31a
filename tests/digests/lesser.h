/*
 * lesser.h - before a plugin's plugin.c: its choice of a kernel set is made for a CPU that has
 * nothing beyond what the plugin needs. So whole runs reach the lesser set on a machine that would
 * never choose it. The plugin is otherwise the same, name and kernels.
 *
 * plugin.c defines choose(host), a use with parentheses, which becomes choose_for(host); it hands
 * `choose`, without them, to BNT_PLUGIN: the function below.
 */
#ifndef BITNET_TESTS_LESSER_H
#define BITNET_TESTS_LESSER_H

#include <bitnet/plugin.h>

static const bnt_kernels *choose_for(const bnt_host *host);

static const bnt_kernels *choose(const bnt_host *host) {
    bnt_cpu cpu = *host->cpu;
    bnt_host lesser = *host;
    cpu.features = "";
    lesser.cpu = &cpu;
    return choose_for(&lesser);
}

#define choose(host) choose_for(host)

#endif
