/* Thread caches of slots: in front of the slabs, one list a class.
 *
 *   malloc  <- pop    +-------+  refill, when empty: all free slots of the fullest slab   +-------+
 *                     | cache | <-------------------------------------------------------- | slabs |
 *   free    -> push   +-------+ --------------------------------------------------------> +-------+
 *                                overflow: all but half of what it is to hold, in a batch
 *
 * How much a cache is to hold is learned, as in the quick lists of the chunk heap: one that was full and empty in turn
 * may hold more, up to a share of the slots of its class; one that overflows again and again holds less and less,
 * because a slot that waits here keeps its slab from going back. A refill may bring more than that: nothing of it has
 * been touched since. */
#include "heap/heap.h"

enum {
  CACHE_LEAST = 8, /* slots */
  CACHE_MOST = 64,
  CACHE_SHARE = 16, /* part of the slots of the class */
  CACHE_IDLE = 256  /* slots that it returned since it was last empty: the program is giving up its memory */
};

#define AT(class) (uint16_t) offsetof(fh_heap, cache[class])
#define AT_2(class) AT(class), AT(class)
#define AT_4(class) AT_2(class), AT_2(class)
const uint16_t fh_cache_of_grain[FH_GRAINS] = {
    AT(1),    AT(1),    AT(2),    AT(3),    AT(4),    AT(5),    AT(6),    AT(7),    AT(8),    AT(9),    AT(10),
    AT(11),   AT(12),   AT(13),   AT(14),   AT(15),   AT(16),   AT_2(17), AT_2(18), AT_2(19), AT_2(20), AT_2(21),
    AT_2(22), AT_2(23), AT_2(24), AT_4(25), AT_4(26), AT_4(27), AT_4(28), AT_4(29), AT_4(30), AT_4(31), AT_4(32),
};

static unsigned held(const fh_cache *cache) { return (unsigned)(cache->limit - cache->room); }

/* Room for at least half of what it is to hold, however much a refill has brought: else the next push overflows. */
static void set_room(fh_cache *cache, unsigned holds, unsigned most) {
  cache->room = (int32_t)(holds < most / 2 ? most - holds : most - most / 2);
  cache->limit = cache->room + (int32_t)holds;
}

void fh_cache_flush(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    fh_cache *cache = &heap->cache[class];
    if (cache->first != NULL) {
      cache->first = fh_slab_return(heap, cache->first, held(cache));
      set_room(cache, 0, heap->slabs[class].most);
    }
  }
  heap->slab_gives = 0;
}

static unsigned most_allowed(const fh_slabs *slabs, unsigned class) {
  size_t share = slabs->count * (FH_PAGE_SIZE / fh_class_bytes(class)) / CACHE_SHARE;
  return (unsigned)fh_min(fh_max(share, CACHE_LEAST), CACHE_MOST);
}

/* Slots that a full cache is to hold from now on. */
static unsigned learn(fh_slabs *slabs, unsigned class) {
  unsigned allowed = most_allowed(slabs, class), most = slabs->most;
  if (slabs->returned >= CACHE_IDLE) {
    most = (unsigned)fh_max(most / 2, CACHE_LEAST);
  } else if (slabs->returned == 0 && most < allowed) {
    most = (unsigned)fh_min(fh_max(2 * most, CACHE_LEAST), allowed);
  }
  slabs->most = (uint16_t)most;
  return most;
}

/* Room has gone below 0. */
fh_noinline void fh_cache_overflow(fh_cache *cache, fh_heap *heap) {
  unsigned class = (unsigned)(cache - heap->cache), holds = held(cache);
  fh_slabs *slabs = &heap->slabs[class];
  unsigned most = learn(slabs, class);
  if (holds >= most) {
    unsigned keep = slabs->returned < CACHE_IDLE ? most / 2 : 0;
    cache->first = fh_slab_return(heap, cache->first, holds - keep);
    slabs->returned = (uint16_t)fh_min(slabs->returned + holds - keep, CACHE_IDLE);
    holds = keep;
  }
  set_room(cache, holds, most);
  if (fh_slab_shrinks(heap)) {
    fh_cache_flush(heap);
  }
}

void *fh_slab_take(fh_heap *heap, unsigned class) {
  fh_cache *cache = &heap->cache[class];
  void *slot = cache->first;
  if (slot != NULL) {
    cache->first = *(void **)slot;
    cache->room++;
    return slot;
  }
  unsigned count;
  slot = fh_slab_refill(heap, class, &count);
  if (slot != NULL) {
    cache->first = *(void **)slot;
    set_room(cache, count - 1, heap->slabs[class].most);
    heap->slabs[class].returned = 0;
  }
  return slot;
}
