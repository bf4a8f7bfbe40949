#include "lens/retained.h"

#include "base/bits.h"
#include "heap/chunk_ops.h"
#include "heap/heap.h"
#include "heap/remote.h"
#include "heap/sleeper.h"
#include "heap/sparse.h"
#include "os/os.h"

const char *const fh_keeper_names[FH_KEEPERS] = {
    "runs", "holes", "bits", "uncarved", "slots", "quick", "cached", "sent", "maps",
};

typedef struct note {
  uint32_t live;    /* bytes on this page */
  uint8_t kind;     /* fh_keeper */
  uint8_t believed; /* the heap knows no better than that there is memory behind it */
} note;

/* One note a kernel page, and the kernel's answer behind them. */
typedef struct arena_notes {
  const char *base;
  size_t pages, bytes;
  note *of;
  unsigned char *resident;
} arena_notes;

typedef struct reading {
  arena_notes arenas[FH_ARENAS_MAX];
  size_t count, page; /* the kernel's */
  unsigned shift;     /* its logarithm */
  fh_retained *out;
} reading;

/* Of an address in one of the arenas. */
static note *note_of(const reading *r, const char *at) {
  const arena_notes *in = r->arenas;
  while ((size_t)((uintptr_t)at - (uintptr_t)in->base) >> r->shift >= in->pages) {
    in++;
  }
  return &in->of[(size_t)(at - in->base) >> r->shift];
}

/* `times` is 1 or -1. */
static void add_live(const reading *r, const char *at, size_t bytes, int times) {
  note *n = note_of(r, at);
  for (size_t done = 0, now; done < bytes; done += now, n++) {
    now = fh_min(bytes - done, r->page - (((uintptr_t)at + done) & (r->page - 1)));
    n->live += (uint32_t)((int64_t)now * times);
  }
}

/* Of all pages that the bytes lie on. */
static void add_kind(const reading *r, const char *at, size_t bytes, fh_keeper kind, bool believed) {
  note *n = note_of(r, at), *last = note_of(r, at + bytes - 1);
  for (; n <= last; n++) {
    n->kind = (uint8_t)fh_max(n->kind, (size_t)kind);
    n->believed |= believed;
  }
}

static void add_dead(const reading *r, const char *at, size_t bytes, fh_keeper kind) {
  note *n = note_of(r, at);
  if (((uintptr_t)at & (r->page - 1)) + bytes <= r->page) { /* as a rule, and there are many */
    n->live -= (uint32_t)bytes;
    n->kind = (uint8_t)fh_max(n->kind, (size_t)kind);
    n->believed = true;
    return;
  }
  add_live(r, at, bytes, -1);
  add_kind(r, at, bytes, kind, true);
}

static void read_slab(const reading *r, const fh_span *slab) {
  size_t size = fh_class_bytes(slab->class), carved = slab->u.carved * size;
  add_kind(r, slab->start, FH_PAGE_SIZE, FH_KEPT_UNCARVED, !slab->fresh);
  add_live(r, slab->start, carved, 1);
  if (carved != 0) {
    add_kind(r, slab->start, carved, FH_KEPT_UNCARVED, true);
  }
  for (unsigned slot = 0; slot < slab->u.carved; slot++) {
    if (fh_slotmap_is_free(slab->map, slot)) {
      add_dead(r, slab->start + slot * size, size, FH_KEPT_SLOTS);
    }
  }
  for (size_t offset = 0; offset < FH_PAGE_SIZE; offset += r->page) {
    if (fh_sparse_is_purged(slab, offset)) {
      note_of(r, slab->start + offset)->believed = false;
    }
  }
}

/* What a purge would take of a big hole is under the budget, its ends are not: the links lie there. */
static void read_hole(const reading *r, const char *user, size_t bytes) {
  const fh_chunk *c = chunk_of(user);
  const char *end = (const char *)c + bytes;
  const char *from = (const char *)fh_round_up((uintptr_t)c + sizeof(big_hole), r->page);
  const char *to = (const char *)fh_round_down((uintptr_t)end, r->page);
  if (bytes < (size_t)FH_BIG_UNITS * FH_UNIT || from >= to) {
    add_kind(r, (const char *)c, bytes, FH_KEPT_BITS, true);
    return;
  }
  add_kind(r, (const char *)c, (size_t)(from - (const char *)c), FH_KEPT_BITS, true);
  add_kind(r, from, (size_t)(to - from), FH_KEPT_HOLES, false); /* it knows how many, not which */
  if (to != end) {
    add_kind(r, to, (size_t)(end - to), FH_KEPT_BITS, true);
  }
}

