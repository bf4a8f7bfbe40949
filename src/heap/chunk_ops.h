/* The small words of the chunk heap, so that chunk.c reads as the algorithm. */
#ifndef FH_HEAP_CHUNK_OPS_H
#define FH_HEAP_CHUNK_OPS_H

#include "heap/chunk.h"

enum {
  CHUNK_USED = 1,        /* not a hole */
  CHUNK_BEFORE_FREE = 2, /* the chunk before is a hole */
  CHUNK_QUICK = 4,       /* used for its neighbours, free for the program: it waits in a quick list */
  CHUNK_FRESH = 8,       /* hole: reads as zero behind its links */
  CHUNK_FLAGS = 63
};

#define CHUNK_LENGTH_MASK (((uint64_t)1 << 22) - 1)
#define CHUNK_CHECK_SHIFT 50

typedef struct big_hole {
  uint64_t head;
  fh_hole link;
  fh_hole dirty; /* in chunks->dirty_list when units != 0 */
  uint64_t units;
} big_hole;

/* Other threads read the head of a chunk that they free or measure while its owner marks a neighbour in it. */
fh_inline uint64_t chunk_head(const fh_chunk *c) { return __atomic_load_n(&c->head, __ATOMIC_RELAXED); }

fh_inline void chunk_set(fh_chunk *c, uint64_t head) { __atomic_store_n(&c->head, head, __ATOMIC_RELAXED); }

/* 14 bits that depend on the address, all of its low ones too: user data is not taken for a head. */
fh_inline uint64_t chunk_check(const fh_chunk *c) {
  return (uint64_t)((uint32_t)(uintptr_t)c * UINT32_C(0x9E3779B1) >> 18) << CHUNK_CHECK_SHIFT;
}

fh_inline bool chunk_is_checked(const fh_chunk *c, uint64_t head) {
  return (head ^ chunk_check(c)) >> CHUNK_CHECK_SHIFT == 0;
}

/* In the hands of the program, going by a head that was read at c. */
fh_inline bool chunk_is_used(const fh_chunk *c, uint64_t head) {
  uint64_t mask = ~UINT64_C(0) << CHUNK_CHECK_SHIFT | CHUNK_QUICK | CHUNK_USED;
  return ((head ^ (chunk_check(c) | CHUNK_USED)) & mask) == 0;
}

/* Whether it is the start of a used chunk, as far as its head tells; then *usable are the bytes that it can hold. The
 * END of a stretch looks like one of no length. */
fh_inline bool fh_chunk_seen(const void *user, size_t *usable) {
  const fh_chunk *c = (const fh_chunk *)(const void *)((uintptr_t)user - FH_CHUNK_HEAD);
  uint64_t head = chunk_head(c);
  size_t bytes = (size_t)(head >> 6 & CHUNK_LENGTH_MASK) * FH_UNIT;
  *usable = bytes - FH_CHUNK_HEAD;
  return chunk_is_used(c, head) && bytes != 0;
}

fh_inline bool fh_chunk_is_used(const void *user) {
  size_t usable;
  return fh_chunk_seen(user, &usable);
}

fh_inline void chunk_write(fh_chunk *c, uint64_t length, uint64_t before, uint64_t flags) {
  chunk_set(c, flags | length << 6 | before << 28 | chunk_check(c));
}

fh_inline uint64_t head_length(uint64_t head) { return head >> 6 & CHUNK_LENGTH_MASK; }

fh_inline uint64_t head_before(uint64_t head) { return head >> 28 & CHUNK_LENGTH_MASK; }

fh_inline uint64_t chunk_length(const fh_chunk *c) { return head_length(chunk_head(c)); }

fh_inline uint64_t chunk_before_length(const fh_chunk *c) { return head_before(chunk_head(c)); }

fh_inline uint64_t chunk_flags(const fh_chunk *c) { return chunk_head(c) & CHUNK_FLAGS; }

fh_inline fh_chunk *chunk_at(fh_chunk *c, int64_t units) { return (fh_chunk *)(void *)((char *)c + units * FH_UNIT); }

fh_inline fh_chunk *chunk_next(fh_chunk *c) { return chunk_at(c, (int64_t)chunk_length(c)); }

fh_inline fh_chunk *chunk_before(fh_chunk *c) { return chunk_at(c, -(int64_t)chunk_before_length(c)); }

fh_inline fh_chunk *chunk_of(const void *user) { return (fh_chunk *)(void *)((uintptr_t)user - FH_CHUNK_HEAD); }

fh_inline void *chunk_user(fh_chunk *c) { return (char *)c + FH_CHUNK_HEAD; }

fh_inline uint64_t chunk_units(size_t bytes) {
  uint64_t units = (bytes + FH_CHUNK_HEAD + FH_UNIT - 1) / FH_UNIT;
  return units < 2 ? 2 : units;
}

fh_inline size_t fh_chunk_usable(const void *user) {
  return (size_t)chunk_length(chunk_of(user)) * FH_UNIT - FH_CHUNK_HEAD;
}

fh_inline fh_hole *hole_link(fh_chunk *c) { return (fh_hole *)chunk_user(c); }

fh_inline fh_chunk *hole_chunk(fh_hole *hole) { return chunk_of(hole); }

fh_inline uint64_t hole_length(const fh_hole *hole) { return chunk_length(chunk_of(hole)); }

fh_inline big_hole *big_of(fh_chunk *c) { return (big_hole *)c; }

/* Tells the chunk behind another how long that is and whether it is a hole. */
fh_inline void chunk_tell(fh_chunk *next, uint64_t length, bool hole) {
  uint64_t head = chunk_head(next) & ~(CHUNK_LENGTH_MASK << 28 | CHUNK_BEFORE_FREE);
  chunk_set(next, head | length << 28 | (hole ? CHUNK_BEFORE_FREE : 0));
}

#endif
