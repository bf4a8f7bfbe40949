/* Slabs of which few slots are used: the kernel's pages in them that no used slot reaches into go back.
 *
 *   | . . used . . . | . . . . . . . | . . . . us|ed . used . |      a slab, and the kernel's pages in it
 *                      purged
 *
 * A heap may hold some of them as they are. When they are too many, those that were listed first are watched: each slot
 * that comes back is looked at, and pages without a used slot are purged, many with one call. A slab that is watched
 * serves last of all. */
#ifndef FH_HEAP_SPARSE_H
#define FH_HEAP_SPARSE_H

#include "heap/heap.h"

/* Used slots of a slab that counts as sparse: with more of them hardly a page is free of all. */
unsigned fh_sparse_most(unsigned class);

void fh_sparse_keep_budget(fh_heap *);      /* a slab was listed as sparse, or slots came back to one that is watched */
uint64_t fh_sparse_kept(const fh_heap *);   /* bytes without a used slot, about */
uint64_t fh_sparse_budget(const fh_heap *); /* that many may stay */

/* Of watched slabs. */
void fh_sparse_came_back(fh_heap *, fh_span *);           /* some slots of it */
void fh_sparse_unwatch(fh_heap *, fh_span *);             /* it serves again */
void fh_sparse_forget(fh_heap *, fh_span *);              /* its page goes back */
bool fh_sparse_is_purged(const fh_span *, size_t offset); /* the byte there */

void fh_sparse_shrink(fh_heap *); /* the heap is found shrunken: keeps what was learnt to be taken again */
size_t fh_sparse_trim(fh_heap *); /* watches and purges all that are sparse: bytes that went back */

#endif
