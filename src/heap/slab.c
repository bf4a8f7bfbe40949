/* Slabs: one page of slots of one size.
 *
 *   | slot | slot | slot | ... | slot | not carved yet: untouched ...... |
 *     used   free   used         free
 *
 *   state      on the list           countdown counts frees until
 *   CURRENT    none (heap->bins)     far away: an empty current slab is kept
 *   FULL       slabs.full            1: the first one makes it partial
 *   0..3       slabs.partial[state]  live slots reach the next quarter below, at last 0: the page goes back */
#include "base/fatal.h"
#include "heap/heap.h"

enum { STATE_FULL = FH_FULLNESS, STATE_CURRENT };

/* Stands in for the current slab where there is none: nothing is ever free in it. */
fh_span fh_no_slab;

static fh_span *slab_of(fh_hole *link) { return (fh_span *)(void *)((char *)link - offsetof(fh_span, link)); }

static void list_push(fh_hole *list, fh_span *slab) {
  slab->link = (fh_hole){list->next, list};
  if (list->next != NULL) {
    list->next->prev = &slab->link;
  }
  list->next = &slab->link;
}

static void list_remove(fh_span *slab) {
  slab->link.prev->next = slab->link.next;
  if (slab->link.next != NULL) {
    slab->link.next->prev = slab->link.prev;
  }
}

/* Lists a slab that is not current, with `live` slots in use. */
static void slab_list(fh_heap *heap, fh_span *slab, unsigned live) {
  unsigned slots = slab->u.slab.slots, quarter = (slots + FH_FULLNESS - 1) / FH_FULLNESS;
  if (live == slots) {
    slab->state = STATE_FULL;
    slab->countdown = 1;
    list_push(&heap->slabs[slab->class].full, slab);
  } else if (live == 0) {
    fh_pages_give(slab);
  } else {
    slab->state = (uint8_t)((live - 1) / quarter);
    slab->countdown = (int32_t)(live - slab->state * quarter);
    list_push(&heap->slabs[slab->class].partial[slab->state], slab);
  }
}

/* The countdown of a slab has reached 0. */
void fh_slab_event(fh_heap *heap, fh_span *slab) {
  unsigned slots = slab->u.slab.slots;
  if (slab->state == STATE_CURRENT) {
    slab->countdown = INT32_MAX;
    return;
  }
  list_remove(slab);
  if (slab->state == STATE_FULL) {
    slab_list(heap, slab, slots - 1);
  } else {
    slab_list(heap, slab, slab->state * ((slots + FH_FULLNESS - 1) / FH_FULLNESS));
  }
}

/* Lists the slots of the next 4 KiB, in address order, so that memory is touched only when reached. */
static void carve(fh_span *slab) {
  size_t size = (size_t)slab->class * 16;
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
    slab->u.slab.slots = (uint16_t)(FH_PAGE_SIZE / (class * 16));
    slab->free = NULL;
    __atomic_store_n(&slab->heap, heap, __ATOMIC_RELAXED);
    fh_span_set_owner(slab, heap->owner);
  }
  return slab;
}

static fh_span *slab_partial(fh_heap *heap, unsigned class) {
  for (unsigned q = FH_FULLNESS; q-- != 0;) {
    fh_hole *link = heap->slabs[class].partial[q].next;
    if (link != NULL) {
      fh_span *slab = slab_of(link);
      list_remove(slab);
      return slab;
    }
  }
  return NULL;
}

static void make_current(fh_heap *heap, unsigned class, fh_span *slab) {
  if (slab != &fh_no_slab) {
    slab->state = STATE_CURRENT;
    slab->countdown = INT32_MAX;
  }
  heap->bins[class] = slab;
  if (class == 1) {
    heap->bins[0] = slab;
  }
}

/* Makes sure that the current slab of the class has a free slot. */
static bool refill(fh_heap *heap, unsigned class) {
  fh_span *slab = heap->bins[class];
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

void *fh_slab_take(fh_heap *heap, unsigned class) {
  if (!refill(heap, class)) {
    return NULL;
  }
  fh_span *slab = heap->bins[class];
  void *slot = slab->free;
  slab->free = *(void **)slot;
  return slot;
}

static void check_slot(const char *call, const fh_span *slab, const void *pointer) {
  size_t offset = (size_t)((const char *)pointer - slab->start), size = (size_t)slab->class * 16;
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
    fh_span *slab = heap->bins[class];
    make_current(heap, class, &fh_no_slab);
    if (slab != &fh_no_slab) {
      slab_list(heap, slab, (unsigned)fh_slab_live(slab));
    }
  }
}

static void own_list(fh_hole *list, void *owner) {
  for (fh_hole *link = list->next; link != NULL; link = link->next) {
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
    if (heap->bins[class] != &fh_no_slab) {
      fh_span_set_owner(heap->bins[class], owner);
    }
  }
}
