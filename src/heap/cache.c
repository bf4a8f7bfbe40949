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
 * share, so an overflow does not give all of it back in one step. A class of which the program has freed all keeps a
 * slab by its cache alone: those go before the heap grows. */
#include "heap/heap.h"
#include "heap/remote.h"

enum {
  CACHE_LEAST = 8,  /* slots */
  CACHE_SPARSE = 4, /* slots in use a slab: with fewer, each that waits here is likely to keep one */
  CACHE_MOST = 32,
  CACHE_BATCH = 32, /* slots of an overflow at most */
  CACHE_SHARE = 8,  /* part of the slots in use */
  IDLE_SLABS = 8,   /* that only caches keep: so many, and such a part of all, are worth a look at all classes */
  IDLE_SHARE = 4,
  IDLE_BATCH = 32 /* slabs that go back in one call, about */
};

static unsigned held(const fh_cache *cache) { return (unsigned)(cache->limit - cache->room); }

/* Room for at least half of what it is to hold, however much a refill has brought: else the next push overflows. */
static void set_room(fh_cache *cache, unsigned holds, unsigned most) {
  cache->room = (int32_t)(holds < most / 2 ? most - holds : most - most / 2);
  cache->limit = cache->room + (int32_t)holds;
}

static unsigned most_of(const fh_heap *heap, unsigned class) {
  const fh_slabs *slabs = &heap->slabs[class];
  unsigned least = slabs->out < (size_t)slabs->count * CACHE_SPARSE ? 1 : CACHE_LEAST;
  return (unsigned)fh_min(fh_max(slabs->out / CACHE_SHARE, least), CACHE_MOST);
}

static void flush(fh_heap *heap, unsigned class) {
  fh_cache *cache = &heap->cache[class];
  if (cache->first != NULL) {
    cache->first = fh_slab_return(heap, class, cache->first, held(cache));
    set_room(cache, 0, most_of(heap, class));
  }
}

void fh_cache_flush(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    flush(heap, class);
  }
  heap->slab_gives = 0;
}

/* Something waits, and the program uses nothing. */
static bool is_idle(const fh_heap *heap, unsigned class) {
  return heap->cache[class].first != NULL && heap->slabs[class].out == held(&heap->cache[class]);
}

void fh_cache_flush_idle(fh_heap *heap) {
  size_t before = heap->slab_count, slabs = 0;
  if (before < IDLE_SLABS) {
    return;
  }
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    slabs += is_idle(heap, class) ? heap->slabs[class].count : 0;
  }
  if (slabs < IDLE_SLABS || slabs < before / IDLE_SHARE) {
    return;
  }
  for (unsigned class = 1; class < FH_CLASSES && before - heap->slab_count < IDLE_BATCH; class ++) {
    if (is_idle(heap, class)) {
      flush(heap, class);
    }
  }
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
