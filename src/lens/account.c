#include "lens/account.h"

#include "base/bits.h"
#include "heap/heap.h"
#include "os/os.h"

static void count_slab(fh_account *out, const fh_span *slab) {
  unsigned class = fh_racy_load(slab->class); /* its owner may be in the middle of a change */
  uint64_t size = fh_class_bytes(class), carved = fh_min(fh_racy_load(slab->u.carved), fh_classes[class].slots);
  const fh_slotmap *map = fh_racy_load(slab->map); /* NULL: it is being made */
  uint64_t live = map == NULL ? 0 : fh_min(fh_slotmap_live(map), carved);
  out->slab_live += live * size;
  out->slab_free += (carved - live) * size;
  out->slab_uncarved += FH_PAGE_SIZE - carved * size;
  out->class_live[class] += live;
  out->class_slots[class] += fh_classes[class].slots;
}

/* What waits in thread caches was counted with its slabs. */
static void count_caches(fh_account *out, const fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    int32_t held = fh_racy_load(heap->cache[class].limit) - fh_racy_load(heap->cache[class].room);
    uint64_t slots = held < 0 ? 0 : fh_min((uint64_t)held, out->class_live[class]);
    out->class_live[class] -= slots;
    out->slab_live -= slots * fh_class_bytes(class);
    out->slab_free += slots * fh_class_bytes(class);
  }
}

static void count_hole(fh_account *out, uint64_t bytes) {
  unsigned at = 0;
  for (uint64_t below = 256; at < FH_HOLE_SIZES - 1 && bytes >= below; below *= 4) {
    at++;
  }
  out->holes[at] += bytes;
  out->chunk_holes += bytes;
}

static void count_chunk(void *arg, const void *user, size_t bytes, fh_chunk_state state) {
  fh_account *out = arg;
  (void)user;
  if (state == FH_CHUNK_HOLE) {
    count_hole(out, bytes);
  } else if (state == FH_CHUNK_QUICK) {
    out->chunk_quick += bytes;
  } else {
    out->chunk_live += bytes - FH_CHUNK_HEAD;
    out->chunk_heads += FH_CHUNK_HEAD;
  }
}

static void count_span(fh_account *out, const fh_span *span, unsigned kind, char *start, size_t bytes) {
  out->untouched += bytes - fh_os_resident(start, bytes, NULL);
  if (kind == FH_SPAN_SLAB) {
    count_slab(out, span);
  } else if (kind == FH_SPAN_MAPS) {
    out->slab_maps += bytes;
  } else if (kind == FH_SPAN_LARGE) {
    out->large_live += bytes;
  } else {
    fh_chunk_walk_stretch(start, bytes, count_chunk, out);
    out->chunk_ends += FH_UNIT;
  }
}

/* Spans lie side by side from the first page to the frontier: each head tells where the next one is. */
static void count_arena(fh_account *out, const fh_arena *arena) {
  const char *map = (const char *)(const void *)(arena->spans - 1);
  out->map_resident += fh_os_resident(map, (size_t)(__atomic_load_n(&arena->map_end, __ATOMIC_ACQUIRE) - map), NULL);
  size_t pages = __atomic_load_n(&arena->limit, __ATOMIC_ACQUIRE) >> FH_PAGE_SHIFT;
  for (size_t i = 0; i < pages;) {
    const fh_span *span = arena->spans + i;
    unsigned kind = fh_span_kind_of(span);
    size_t count = fh_racy_load(span->pages);
    count = kind == FH_SPAN_NONE || kind == FH_SPAN_INSIDE ? 1 : fh_min(fh_max(count, 1), pages - i);
    char *start = arena->base + (i << FH_PAGE_SHIFT);
    if (kind == FH_SPAN_SLAB || kind == FH_SPAN_MAPS || kind == FH_SPAN_LARGE || kind == FH_SPAN_CHUNKS) {
      count_span(out, span, kind, start, count << FH_PAGE_SHIFT);
    } else if (kind == FH_SPAN_DIRTY || kind == FH_SPAN_CLEAN) {
      out->kept_resident += fh_os_resident(start, count << FH_PAGE_SHIFT, NULL);
    }
    i += count;
  }
}

void fh_account_read(fh_account *out) {
  *out = (fh_account){0};
  for (size_t i = 0; i < fh_arena_count(); i++) {
    count_arena(out, &fh_arenas[i]);
  }
  for (fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    count_caches(out, heap);
  }
}