static void read_chunk(void *arg, const void *user, size_t bytes, fh_chunk_state state) {
  const reading *r = arg;
  if (state == FH_CHUNK_HOLE) {
    read_hole(r, user, bytes);
  } else if (state == FH_CHUNK_QUICK) {
    add_kind(r, user, bytes - FH_CHUNK_HEAD, FH_KEPT_QUICK, true);
  } else {
    add_live(r, user, bytes - FH_CHUNK_HEAD, 1);
    add_kind(r, user, bytes - FH_CHUNK_HEAD, FH_KEPT_BITS, true);
  }
}

static void read_span(const reading *r, const fh_span *span) {
  unsigned kind = fh_span_kind_of(span);
  if (kind == FH_SPAN_SLAB) {
    read_slab(r, span);
  } else if (kind == FH_SPAN_LARGE) {
    add_live(r, span->start, fh_span_bytes(span), 1);
  } else if (kind == FH_SPAN_MAPS) {
    add_kind(r, span->start, FH_PAGE_SIZE, FH_KEPT_MAPS, true);
  } else if (kind == FH_SPAN_DIRTY) {
    add_kind(r, span->start, fh_span_bytes(span), FH_KEPT_RUNS, true);
  }
}

/* A slab without a live slot: all of it is there for what keeps the slot that goes last. */
static void read_dead_slab(const reading *r, const fh_span *span) {
  unsigned kind = 0;
  if (fh_span_kind_of(span) != FH_SPAN_SLAB) {
    return;
  }
  for (const note *n = note_of(r, span->start), *last = note_of(r, span->start + FH_PAGE_SIZE - 1); n <= last; n++) {
    if (n->live != 0) {
      return;
    }
    kind = (unsigned)fh_max(kind, n->kind);
  }
  add_kind(r, span->start, FH_PAGE_SIZE, (fh_keeper)kind, false);
}

/* Spans lie side by side from the first page to the frontier. */
static void read_spans(const reading *r, void (*read)(const reading *, const fh_span *)) {
  for (size_t a = 0; a < r->count; a++) {
    size_t pages = (r->arenas[a].pages << r->shift) >> FH_PAGE_SHIFT;
    for (size_t i = 0; i < pages;) {
      const fh_span *span = fh_arenas[a].spans + i;
      unsigned kind = fh_span_kind_of(span);
      read(r, span);
      i += kind == FH_SPAN_NONE || kind == FH_SPAN_INSIDE || span->pages == 0 ? 1 : span->pages;
    }
  }
}

/* Blocks on their way are used to their heap. */
static void read_sent(const reading *r, const void *block) {
  const fh_span *span = fh_arena_find(block);
  bool slot = fh_span_kind_of(span) == FH_SPAN_SLAB;
  add_dead(r, block, slot ? fh_class_bytes(span->class) : fh_chunk_usable(block), FH_KEPT_SENT);
}

static void read_sorted(void *arg, const void *block) { read_sent(arg, block); }

static void read_nodes(const reading *r, void **node) {
  void *blocks[FH_NODE_BLOCKS];
  for (unsigned count; node != NULL;) {
    node = fh_remote_read(node, blocks, &count);
    for (unsigned i = 0; i < count; i++) {
      read_sent(r, blocks[i]);
    }
  }
}

/* The open node has no count of its own yet. */
static void read_batch(const reading *r, const fh_batch *batch) {
  if (batch->to != NULL) {
    for (void **at = batch->node + 1; at < batch->at; at++) {
      void *blocks[FH_NODE_COUNT + 1];
      for (unsigned left = fh_remote_expand(*at, blocks); left != 0; left--) {
        read_sent(r, blocks[left - 1]);
      }
    }
    read_sent(r, batch->node);
    read_nodes(r, batch->next);
  }
}

static void read_heap(const reading *r, const fh_heap *heap) {
  for (unsigned class = 1; class < FH_CLASSES; class ++) {
    const char *slot = heap->cache[class].first;
    for (; slot != NULL; slot = *(const char *const *)(const void *)slot) {
      add_dead(r, slot, fh_class_bytes(class), FH_KEPT_CACHED);
    }
  }
  for (unsigned i = 0; i < FH_REMOTE_SLOTS; i++) {
    read_batch(r, &heap->out[i]);
  }
  read_nodes(r, __atomic_load_n(&heap->inbox, __ATOMIC_ACQUIRE));
  read_nodes(r, heap->taken_in);
  fh_sleeper_visit(heap, read_sorted, (void *)(uintptr_t)r);
  r->out->believed[FH_KEPT_HOLES] += heap->chunks.dirty_units * FH_UNIT;
}

