/* Which slots of a slab are free: a bit for each, apart from the slots (as jemalloc has them).
 *
 *   slab   | used | free | used | free | never handed out .......... | no slot |
 *   map       0      1      0      1      1   1   1   1   1   1   1   1  1  1      purged, due: of its pages
 *
 * A slot that comes back is not touched, and one that comes back twice is noticed whenever that is: its bit is set
 * already. So is that of whatever was never handed out. */
#ifndef FH_HEAP_SLOTMAP_H
#define FH_HEAP_SLOTMAP_H

#include "fit/hole.h"

enum {
  FH_SLOTMAP_ORDERS = 5,
  FH_SLOTMAP_FIRST = 480 /* words that a heap has of its own: for four slabs of each class */
};

/* Written by the thread of its heap alone, or, for an orphan, by who holds the orphan lock. The slab's descriptor is
 * not written when slots come back: threads that free them from outside read it, each time. */
typedef struct fh_slotmap {
  uint32_t counts;             /* fh_slotmap_live; above it the countdown less one, which falls with it in one step */
  uint8_t order;               /* it has 1 << order words */
  uint8_t purged, due;         /* of a watched slab: sets of parts (heap/sparse.h) */
  _Alignas(8) uint64_t free[]; /* 0: the slot is used */
} fh_slotmap;

/* Where a heap gets them: from its own words, then from pages that hold maps of one length. What comes back serves
 * again, and a page of which all have come back goes. */
typedef struct fh_slotmaps {
  fh_slotmap *spare[FH_SLOTMAP_ORDERS]; /* of its own words */
  fh_hole pages[FH_SLOTMAP_ORDERS];     /* heads of lists: those that have room */
  size_t used;                          /* of its own words, from the first */
  _Alignas(8) uint64_t first[FH_SLOTMAP_FIRST];
} fh_slotmaps;

fh_slotmap *fh_slotmap_take(fh_slotmaps *, unsigned class); /* all bits are set; NULL: no memory */
void fh_slotmap_give(fh_slotmaps *, fh_slotmap *);

/* Slots that are not free: with the program or in the cache. Statistics read it whenever they like. */
fh_inline unsigned fh_slotmap_live(const fh_slotmap *map) { return fh_racy_load(map->counts) & 0xffff; }

/* `countdown` slots, 1 at least, may come back until something must be done (heap/slab.c). */
fh_inline void fh_slotmap_set(fh_slotmap *map, unsigned live, unsigned countdown) {
  __atomic_store_n(&map->counts, live | (countdown - 1) << 16, __ATOMIC_RELAXED);
}

/* True: something must be done. */
fh_inline bool fh_slotmap_came_back(fh_slotmap *map, unsigned count) {
  uint32_t counts = map->counts - count * UINT32_C(0x10001);
  __atomic_store_n(&map->counts, counts, __ATOMIC_RELAXED);
  return (int32_t)counts < 0;
}

/* Links a spare one to others, by a pointer in its first word. */
fh_inline void fh_slotmap_push(fh_slotmap **list, fh_slotmap *map) {
  map->free[0] = (uint64_t)(uintptr_t)*list;
  *list = map;
}

fh_inline fh_slotmap *fh_slotmap_pop(fh_slotmap **list) {
  fh_slotmap *map = *list;
  *list = (fh_slotmap *)(uintptr_t)map->free[0];
  return map;
}

fh_inline bool fh_slotmap_is_free(const fh_slotmap *map, unsigned slot) {
  return (map->free[slot / 64] >> slot % 64 & 1) != 0;
}

#endif
