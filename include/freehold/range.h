/* Free space in addresses that are never touched: GPU memory, pages of a file, ports, page numbers.
 *
 * A range hands out stretches [address, address + length) of [base, base + length). What it knows of them stands in
 * nodes of 32 bytes outside the space, one for each allocation and each hole.
 *
 * With FH_FIT_GOOD and FH_FIT_BUDDY alloc and free take a number of steps that depends on the 64 bits of a length and
 * not on the number of holes; an aligned request that no hole serves for certain looks at a few and may pass over one
 * that happens to lie well. With the other policies alloc looks through the list. Not locked: one thread at a time.
 * Every status is described in status.h; a call that does not answer FH_OK has changed nothing. */
#ifndef FREEHOLD_RANGE_H
#define FREEHOLD_RANGE_H

#include <freehold/status.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct fh_range fh_range;

/* How the free list is ordered. */
typedef enum fh_order {
  FH_ORDER_ADDRESS = 0,
  FH_ORDER_SIZE_UP,   /* smallest first; equals in the order they came */
  FH_ORDER_SIZE_DOWN, /* largest first; equals in the order they came */
  FH_ORDER_FRONT,     /* the last given back first */
  FH_ORDER_BACK       /* the last given back last */
} fh_order;

/* All zero: good fit, coalescing, granule 1. */
typedef struct fh_range_options {
  fh_fit fit;
  fh_order order;   /* of the free list; FIRST, NEXT, BEST and WORST only */
  bool no_coalesce; /* to show what happens without; the same four policies only */
  uint64_t granule; /* lengths are rounded up to a multiple; 0 means 1 */
  uint64_t header;  /* charged in front of each allocation; the address answered is behind it */
} fh_range_options;

/* A range over [base, base + length), whose nodes it takes from malloc as they are needed. NULL: base + length
 * overflows, length is 0, an option makes no sense, or there is no memory (errno is malloc's). Options may be NULL: all
 * zero. */
fh_range *fh_range_create(uint64_t base, uint64_t length, const fh_range_options *);

/* The same within the caller's memory, aligned or not, which must stay until fh_range_destroy. Never calls malloc: when
 * the nodes run out, calls answer FH_EXHAUSTED and nothing is lost. NULL also when `bytes` does not hold two nodes. */
fh_range *fh_range_create_in(void *memory, size_t bytes, uint64_t base, uint64_t length, const fh_range_options *);

/* Bytes that fh_range_create_in needs for that many allocations and holes together; 0 when it overflows. */
size_t fh_range_bytes_for(size_t nodes, const fh_range_options *);

/* Frees the nodes of fh_range_create; NULL is ignored. The caller's memory stays the caller's. */
void fh_range_destroy(fh_range *);

/* Hands out `length` at a multiple of `alignment` (a power of two; 0 and 1: anywhere). FH_INVALID: length 0, overflow,
 * alignment no power of two. FH_EXHAUSTED: less is free in total, or no node is left. FH_FRAGMENTED otherwise. */
fh_status fh_range_alloc(fh_range *, uint64_t length, uint64_t alignment, uint64_t *address);

/* Hands out exactly [address, address + length). FH_NOT_OWNED: outside the range. FH_FRAGMENTED: not all of it is free.
 * Steps: the number of holes and allocations before `address` at most. */
fh_status fh_range_alloc_at(fh_range *, uint64_t address, uint64_t length);

/* Gives back what an alloc answered. FH_NOT_OWNED, FH_DOUBLE_FREE (it lies in a hole). */
fh_status fh_range_free(fh_range *, uint64_t address);

/* At the end; what is new joins a free tail. FH_INVALID: the end would overflow. */
fh_status fh_range_grow(fh_range *, uint64_t more);

/* Gives back a free tail. FH_EXHAUSTED: the last `less` are not all free. FH_INVALID: nothing would be left. */
fh_status fh_range_shrink(fh_range *, uint64_t less);

/* O(1), but the number of holes for `largest` with FIRST, NEXT, BEST and WORST. */
void fh_range_space(const fh_range *, fh_space *);

/* FH_OK, or FH_CORRUPT when what is counted twice differs. Steps: the number of nodes. */
fh_status fh_range_check(const fh_range *);

/* Every allocation and hole in address order; what the last visit returned. */
int fh_range_walk(const fh_range *, fh_visit *, void *arg);

/* The free list in its own order (BUDDY and GOOD: in address order). */
int fh_range_walk_list(const fh_range *, fh_visit *, void *arg);

/* Of the allocation at `address`: what was asked for; 0: there is none. */
uint64_t fh_range_length(const fh_range *, uint64_t address);

/* Entries of the free list that the last fh_range_alloc looked at (FIRST, NEXT, BEST, WORST). */
uint64_t fh_range_searched(const fh_range *);

/* One pass along the free list in its own order: an entry that begins where the one before it in the list ends is
 * joined to it. In address order that joins all neighbours. The number of entries that are gone. */
uint64_t fh_range_coalesce(fh_range *);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
