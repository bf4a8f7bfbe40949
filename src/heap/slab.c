/* Slabs: one page of slots of one size.
 *
 *   | slot | slot | slot | ... | slot | not carved yet: untouched ...... |
 *     used   free   used         free
 *
 * A slot is free when its bit in the slab's map is set (heap/slotmap.h). Those that the thread cache holds count as
 * used here: it takes them some at a time, in order of addresses, and gives slots back in batches (heap/cache.c).
 *
 *   state    on the list              countdown counts slots given back until
 *   FULL     none                     a sixteenth of the slots: then it is partial
 *   QUARTER  one for each quarter     used slots reach the next quarter below, at last so few that it is sparse
 *   SPARSE   slabs.partial[state]     none is used: the page goes back
 *   DUE      slabs.partial[state]     each slot: what few are used are counted by pages of the kernel's (heap/sparse.h)
 *   WATCHED  slabs.partial[state]     the same, and nothing of it can be purged
 *
 * A slab that the cache takes from counts as full meanwhile. One whose slots are all out is on no list, so that it can
 * go without its thread (heap/sleeper.h). */
#include "base/fatal.h"
#include "heap/heap.h"
#include "heap/sleeper.h"
#include "heap/sparse.h"
#include "os/os.h"

/* A class with that many slabs will fill the next one too: its memory is asked for at once. The last of so many is
 * half empty on average. */
enum { POPULATE_COUNT = 16 };

static void list_push(fh_heap *heap, fh_span *slab, fh_slab_state state) {
  fh_slabs *slabs = &heap->slabs[slab->class];
  fh_hole *list = &slabs->partial[state];
  slab->state = (uint8_t)state;
  slabs->listed |= 1u << state;
  slab->link = (fh_hole){list, list->prev};
  list->prev->next = &slab->link;
  list->prev = &slab->link;
  heap->sparse.count += state == FH_SLAB_SPARSE;
}

static void list_remove(fh_heap *heap, fh_span *slab) {
  fh_hole *next = slab->link.next, *prev = slab->link.prev;
  prev->next = next;
  next->prev = prev;
  if (next == prev) { /* the head */
    heap->slabs[slab->class].listed &= ~(1u << slab->state);
  }
  heap->sparse.count -= slab->state == FH_SLAB_SPARSE;
}

fh_span *fh_slab_first(fh_heap *heap, unsigned class, fh_slab_state state) {
  fh_slabs *slabs = &heap->slabs[class];
  return (slabs->listed >> state & 1) == 0 ? NULL : fh_span_of(slabs->partial[state].next);
}

/* With the first slab of its class: a thread that uses few classes leaves the memory of the others untouched. */
static void start_lists(fh_slabs *slabs) {
  for (unsigned state = 0; state < FH_SLAB_FULL; state++) {
    slabs->partial[state] = (fh_hole){&slabs->partial[state], &slabs->partial[state]};
  }
}

/* Each class that is used at all has a page of the kernel's for its first slots, and a thread that uses a few objects
 * of each size has one for each. So the 32 classes start out as 12 groups, each served by its longest, two of them a
 * doubling:
 *
 *   16 | 32 | 48 | 64 | 80 96 | 112 128 | 144 .. 192 | 208 .. 256 | 288 .. 384 | 416 .. 512 | 576 .. 768 | 832 .. 1024
 *
 * A group parts when the last 4 KiB of its first slab are carved, and shares again when it has no slab any more. */
static unsigned shared_by(unsigned class) {
  size_t bytes = fh_class_bytes(class);
  return bytes <= 32 ? class : fh_class_of(fh_round_up(bytes, (size_t)1 << (fh_highest_bit(bytes - 1) - 1)));
}

/* From now on, for the sizes of `class`. */
static void serve(fh_heap *heap, unsigned class, unsigned by) {
  unsigned grain = fh_class_bytes(class) / 16;
  for (; grain != 0 && fh_class_of(grain * 16) == class; grain--) {
    heap->cache_of_grain[grain] = (uint16_t)offsetof(fh_heap, cache[by]);
  }
}

/* Does nothing where they have parted already, or none but itself is shared. */
static void part(fh_heap *heap, unsigned shared) {
  for (unsigned class = shared - 1; class != 0 && fh_class_for(heap, fh_class_bytes(class)) == shared; class --) {
    serve(heap, class, class);
  }
}

/* The shortest class of a group. */
static unsigned first_of(unsigned shared) {
  unsigned class = shared;
  while (class != 1 && shared_by(class - 1) == shared) {
    class --;
  }
  return class;
}

