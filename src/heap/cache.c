/* Thread caches of slots: in front of the slabs, one list a class.
 *
 *                               refill, when empty: 4 KiB of slots, 32 at least, of a partial slab,
 *   malloc  <- pop    +-------+ or the next 4 KiB of one that was never filled            +-------+
 *                     | cache | <-------------------------------------------------------- | slabs |
 *   free    -> push   +-------+ --------------------------------------------------------> +-------+
 *                               overflow: half of what it is to hold, or a batch when it holds more
 *
 * A cache is to hold a share of the slots that its class has in use, because one that waits here keeps its slab from
 * going back: when a program gives up its memory, the caches give theirs up too. A refill may bring more than the
 * share, so an overflow does not give all of it back in one step. */
#include "heap/heap.h"
#include "heap/remote.h"

enum {
  CACHE_LEAST = 8, /* slots */
  CACHE_MOST = 32,
  CACHE_BATCH = 32, /* slots of an overflow at most */
  CACHE_SHARE = 8   /* part of the slots in use */
};

static unsigned held(const fh_cache *cache) { return (unsigned)(cache->limit - cache->room); }

/* Room for at least half of what it is to hold, however much a refill has brought: else the next push overflows. */
static void set_room(fh_cache *cache, unsigned holds, unsigned most) {
  cache->room = (int32_t)(holds < most / 2 ? most - holds : most - most / 2);
  cache->limit = cache->room + (int32_t)holds;
}

static unsigned most_of(const fh_heap *heap, unsigned class) {
  return (unsigned)fh_min(fh_max(heap->slabs[class].out / CACHE_SHARE, CACHE_LEAST), CACHE_MOST);
}

void fh_cache_flush(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    fh_cache *cache = &heap->cache[class];
    if (cache->first != NULL) {
      cache->first = fh_slab_return(heap, class, cache->first, held(cache));
      set_room(cache, 0, most_of(heap, class));
    }
  }
  heap->slab_gives = 0;
}

/* Room has gone below 0. */
fh_noinline void fh_cache_overflow(fh_cache *cache, fh_heap *heap) {
  unsigned class = (unsigned)(cache - heap->cache), holds = held(cache), most = most_of(heap, class);
  if (holds >= most) {
    unsigned surplus = (unsigned)fh_min(holds - most / 2, CACHE_BATCH);
    cache->first = fh_slab_return(heap, class, cache->first, surplus);
    holds -= surplus;
  }
  set_room(cache, holds, most);
  if (fh_slab_shrinks(heap)) {
    fh_cache_flush(heap);
  }
  fh_remote_some(heap); /* a thread that only frees looks here */
}

static void fill(fh_heap *heap, unsigned class, void *first, unsigned count) {
  heap->cache[class].first = first;
  set_room(&heap->cache[class], count, most_of(heap, class));
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
    heap->slabs[class].out += count;
    fill(heap, class, *(void **)slot, count - 1);
  }
  return slot;
}
