/* Slabs: one page of slots of one size.
 *
 *   | slot | slot | slot | ... | slot | not carved yet: untouched ...... |
 *     used   free   used         free
 *
 * A slot is free when it lies in the slab's own list, or in none while the slab is watched. Those that the thread cache
 * holds count as used here: the cache takes all free slots of a slab at once, without looking at them, and gives slots
 * back in batches (heap/cache.c).
 *
 *   state    on the list              countdown counts slots given back until
 *   FULL     none                     a sixteenth of the slots: then it is partial
 *   QUARTER  one for each quarter     used slots reach the next quarter below, at last so few that it is sparse
 *   SPARSE   slabs.partial[state]     none is used: the page goes back
 *   WATCHED  slabs.partial[state]     each slot: what few are used are counted by pages of the kernel's (heap/sparse.h)
 *
 * A slab whose slots are all out is on no list, so that it can go without its thread (heap/sleeper.h). */
#include "base/fatal.h"
#include "heap/heap.h"
#include "heap/sleeper.h"
#include "heap/sparse.h"
#include "os/os.h"

/* A class with that many slabs will fill the next one too: its memory is asked for at once. The last of so many is
 * half empty on average. */
enum { POPULATE_COUNT = 16 };

/* Slabs that are more than half full are left alone while their free slots are less than that part of all slabs. */
enum { LEFT_SHARE = 32 };

/* Bytes of free slots in a slab of that state, about, where less than half of it is free. */
static size_t left_in(unsigned state) {
  switch (state) {
    case FH_SLAB_HALF + 1: return FH_PAGE_SIZE / 8;
    case FH_SLAB_HALF: return FH_PAGE_SIZE * 3 / 8;
    default: return 0;
  }
}

static void list_push(fh_heap *heap, fh_span *slab, fh_slab_state state) {
  fh_hole *list = &heap->slabs[slab->class].partial[state];
  slab->state = (uint8_t)state;
  slab->link = (fh_hole){list, list->prev};
  list->prev->next = &slab->link;
  list->prev = &slab->link;
  heap->sparse.count += state == FH_SLAB_SPARSE;
  heap->slabs_left += left_in(state);
}

static void list_remove(fh_heap *heap, fh_span *slab) {
  slab->link.prev->next = slab->link.next;
  slab->link.next->prev = slab->link.prev;
  heap->sparse.count -= slab->state == FH_SLAB_SPARSE;
  heap->slabs_left -= left_in(slab->state);
}

fh_span *fh_slab_first(fh_heap *heap, unsigned class, fh_slab_state state) {
  fh_hole *list = &heap->slabs[class].partial[state];
  return list->next == list || list->next == NULL ? NULL : fh_span_of(list->next);
}

/* With the first slab of its class: a thread that uses few classes leaves the memory of the others untouched. */
static void start_lists(fh_slabs *slabs) {
  for (unsigned state = 0; state < FH_SLAB_FULL; state++) {
    slabs->partial[state] = (fh_hole){&slabs->partial[state], &slabs->partial[state]};
  }
}

void fh_slab_start(fh_heap *heap) {
  for (unsigned grain = 0; grain < FH_GRAINS; grain++) {
    heap->cache_of_grain[grain] = (uint16_t)offsetof(fh_heap, cache[fh_class_of(grain * 16)]);
  }
}

/* Used slots from one quarter to the next: few lists for slabs of few slots. */
static unsigned step_of(unsigned slots) { return (unsigned)fh_max((slots + 3) / 4, 16); }

/* A full slab is listed again after that many slots came back: taking it up for a single slot costs more than the slot
 * is worth. */
static unsigned full_gives(unsigned slots) { return (unsigned)fh_max(slots / 16, 2); }