static void sum_up(const reading *r, const arena_notes *notes) {
  fh_retained *out = r->out;
  out->resident += fh_os_resident(notes->base, notes->pages * r->page, notes->resident);
  for (size_t i = 0; i < notes->pages; i++) {
    const note *n = &notes->of[i];
    size_t resident = notes->resident[i] * r->page;
    out->live += n->live;
    if (n->live != 0) {
      out->taken += resident;
      continue;
    }
    out->kept[n->kind] += resident;
    out->total += resident;
    out->believed[n->kind] += n->believed * r->page;
  }
}

static bool make_notes(reading *r, const fh_arena *arena) {
  size_t pages = __atomic_load_n(&arena->limit, __ATOMIC_ACQUIRE) / r->page;
  size_t bytes = fh_round_up(fh_max(pages, 1) * (sizeof(note) + 1), r->page);
  note *at = fh_os_reserve(bytes, r->page);
  if (at == NULL || !fh_os_commit(at, bytes)) {
    fh_os_release(at, at == NULL ? 0 : bytes);
    return false;
  }
  r->arenas[r->count++] = (arena_notes){arena->base, pages, bytes, at, (unsigned char *)(at + pages)};
  return true;
}

static void read_all(const reading *r) {
  read_spans(r, read_span);
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    fh_chunk_walk(&heap->chunks, read_chunk, (void *)(uintptr_t)r);
  }
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    read_heap(r, heap);
  }
  read_spans(r, read_dead_slab);
  for (size_t i = 0; i < r->count; i++) {
    sum_up(r, &r->arenas[i]);
  }
}

bool fh_retained_read(fh_retained *out) {
  reading r = {.page = fh_os_page_size(), .shift = fh_highest_bit(fh_os_page_size()), .out = out};
  bool done = true;
  *out = (fh_retained){0};
  for (size_t i = 0; i < fh_arena_count() && done; i++) {
    done = make_notes(&r, &fh_arenas[i]);
  }
  if (done) {
    read_all(&r);
  }
  for (size_t i = 0; i < r.count; i++) {
    fh_os_release(r.arenas[i].of, r.arenas[i].bytes);
  }
  return done;
}

static uint64_t runs_budget(unsigned percent) {
  fh_pages_counts now;
  fh_pages_read(&now);
  size_t widest = fh_max(FH_WIDEN_BYTES >> FH_PAGE_SHIFT, now.used);
  size_t share = now.used * percent / 100, widened = fh_min(now.widened, widest) + now.trusted;
  return FH_RETAIN_BYTES + ((uint64_t)(share + widened) << FH_PAGE_SHIFT);
}

/* The share is of what was live when the budget was looked at; all stretches are more than that. */
uint64_t fh_retained_holes_budget(const fh_heap *heap) {
  const fh_chunks *h = &heap->chunks;
  return FH_CHUNK_RETAIN + h->total_bytes / 16 + fh_budget_beside(&h->budget);
}

/* Nobody looks when a stretch is taken that was in use before, or the heap of a thread that has ended. */
static uint64_t holes_unlooked(const fh_heap *heap) {
  return fh_min(fh_max(heap->chunks.total_bytes / 8, FH_STRETCH_LEAST), FH_STRETCH_MOST);
}

void fh_retained_budgets(uint64_t most[FH_KEEPERS], unsigned percent) {
  for (unsigned i = 0; i < FH_KEEPERS; i++) {
    most[i] = UINT64_MAX;
  }
  most[FH_KEPT_RUNS] = runs_budget(percent);
  most[FH_KEPT_HOLES] = 2 * FH_ORPHANS_RETAIN; /* what was taken over of them, and what they have since */
  most[FH_KEPT_QUICK] = 0;
  for (const fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    if (__atomic_load_n(&heap->state, __ATOMIC_RELAXED) == FH_HEAP_LIVE) {
      most[FH_KEPT_HOLES] += fh_retained_holes_budget(heap) + holes_unlooked(heap);
      most[FH_KEPT_QUICK] += FH_QUICK_RETAIN;
    }
  }
}