static void share_when_empty(fh_heap *heap, unsigned shared) {
  unsigned first = first_of(shared);
  for (unsigned class = first; class <= shared; class ++) {
    if (heap->slabs[class].count != 0) {
      return;
    }
  }
  for (unsigned class = first; class <= shared; class ++) {
    serve(heap, class, shared);
  }
}

void fh_slab_start(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    serve(heap, class, shared_by(class));
  }
  heap->cache_of_grain[0] = heap->cache_of_grain[1];
}

/* Used slots from one quarter to the next: few lists for slabs of few slots. */
static unsigned step_of(unsigned slots) { return (unsigned)fh_max((slots + 3) / 4, 16); }

/* A full slab is listed again after that many slots came back: taking it up for a single slot costs more than the slot
 * is worth. */
static unsigned full_gives(unsigned slots) { return (unsigned)fh_max(slots / 16, 2); }

/* Slots that may come back before something must be done; 0 as 1. */
static unsigned gives_of(const fh_span *slab, unsigned live) {
  unsigned class = slab->class, slots = fh_classes[class].slots, state = slab->state;
  switch (state) {
    case FH_SLAB_FULL: return (unsigned)fh_min(full_gives(slots), live);
    case FH_SLAB_DUE:
    case FH_SLAB_WATCHED: return 0;
    case FH_SLAB_SPARSE: return live;
    case FH_SLAB_QUARTER: return live - fh_sparse_most(class);
    default: return live - (state - FH_SLAB_QUARTER) * step_of(slots);
  }
}

static void set_counts(fh_span *slab, unsigned live) {
  fh_slotmap_set(slab->map, live, (unsigned)fh_max(gives_of(slab, live), 1));
}

static void set_countdown(fh_span *slab) { set_counts(slab, fh_slab_live(slab)); }

static void strike(fh_heap *heap, fh_slabs *slabs, unsigned count) {
  slabs->count -= count;
  if (slabs->count == 0) {
    unsigned class = (unsigned)(slabs - heap->slabs);
    heap->early[class] = 0;
    share_when_empty(heap, shared_by(class));
  }
  heap->slab_count -= count;
  heap->slab_gives += count;
}

void fh_slab_gone(fh_heap *heap, unsigned class, unsigned count) {
  heap->slabs[class].out -= (size_t)count * fh_classes[class].slots;
  strike(heap, &heap->slabs[class], count);
}

static void give_page(fh_heap *heap, fh_span *slab) {
  fh_slabs *slabs = &heap->slabs[slab->class];
  if (slabs->growing == slab) {
    slabs->growing = NULL;
  }
  fh_slotmap_give(&heap->maps, slab->map);
  strike(heap, slabs, 1);
  fh_pages_give(slab);
}

/* Lists a slab that has free slots by the others. */
static void list_partial(fh_heap *heap, fh_span *slab) {
  unsigned live = fh_slab_live(slab);
  bool sparse = live <= fh_sparse_most(slab->class);
  unsigned quarter = (live - 1) / step_of(fh_classes[slab->class].slots);
  list_push(heap, slab, sparse ? FH_SLAB_SPARSE : (fh_slab_state)(FH_SLAB_QUARTER + quarter));
  set_counts(slab, live);
  if (sparse) {
    fh_sparse_keep_budget(heap);
  }
}

void fh_slab_relist(fh_heap *heap, fh_span *slab, fh_slab_state state) {
  list_remove(heap, slab);
  list_push(heap, slab, state);
  set_countdown(slab);
}

static bool is_watched(const fh_span *slab) { return slab->state <= FH_SLAB_DUE; }

/* The slab is on a list no more, and the cache does not take from it. */
static void leave_list(fh_heap *heap, fh_span *slab) {
  fh_slabs *slabs = &heap->slabs[slab->class];
  if (slab->state != FH_SLAB_FULL) {
    list_remove(heap, slab);
  } else if (slabs->serving == slab) {
    slabs->serving = NULL;
  }
}

fh_cold _Noreturn void fh_freed_twice(const void *block) { fh_fatal("free", block, "freed already (double free)"); }

fh_cold _Noreturn void fh_slot_refused(const fh_span *slab, size_t offset) {
  const char *slot = slab->start + offset;
  fh_slot_check("free", slab, slot);
  if (offset >= fh_slab_carved(slab)) {
    fh_fatal("free", slot, "not the start of an allocation");
  }
  fh_freed_twice(slot);
}

/* Slots have come back, and the countdown has reached 0 or passed it. */
static fh_noinline void slab_event(fh_heap *heap, fh_span *slab) {
  if (fh_slab_live(slab) == 0) {
    if (is_watched(slab)) {
      fh_sparse_forget(heap, slab);
    }
    leave_list(heap, slab);
    give_page(heap, slab);
  } else if (is_watched(slab)) {
    fh_sparse_came_back(heap, slab);
    fh_sparse_keep_budget(heap);
  } else {
    leave_list(heap, slab);
    list_partial(heap, slab);
  }
}