/* Used slots when the countdown reaches 0. That of a watched slab is always below. */
static unsigned floor_of(const fh_span *slab) {
  unsigned class = slab->class, slots = slab->u.slab.slots, state = fh_racy_load(slab->state);
  switch (state) {
    case FH_SLAB_FULL: return slab->u.slab.carved - full_gives(slots);
    case FH_SLAB_WATCHED: return fh_sparse_most(class) + 1;
    case FH_SLAB_SPARSE: return 0;
    case FH_SLAB_QUARTER: return fh_sparse_most(class);
    default: return (state - FH_SLAB_QUARTER) * step_of(slots);
  }
}

/* Slots that are not free in the slab. Other threads read it for statistics. */
size_t fh_slab_live(const fh_span *slab) { return floor_of(slab) + (unsigned)fh_racy_load(slab->countdown); }

static void set_countdown(fh_span *slab, unsigned live) { slab->countdown = (int16_t)(live - floor_of(slab)); }

static void set_full(fh_span *slab) {
  slab->state = FH_SLAB_FULL;
  slab->countdown = (int16_t)full_gives(slab->u.slab.slots);
}

static void strike(fh_heap *heap, fh_slabs *slabs, unsigned count) {
  slabs->count -= count;
  if (slabs->count == 0) {
    heap->early[slabs - heap->slabs] = 0;
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
  if (slab->state == FH_SLAB_WATCHED) {
    fh_sparse_forget(heap, slab);
  }
  strike(heap, slabs, 1);
  fh_pages_give(slab);
}

/* Lists a slab that has free slots by the `live` others. */
static void list_partial(fh_heap *heap, fh_span *slab, unsigned live) {
  bool sparse = live <= fh_sparse_most(slab->class);
  unsigned quarter = (live - 1) / step_of(slab->u.slab.slots);
  list_push(heap, slab, sparse ? FH_SLAB_SPARSE : (fh_slab_state)(FH_SLAB_QUARTER + quarter));
  set_countdown(slab, live);
  if (sparse) {
    fh_sparse_keep_budget(heap);
  }
}

void fh_slab_watch(fh_heap *heap, fh_span *slab) {
  unsigned live = (unsigned)fh_slab_live(slab);
  list_remove(heap, slab);
  list_push(heap, slab, FH_SLAB_WATCHED);
  set_countdown(slab, live);
}

/* The slab is on a list no more. */
static void leave_list(fh_heap *heap, fh_span *slab) {
  if (slab->state != FH_SLAB_FULL) {
    list_remove(heap, slab);
  }
}

fh_cold _Noreturn void fh_freed_twice(const void *block) { fh_fatal("free", block, "freed already (double free)"); }

/* `count` slots have come back, and the countdown has reached 0 or passed it. */
static fh_noinline void slab_event(fh_heap *heap, fh_span *slab, unsigned count) {
  unsigned live = (unsigned)fh_slab_live(slab);
  if (fh_unlikely(live > slab->u.slab.carved)) {
    fh_freed_twice(slab->free); /* more came back than were ever out */
  }
  bool watched = slab->state == FH_SLAB_WATCHED;
  if (watched) {
    fh_sparse_came_back(heap, slab, count);
  }
  if (live == 0) {
    leave_list(heap, slab);
    give_page(heap, slab);
  } else if (watched) {
    fh_sparse_keep_budget(heap);
  } else {
    leave_list(heap, slab);
    list_partial(heap, slab, live);
  }
}

void fh_slab_splice(fh_heap *heap, fh_span *slab, void *first, void *last, int count) {
  *(void **)last = slab->free;
  slab->free = first;
  slab->countdown = (int16_t)(slab->countdown - count);
  if (fh_unlikely(slab->countdown <= 0)) {
    slab_event(heap, slab, (unsigned)count);
  }
}

/* The slab of a slot that a cache has held. What was freed twice may be in there twice: when it comes here for the
 * second time it is what its slab got last, or the slab has gone back and the page is something else now. */
static fh_span *slab_of_cached(const fh_heap *heap, unsigned class, const void *slot) {
  fh_span *slab = fh_arena_find(slot);
  if (fh_unlikely(slab == NULL)) {
    fh_fatal("free", slot, "on the list of free slots, but not from this heap: something wrote to freed memory");
  }
  if (fh_unlikely(slab->owner != heap || slab->class != class || slab->free == slot)) {
    fh_freed_twice(slot);
  }
  return slab;
}

enum { RUN_MOST = 64 /* slots: a flush brings hundreds, and each may be looked for among all before it */ };

/* Which of its slab's slots it is. The fast path of free found the slab, and did not look where in it. */
fh_inline unsigned index_of(const fh_span *slab, const void *slot) {
  fh_slot_check("free", slab, slot);
  return fh_class_quotient(slab->class, (uintptr_t)slot & (FH_PAGE_SIZE - 1));
}

/* `slot` follows the run from first to last: it is not to be in it. */
static fh_noinline void look_for(const void *slot, const void *first, const void *last) {
  for (const void *at = first; at != last; at = *(void *const *)at) {
    if (fh_unlikely(at == slot)) {
      fh_freed_twice(slot);
    }
  }
  if (fh_unlikely(last == slot)) {
    fh_freed_twice(slot);
  }
}

/* The slots at the head of a list that are of one slab: what was made in a row is often freed in a row. `count` at
 * most; *last is the last of them. One that is in the list twice is in a set that was seen: of 64 bits, so another with
 * the same bit is looked for one by one. */
fh_inline unsigned run_of(const fh_span *slab, void *first, unsigned count, void **last) {
  uint64_t seen = UINT64_C(1) << index_of(slab, first) % 64;
  void *at = first, *next = *(void **)first;
  unsigned run = 1;
  for (; run != count && ((uintptr_t)next ^ (uintptr_t)first) < FH_PAGE_SIZE; run++) {
    uint64_t before = seen;
    seen |= UINT64_C(1) << index_of(slab, next) % 64;
    if (fh_unlikely(seen == before)) {
      look_for(next, first, at);
    }
    at = next;
    next = *(void **)at;
  }
  *last = at;
  return run;
}

void *fh_slab_return(fh_heap *heap, unsigned class, void *first, unsigned count) {
  heap->slabs[class].out -= count;
  while (count != 0) {
    fh_span *slab = slab_of_cached(heap, class, first);
    void *last;
    unsigned run = run_of(slab, first, (unsigned)fh_min(count, RUN_MOST), &last);
    void *next = *(void **)last;
    fh_slab_splice(heap, slab, first, last, (int)run);
    count -= run;
    if (fh_unlikely(next == NULL && count != 0)) {
      fh_freed_twice(last); /* it led on to the others, until its slab got it for the first time */
    }
    first = next;
  }
  return first;
}

bool fh_slab_shrinks(const fh_heap *heap) { return heap->slab_gives >= 4 && heap->slab_gives >= heap->slab_count / 4; }

/* The slots of the next 4 KiB as a list in address order, so that memory is touched only when reached, and is still in
 * the processor's first cache when it is used. */
static void *carve(fh_slabs *slabs, fh_span *slab, unsigned *count) {
  size_t size = fh_class_bytes(slab->class);
  unsigned from = slab->u.slab.carved, slots = slab->u.slab.slots;
  unsigned more = (unsigned)fh_max(4096 / size, 1), to = (unsigned)fh_min(from + more, slots);
  char *first = slab->start + from * size, *at = first;
  for (unsigned i = from; i + 1 < to; i++, at += size) {
    *(void **)(void *)at = at + size;
  }
  *(void **)(void *)at = NULL;
  __atomic_store_n(&slab->u.slab.carved, (uint16_t)to, __ATOMIC_RELAXED); /* others look whether a slot was ever out */
  if (to == slots) {
    slabs->growing = NULL;
  }
  *count = to - from;
  return first;
}

static fh_span *slab_make(fh_heap *heap, unsigned class) {
  fh_sleeper_help();
  fh_span *slab = fh_pages_take(1, 1, FH_SPAN_SLAB);
  if (slab != NULL) {
    slab->class = (uint8_t) class;
    slab->cache = (uint16_t)offsetof(fh_heap, cache[class]);
    slab->u.slab.carved = 0;
    slab->u.slab.slots = fh_classes[class].slots;
    slab->free = NULL;
    __atomic_store_n(&slab->heap, heap, __ATOMIC_RELAXED);
    fh_span_set_owner(slab, heap);
    heap->slab_count++;
    heap->slab_gives = 0;
    heap->early[class] = FH_EARLY_BYTES;
    heap->slabs[class].growing = slab;
    if (heap->slabs[class].partial[0].next == NULL) {
      start_lists(&heap->slabs[class]);
    }
    if (++heap->slabs[class].count >= POPULATE_COUNT && slab->fresh) {
      fh_os_populate(slab->start, FH_PAGE_SIZE);
    }
    set_full(slab);
  }
  return slab;
}

/* All free slots of a partial slab. */
static void *take_slab(fh_heap *heap, fh_span *slab, unsigned *count) {
  if (slab->state == FH_SLAB_WATCHED) {
    fh_sparse_unwatch(heap, slab);
  }
  void *first = slab->free;
  *count = slab->u.slab.carved - (unsigned)fh_slab_live(slab);
  list_remove(heap, slab);
  slab->free = NULL;
  set_full(slab);
  return first;
}

/* Of the fullest slab in a state from `least` to the one before `end`; NULL: there is none. */
static void *take_fullest(fh_heap *heap, unsigned class, unsigned least, unsigned end, unsigned *count) {
  for (unsigned state = end; state-- != least;) {
    fh_span *slab = fh_slab_first(heap, class, (fh_slab_state)state);
    if (slab != NULL) {
      return take_slab(heap, slab, count);
    }
  }
  return NULL;
}

/* Of a slab that is more than half full. What a program builds it drops, and few free slots among many used ones are
 * likely to be joined by their neighbours: to take them at once scatters what is built next over many pages, in which
 * neither it nor what was there before is ever side by side again. So they are left until there are many of them, or
 * no other memory. */
static void *take_left(fh_heap *heap, unsigned class, unsigned *count) {
  return take_fullest(heap, class, FH_SLAB_HALF, FH_SLAB_FULL, count);
}

static void *take_partial(fh_heap *heap, unsigned class, unsigned *count) {
  void *first = take_fullest(heap, class, FH_SLAB_SPARSE, FH_SLAB_HALF, count);
  if (first == NULL && heap->slabs_left >= heap->slab_count * (FH_PAGE_SIZE / LEFT_SHARE)) {
    first = take_left(heap, class, count);
  }
  return first != NULL ? first : take_fullest(heap, class, FH_SLAB_WATCHED, FH_SLAB_SPARSE, count);
}

/* What the growing slab has gathered since it was taken or listed, before memory is taken that was never touched. */
static void *take_gathered(fh_heap *heap, fh_span *slab, unsigned *count) {
  if (slab->state != FH_SLAB_FULL) {
    return take_slab(heap, slab, count);
  }
  void *first = slab->free;
  *count = slab->u.slab.carved - (unsigned)fh_slab_live(slab);
  slab->free = NULL;
  slab->countdown = (int16_t)full_gives(slab->u.slab.slots);
  return first;
}

void *fh_slab_refill(fh_heap *heap, unsigned class, unsigned *count) {
  fh_slabs *slabs = &heap->slabs[class];
  void *first = take_partial(heap, class, count);
  if (first != NULL) {
    return first;
  }
  if (slabs->growing == NULL && slab_make(heap, class) == NULL) {
    return take_left(heap, class, count);
  }
  bool gathered = slabs->growing->free != NULL;
  return gathered ? take_gathered(heap, slabs->growing, count) : carve(slabs, slabs->growing, count);
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
  if (fh_unlikely(newest == pointer || slab->free == pointer)) {
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
