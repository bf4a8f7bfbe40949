/* Slabs: one page of slots of one size.
 *
 *   | slot | slot | slot | ... | slot | not carved yet: untouched ...... |
 *     used   free   used         free
 *
 *   state      on the list           countdown counts frees until
 *   CURRENT    none (heap->bins)     far away: an empty current slab is kept
 *   FULL       slabs.full            an eighth of the slots: then it is partial
 *   0..3       slabs.partial[state]  live slots reach the next quarter below, at last 0: the page goes back */
#include "base/fatal.h"
#include "heap/heap.h"
#include "os/os.h"

/* A class with that many slabs will fill the next one too: its memory is asked for at once. The last of so many is
 * half empty on average. */
enum { POPULATE_COUNT = 16 };

enum { STATE_FULL = FH_FULLNESS, STATE_CURRENT };

/* Stands in for the current slab where there is none: nothing is ever free in it. */
fh_span fh_no_slab;

static fh_span *slab_of(fh_hole *link) { return (fh_span *)(void *)((char *)link - offsetof(fh_span, link)); }

static void list_push(fh_hole *list, fh_span *slab) {
  slab->link = (fh_hole){list, list->prev};
  list->prev->next = &slab->link;
  list->prev = &slab->link;
}

static void list_remove(fh_span *slab) {
  slab->link.prev->next = slab->link.next;
  slab->link.next->prev = slab->link.prev;
}

void fh_slab_start(fh_heap *heap) {
  for (unsigned class = 0; class < FH_CLASSES; class ++) {
    fh_slabs *slabs = &heap->slabs[class];
    slabs->full = (fh_hole){&slabs->full, &slabs->full};
    for (unsigned q = 0; q < FH_FULLNESS; q++) {
      slabs->partial[q] = (fh_hole){&slabs->partial[q], &slabs->partial[q]};
    }
  }
}

/* Live slots from one list of partial slabs to the next: few lists for slabs of few slots. */
static unsigned step_of(unsigned slots) { return (unsigned)fh_max((slots + FH_FULLNESS - 1) / FH_FULLNESS, 16); }

/* A full slab is listed again after that many frees: taking it up for a single slot costs more than the slot is worth.
 */
static unsigned full_frees(unsigned slots) { return (unsigned)fh_max(slots / 16, 2); }

/* Lists a slab that is not current, with `live` slots in use. */
static void slab_list(fh_heap *heap, fh_span *slab, unsigned live) {
  unsigned slots = slab->u.slab.slots, step = step_of(slots);
  if (live == slots) {
    slab->state = STATE_FULL;
    slab->countdown = (int32_t)full_frees(slots);
    list_push(&heap->slabs[slab->class].full, slab);
  } else if (live == 0) {
    heap->slab_count--;
    if (--heap->slabs[slab->class].count == 0) {
      heap->slabs[slab->class].early = 0;
    }
    heap->slab_gives++;
    fh_pages_give(slab);
  } else {
    slab->state = (uint8_t)((live - 1) / step);
    slab->countdown = (int32_t)(live - slab->state * step);
    list_push(&heap->slabs[slab->class].partial[slab->state], slab);
  }
}

static fh_span *current(const fh_heap *heap, unsigned class) { return heap->bins[fh_class_bytes(class) / 16]; }

static void make_current(fh_heap *heap, unsigned class, fh_span *slab) {
  if (slab != &fh_no_slab) {
    slab->state = STATE_CURRENT;
    slab->countdown = INT32_MAX;
  }
  unsigned first = class == 1 ? 0 : fh_class_bytes(class - 1) / 16 + 1;
  for (unsigned grain = first; grain <= fh_class_bytes(class) / 16; grain++) {
    heap->bins[grain] = slab;
  }
}

/* Slabs have gone back and none was made: the thread is giving up its memory. Current slabs are not counted down, so
 * those that have become empty are looked for; the fewer slabs are left, the more often. */
void fh_slab_give_empty(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    fh_span *slab = current(heap, class);
    if (slab != &fh_no_slab && fh_slab_live(slab) == 0) {
      make_current(heap, class, &fh_no_slab);
      slab_list(heap, slab, 0);
    }
  }
  heap->slab_gives = 0;
}

/* The countdown of a slab has reached 0. */
void fh_slab_event(fh_heap *heap, fh_span *slab) {
  unsigned slots = slab->u.slab.slots;
  if (slab->state == STATE_CURRENT) {
    slab->countdown = INT32_MAX;
    return;
  }
  list_remove(slab);
  slab_list(heap, slab, slab->state == STATE_FULL ? slots - full_frees(slots) : slab->state * step_of(slots));
  if (heap->slab_gives >= 4 && heap->slab_gives >= heap->slab_count / 4) {
    fh_slab_give_empty(heap);
  }
}