void fh_slab_came_back(fh_heap *heap, fh_span *slab, unsigned count) {
  if (fh_unlikely(fh_slotmap_came_back(slab->map, count))) {
    slab_event(heap, slab);
  }
}

/* The slab of a slot that a cache has held. What was freed twice may be in there twice, and its slab may have gone back
 * when it comes here for the second time, or is something else now. */
static fh_span *slab_of_cached(const fh_heap *heap, unsigned class, const void *slot) {
  fh_span *slab = fh_arena_find(slot);
  if (fh_unlikely(slab == NULL)) {
    fh_fatal("free", slot, "on the list of free slots, but not from this heap: something wrote to freed memory");
  }
  if (fh_unlikely(slab->owner != heap || slab->class != class)) {
    fh_freed_twice(slot);
  }
  return slab;
}

/* Slots of one slab come one after the other: what was made in a row is often freed in a row. */
void *fh_slab_return(fh_heap *heap, unsigned class, void *first, unsigned count) {
  uint32_t inverse = fh_classes[class].inverse;
  void *slot = first;
  heap->slabs[class].out -= count;
  while (count != 0) {
    fh_span *slab = slab_of_cached(heap, class, slot);
    uint64_t *free = slab->map->free;
    unsigned left = count;
    void *before;
    do {
      before = slot;
      slot = *(void **)slot;
      fh_slot_note(free, inverse, slab, (uintptr_t)before & (FH_PAGE_SIZE - 1));
    } while (--left != 0 && ((uintptr_t)before ^ (uintptr_t)slot) < FH_PAGE_SIZE);
    fh_slab_came_back(heap, slab, count - left);
    count = left;
  }
  return slot;
}

bool fh_slab_shrinks(const fh_heap *heap) { return heap->slab_gives >= 4 && heap->slab_gives >= heap->slab_count / 4; }

/* At least so many are taken at once where they are free. */
enum { TAKE_LEAST = 32, TAKE_BYTES = 4096 };

/* Links the slots whose bits are set, in order of addresses, the first of them behind **to, which becomes where the
 * next one is to be linked. How many. */
fh_inline unsigned link_slots(char *at, size_t size, uint64_t some, void ***to) {
  void **last = *to;
  unsigned count = 0;
  if ((some & (some + (some & (~some + 1)))) != 0) {
    for (; some != 0; some &= some - 1, count++) {
      *last = at + fh_lowest_bit(some) * size;
      last = *last;
    }
  } else if (some != 0) { /* side by side */
    unsigned first = fh_lowest_bit(some);
    count = fh_highest_bit(some) - first + 1;
    char *slot = at + first * size;
    for (unsigned left = count; left != 0; left--, slot += size) {
      *last = slot;
      last = (void **)(void *)slot;
    }
  }
  *to = last;
  return count;
}

/* Bits below `end` in the word that begins at bit `from`. */
static uint64_t bits_below(unsigned from, unsigned end) {
  return end - from >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << (end - from)) - 1;
}

/* Free slots that were carved, some words of them, as a list in order of addresses: so memory is touched only when it
 * is reached, and is still in the processor's first cache when it is used. */
static void *take_some(fh_slabs *slabs, fh_span *slab, unsigned *count) {
  size_t size = fh_class_bytes(slab->class);
  unsigned carved = slab->u.carved, live = fh_slab_live(slab), before = live;
  unsigned enough = (unsigned)fh_min(live + fh_max(fh_class_quotient(slab->class, TAKE_BYTES), TAKE_LEAST), carved);
  void *first = NULL, **to = &first;
  for (unsigned from = 0; live < enough; from += 64) {
    uint64_t *word = &slab->map->free[from / 64], some = *word & bits_below(from, carved);
    *word ^= some;
    live += link_slots(slab->start + from * size, size, some, &to);
  }
  *to = NULL;
  set_counts(slab, live);
  slabs->serving = live != carved ? slab : NULL;
  *count = live - before;
  return first;
}

/* The slots of the next 4 KiB. */
static void *carve(fh_slabs *slabs, fh_span *slab, unsigned *count) {
  unsigned more = fh_class_quotient(slab->class, TAKE_BYTES), slots = fh_classes[slab->class].slots;
  unsigned to = (unsigned)fh_min(slab->u.carved + more, slots);
  __atomic_store_n(&slab->u.carved, (uint16_t)to, __ATOMIC_RELAXED); /* others look whether a slot was ever out */
  if (to == slots) {
    slabs->growing = NULL;
    part(slab->heap, slab->class);
  }
  return take_some(slabs, slab, count);
}

