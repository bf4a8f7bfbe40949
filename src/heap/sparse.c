#include "heap/sparse.h"

#include "heap/parts.h"

enum {
  USED_MOST = 14,
  KEPT_OF_EACH = 4096, /* bytes of parts without a used slot in a slab that is not watched, about */
  WATCH_MOST = 16,     /* slabs that one call begins to watch */
  SHRINK_SLABS = 128,  /* the same when the heap shrinks: somebody waits for it */
  SHRINK_CALLS = 2     /* of the kernel then */
};

unsigned fh_sparse_most(unsigned class) { return (unsigned)fh_min(fh_classes[class].slots / 2, USED_MOST); }

/* Parts without a used slot that were not purged yet. */
static unsigned due_parts(const fh_span *slab) {
  const fh_slotmap *map = slab->map;
  unsigned busy = map->purged;
  for (unsigned word = 0; word < 1u << map->order; word++) {
    for (uint64_t used = ~map->free[word]; used != 0; used &= used - 1) {
      busy |= fh_parts_of_slot(slab->class, (word * 64 + fh_lowest_bit(used)) * fh_class_bytes(slab->class));
    }
  }
  return ((1u << FH_PAGE_SIZE / fh_part_bytes()) - 1) & ~busy;
}

static void set_due(fh_sparse *sparse, fh_slotmap *map, unsigned due) {
  sparse->due_bytes += fh_part_set_bytes(due) - fh_part_set_bytes(map->due);
  map->due = (uint8_t)due;
}

static void list_watched(fh_heap *heap, fh_span *slab) {
  fh_slab_relist(heap, slab, slab->map->due != 0 ? FH_SLAB_DUE : FH_SLAB_WATCHED);
}

static fh_span *next_due(fh_heap *heap) {
  for (unsigned i = 0; i < FH_CLASSES && heap->sparse.due_bytes != 0; i++) {
    fh_span *slab = fh_slab_first(heap, heap->sparse.due_class, FH_SLAB_DUE);
    if (slab != NULL) {
      return slab;
    }
    heap->sparse.due_class = (heap->sparse.due_class + 1) % FH_CLASSES;
  }
  return NULL;
}

/* As many slabs as one call of the kernel takes. What that refuses stays, and is not asked for again. */
static size_t purge_some(fh_heap *heap) {
  fh_os_part rows[FH_OS_PARTS];
  unsigned count = 0;
  fh_span *slab;
  while (count + FH_PART_ROWS <= FH_OS_PARTS && (slab = next_due(heap)) != NULL) {
    fh_slotmap *map = slab->map;
    count += fh_part_rows(slab->start, map->due, rows + count);
    map->purged |= map->due;
    set_due(&heap->sparse, map, 0);
    list_watched(heap, slab);
  }
  size_t bytes = fh_part_purge(rows, count);
  fh_budget_purged(&heap->sparse.budget, bytes);
  return bytes;
}

static void watch(fh_heap *heap, fh_span *slab) {
  heap->sparse.watched++;
  set_due(&heap->sparse, slab->map, due_parts(slab));
  list_watched(heap, slab);
}

void fh_sparse_came_back(fh_heap *heap, fh_span *slab) {
  bool was_due = slab->map->due != 0;
  set_due(&heap->sparse, slab->map, due_parts(slab));
  if (!was_due && slab->map->due != 0) {
    list_watched(heap, slab);
  }
}

void fh_sparse_forget(fh_heap *heap, fh_span *slab) {
  set_due(&heap->sparse, slab->map, 0);
  heap->sparse.watched--;
}

void fh_sparse_unwatch(fh_heap *heap, fh_span *slab) {
  fh_sparse_forget(heap, slab);
  heap->sparse.budget.reused += fh_part_set_bytes(slab->map->purged);
  slab->map->purged = 0;
}

bool fh_sparse_is_purged(const fh_span *slab, size_t offset) {
  return (slab->map->purged >> offset / fh_part_bytes() & 1) != 0;
}

/* The budget. */

/* The slab that was listed first of the next class that has some. False: there is none. */
static bool watch_oldest(fh_heap *heap) {
  for (unsigned i = 0; i < FH_CLASSES; i++) {
    heap->sparse.class = (heap->sparse.class + 1) % FH_CLASSES;
    fh_span *slab = fh_slab_first(heap, heap->sparse.class, FH_SLAB_SPARSE);
    if (slab != NULL) {
      watch(heap, slab);
      return true;
    }
  }
  return false;
}

/* A page of the kernel's as long as a slab goes with the slab. */
static bool can_purge(void) { return fh_part_bytes() < FH_PAGE_SIZE; }

uint64_t fh_sparse_kept(const fh_heap *heap) {
  return can_purge() ? heap->sparse.count * KEPT_OF_EACH + heap->sparse.due_bytes : 0;
}

/* What may stay in any case: as much of its slabs as of page runs. */
static uint64_t base(const fh_heap *heap) {
  return FH_SPARSE_RETAIN + heap->slab_count * (FH_PAGE_SIZE * fh_pages_retain() / 100);
}

uint64_t fh_sparse_budget(const fh_heap *heap) { return base(heap) + fh_budget_beside(&heap->sparse.budget); }

/* Half of what may stay is what was not watched, about. Much is purged in one call, or nothing. */
static void purge_surplus(fh_heap *heap) {
  fh_sparse *sparse = &heap->sparse;
  uint64_t most = fh_sparse_budget(heap);
  for (unsigned i = 0; i < WATCH_MOST && sparse->count * KEPT_OF_EACH > most / 2 && watch_oldest(heap); i++) {
  }
  if (sparse->due_bytes != 0 && fh_sparse_kept(heap) > most) {
    purge_some(heap);
  }
}

static bool keeps(fh_heap *heap, uint64_t most) {
  fh_budget *budget = &heap->sparse.budget;
  uint64_t kept = fh_sparse_kept(heap);
  return kept <= most + fh_budget_beside(budget) || fh_budget_widen(budget, kept, most, FH_SPARSE_WIDEN);
}

void fh_sparse_keep_budget(fh_heap *heap) {
  if (!keeps(heap, base(heap))) {
    purge_surplus(heap);
  }
}

/* Down to `most`, but no more than so many slabs and calls. Bytes that went back. */
static size_t purge_to(fh_heap *heap, uint64_t most, size_t slabs, size_t calls) {
  size_t bytes = 0;
  for (; slabs != 0 && heap->sparse.count * KEPT_OF_EACH > most && watch_oldest(heap); slabs--) {
  }
  for (; calls != 0 && heap->sparse.due_bytes != 0 && fh_sparse_kept(heap) > most; calls--) {
    bytes += purge_some(heap);
  }
  return bytes;
}

void fh_sparse_shrink(fh_heap *heap) {
  if (!keeps(heap, 0)) {
    purge_to(heap, fh_budget_beside(&heap->sparse.budget), SHRINK_SLABS, SHRINK_CALLS);
  }
}

size_t fh_sparse_trim(fh_heap *heap) { return can_purge() ? purge_to(heap, 0, SIZE_MAX, SIZE_MAX) : 0; }
