/*
 * sort.h - qsort, which may not be handed a null pointer even where there is nothing to sort.
 *
 * An empty list of ours is often a null pointer with a count of 0 (C11 7.22.5 and 7.1.4 leave that
 * undefined), so everything sorts through here; tests/rooms.sh finds a bare qsort.
 */
#ifndef BNT_BASE_SORT_H
#define BNT_BASE_SORT_H

#include <stdlib.h>

static inline void bnt_sort(void *list, size_t n, size_t size,
                            int (*compare)(const void *a, const void *b)) {
    if (n > 1) qsort(list, n, size, compare);
}

/* NULL where nothing is equal. */
static inline void *bnt_find_sorted(const void *key, const void *list, size_t n, size_t size,
                                    int (*compare)(const void *a, const void *b)) {
    return n ? bsearch(key, list, n, size, compare) : NULL;
}

#endif