static fh_span *slab_make(fh_heap *heap, unsigned class) {
  fh_sleeper_help();
  heap->slabs[class].count++;  /* first, so that its group is not found without a slab */
  if (fh_pages_dirty() == 0) { /* it would be made of memory that is not there */
    fh_cache_flush_idle(heap);
  }
  fh_slotmap *map = fh_slotmap_take(&heap->maps, class);
  fh_span *slab = map == NULL ? NULL : fh_pages_take(1, 1, FH_SPAN_SLAB);
  if (slab != NULL) {
    slab->class = (uint8_t) class;
    slab->cache = (uint16_t)offsetof(fh_heap, cache[class]);
    slab->state = FH_SLAB_FULL;
    slab->u.carved = 0;
    fh_slotmap_set(map, 0, 1);
    __atomic_store_n(&slab->map, map, __ATOMIC_RELAXED); /* statistics read it */
    __atomic_store_n(&slab->heap, heap, __ATOMIC_RELAXED);
    fh_span_set_owner(slab, heap);
    heap->slab_count++;
    heap->slab_gives = 0;
    heap->early[class] = FH_EARLY_BYTES;
    heap->slabs[class].growing = slab;
    if (heap->slabs[class].partial[0].next == NULL) {
      start_lists(&heap->slabs[class]);
    }
    if (heap->slabs[class].count >= POPULATE_COUNT && slab->fresh) {
      fh_os_populate(slab->start, FH_PAGE_SIZE);
    }
  } else {
    heap->slabs[class].count--;
    if (map != NULL) {
      fh_slotmap_give(&heap->maps, map);
    }
  }
  return slab;
}

/* Of a partial slab. */
static void *take_slab(fh_heap *heap, fh_span *slab, unsigned *count) {
  if (is_watched(slab)) {
    fh_sparse_unwatch(heap, slab);
  }
  leave_list(heap, slab);
  slab->state = FH_SLAB_FULL;
  return take_some(&heap->slabs[slab->class], slab, count);
}

/* Of the fullest partial slab, so that the emptiest can go; one that is watched serves last. NULL: there is none. */
static void *take_fullest(fh_heap *heap, unsigned class, unsigned *count) {
  unsigned listed = heap->slabs[class].listed;
  return listed == 0 ? NULL : take_slab(heap, fh_slab_first(heap, class, fh_highest_bit_32(listed)), count);
}

/* What the growing slab has gathered since it was taken or listed, before memory is taken that was never touched. */
static void *take_growing(fh_heap *heap, fh_slabs *slabs, fh_span *slab, unsigned *count) {
  return slab->u.carved != fh_slab_live(slab) ? take_slab(heap, slab, count) : carve(slabs, slab, count);
}

void *fh_slab_refill(fh_heap *heap, unsigned class, unsigned *count) {
  fh_slabs *slabs = &heap->slabs[class];
  void *first = slabs->serving != NULL ? take_some(slabs, slabs->serving, count) : take_fullest(heap, class, count);
  if (first != NULL) {
    return first;
  }
  if (slabs->growing == NULL && slab_make(heap, class) == NULL) {
    return NULL;
  }
  return take_growing(heap, slabs, slabs->growing, count);
}

/* The first slot of a class touches a page of the kernel's, and most threads want most classes for a few objects only.
 */
bool fh_slab_early(fh_heap *heap, unsigned class) {
  if (fh_likely(heap->early[class] >= FH_EARLY_BYTES)) {
    return false;
  }
  heap->early[class] = (uint16_t)(heap->early[class] + fh_class_bytes(class));
  return true;
}

void fh_slab_check(const char *call, const void *newest, const fh_span *slab, const void *pointer) {
  fh_slot_check(call, slab, pointer);
  if (fh_unlikely((size_t)((const char *)pointer - slab->start) >= fh_slab_carved(slab))) {
    fh_fatal(call, pointer, "not the start of an allocation");
  }
  bool is_free =
      fh_slotmap_is_free(slab->map, fh_class_quotient(slab->class, (size_t)((const char *)pointer - slab->start)));
  if (fh_unlikely(newest == pointer || is_free)) {
    fh_fatal(call, pointer, "freed already (double free)");
  }
}

void fh_slab_give(fh_heap *heap, const char *call, fh_span *slab, void *pointer) {
  fh_cache *cache = &heap->cache[slab->class];
  fh_slab_check(call, cache->first, slab, pointer);
  *(void **)pointer = cache->first;
  cache->first = pointer;
  if (--cache->room < 0) {
    fh_cache_overflow(cache, heap);
  }
}