/* Lists the slots of the next 4 KiB, in address order, so that memory is touched only when reached. */
static void carve(fh_span *slab) {
  size_t size = fh_class_bytes(slab->class);
  unsigned from = slab->u.slab.carved, more = (unsigned)fh_max(4096 / size, 1);
  unsigned to = (unsigned)fh_min(from + more, slab->u.slab.slots);
  char *at = slab->start + from * size;
  slab->free = at;
  for (unsigned i = from; i + 1 < to; i++, at += size) {
    *(void **)(void *)at = at + size;
  }
  *(void **)(void *)at = NULL;
  slab->u.slab.carved = (uint16_t)to;
}

static fh_span *slab_make(fh_heap *heap, unsigned class) {
  fh_span *slab = fh_pages_take(1, 1, FH_SPAN_SLAB);
  if (slab != NULL) {
    slab->class = (uint8_t) class;
    slab->u.slab.carved = 0;
    slab->u.slab.slots = (uint16_t)(FH_PAGE_SIZE / fh_class_bytes(class));
    slab->free = NULL;
    __atomic_store_n(&slab->heap, heap, __ATOMIC_RELAXED);
    fh_span_set_owner(slab, heap->owner);
    heap->slab_count++;
    heap->slab_gives = 0;
    if (++heap->slabs[class].count >= POPULATE_COUNT && slab->fresh) {
      fh_os_populate(slab->start, FH_PAGE_SIZE);
    }
  }
  return slab;
}

static fh_span *slab_partial(fh_heap *heap, unsigned class) {
  for (unsigned q = FH_FULLNESS; q-- != 0;) {
    fh_hole *list = &heap->slabs[class].partial[q];
    if (list->next != list) {
      fh_span *slab = slab_of(list->next);
      list_remove(slab);
      return slab;
    }
  }
  return NULL;
}

/* Makes sure that the current slab of the class has a free slot. */
static bool refill(fh_heap *heap, unsigned class) {
  fh_span *slab = current(heap, class);
  if (slab->free != NULL) {
    return true;
  }
  if (slab->u.slab.carved == slab->u.slab.slots) { /* also holds for fh_no_slab */
    if (slab != &fh_no_slab) {
      slab_list(heap, slab, slab->u.slab.slots);
    }
    slab = slab_partial(heap, class);
    if (slab == NULL) {
      slab = slab_make(heap, class);
    }
    make_current(heap, class, slab == NULL ? &fh_no_slab : slab);
    if (slab == NULL) {
      return false;
    }
  }
  if (slab->free == NULL) {
    carve(slab);
  }
  return true;
}

/* The first slot of a class touches a page of the kernel's, and most threads want most classes for a few objects only.
 */
bool fh_slab_early(fh_heap *heap, unsigned class) {
  fh_slabs *slabs = &heap->slabs[class];
  if (fh_likely(slabs->count != 0) || slabs->early >= FH_EARLY_BYTES) {
    return false;
  }
  slabs->early += fh_class_bytes(class);
  return true;
}

void *fh_slab_take(fh_heap *heap, unsigned class) {
  if (!refill(heap, class)) {
    return NULL;
  }
  fh_span *slab = current(heap, class);
  void *slot = slab->free;
  slab->free = *(void **)slot;
  return slot;
}

static void check_slot(const char *call, const fh_span *slab, const void *pointer) {
  size_t offset = (size_t)((const char *)pointer - slab->start), size = fh_class_bytes(slab->class);
  if (offset % size != 0 || offset / size >= slab->u.slab.carved) {
    fh_fatal(call, pointer, "not the start of an allocation");
  }
  if (slab->free == pointer) {
    fh_fatal(call, pointer, "freed already (double free)");
  }
}

void fh_slab_give(fh_heap *heap, const char *call, fh_span *slab, void *pointer) {
  check_slot(call, slab, pointer);
  *(void **)pointer = slab->free;
  slab->free = pointer;
  if (--slab->countdown == 0) {
    fh_slab_event(heap, slab);
  }
}

size_t fh_slab_live(const fh_span *slab) {
  size_t live = slab->u.slab.carved;
  for (void *slot = slab->free; slot != NULL && live != 0; slot = *(void **)slot) {
    live--;
  }
  return live;
}

void fh_slab_park(fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    fh_span *slab = current(heap, class);
    make_current(heap, class, &fh_no_slab);
    if (slab != &fh_no_slab) {
      slab_list(heap, slab, (unsigned)fh_slab_live(slab));
    }
  }
}

static void own_list(fh_hole *list, void *owner) {
  for (fh_hole *link = list->next; link != list; link = link->next) {
    fh_span_set_owner(slab_of(link), owner);
  }
}

void fh_slab_own(fh_heap *heap, void *owner) {
  heap->owner = owner;
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    own_list(&heap->slabs[class].full, owner);
    for (unsigned q = 0; q < FH_FULLNESS; q++) {
      own_list(&heap->slabs[class].partial[q], owner);
    }
    if (current(heap, class) != &fh_no_slab) {
      fh_span_set_owner(current(heap, class), owner);
    }
  }
}
