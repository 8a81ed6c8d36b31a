/*
 * hostile.h - parts of plugins that are not what they should be: notes and descriptors written by
 * hand, and ref-scalar's kernels to start from.
 */
#ifndef TEST_HOSTILE_H
#define TEST_HOSTILE_H

#include "kernels.h"

#define NOTE(text_)                                                                                \
    __attribute__((used, section(".note.bitnet"), aligned(4))) static const struct {               \
        uint32_t namesz, descsz, type;                                                             \
        char owner[8], desc[sizeof text_];                                                         \
    } note_ = {sizeof BNT_NOTE_NAME, sizeof text_, BNT_NOTE_TYPE, BNT_NOTE_NAME, text_}

#define DESCRIPTOR(...)                                                                            \
    extern const bnt_plugin bitnet_plugin_v1;                                                      \
    __attribute__((visibility("default"))) const bnt_plugin bitnet_plugin_v1 = {__VA_ARGS__}

/* A plugin whose kernels are not worth a look: it extends another one. */
#define EXTENDS(name_, base_)                                                                      \
    TABLE()                                                                                        \
    BNT_PLUGIN_EXTENDS(name_, "1", "", 90, kernels, base_)

/* A copy of ref-scalar's table in `own`, which the file then changes. */
#define TABLE(...)                                                                                 \
    static const bnt_kernels *kernels(const bnt_host *host) {                                      \
        static bnt_kernels own;                                                                    \
        (void)host;                                                                                \
        own = ref_table;                                                                           \
        __VA_ARGS__;                                                                               \
        return &own;                                                                               \
    }

#endif
