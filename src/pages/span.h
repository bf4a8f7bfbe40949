/* Spans, and the pagemap that finds them.
 *
 *   page   16 KiB of the arena, the unit of this layer (the kernel's own page may be 4, 16 or 64 KiB)
 *   span   a range over pages with one purpose: a slab, maps of slabs, a stretch of chunks, a large object, a free run
 *   arena  a reservation of address space, committed from the bottom up to a frontier
 *
 * The pagemap is a flat table with one descriptor of 64 bytes a page, in front of the pages themselves:
 *
 *   reservation
 *   |<---------- pagemap ----------->|<------------------------ pages ------------------------->|
 *   | guard | span 0 | span 1 | ...  | page 0 | page 1 | ... | frontier |      no access        |
 *             ^                        ^                       ^
 *             arena->spans             arena->base             arena->base + arena->limit
 *
 * A span is described by the descriptor of its first page, its head. What the others hold:
 *
 *   free run       last page: same kind, `back` = distance to the head; those between: anything, or given back
 *   chunk stretch  each page: FH_SPAN_INSIDE, `back`, and the same `heap`
 *   large object   last page: FH_SPAN_INSIDE, `back`; those between: anything
 *
 * so the neighbours of a run are found by looking one descriptor to the left and one behind its end. */
#ifndef FH_PAGES_SPAN_H
#define FH_PAGES_SPAN_H

#include "base/compiler.h"
#include "fit/hole.h"

enum { FH_PAGE_SHIFT = 14 };
#define FH_PAGE_SIZE ((size_t)1 << FH_PAGE_SHIFT)

typedef enum fh_span_kind {
  FH_SPAN_NONE = 0, /* never handed out; also the guards at both ends of an arena */
  FH_SPAN_CLEAN,    /* free, and reads as zero: fresh or purged */
  FH_SPAN_DIRTY,    /* free, with memory behind it */
  FH_SPAN_BUSY,     /* off the lists while it, or what describes it, is being purged */
  FH_SPAN_MAPS,     /* of slabs (heap/slotmap.h) */
  FH_SPAN_SLAB,
  FH_SPAN_LARGE,
  FH_SPAN_CHUNKS,
  FH_SPAN_INSIDE /* not the first page of its span */
} fh_span_kind;

struct fh_heap;
struct fh_slotmap;

typedef struct fh_span {
  /* Slab: its heap, whose thread frees into it without asking; else NULL. */
  struct fh_heap *owner;
  struct fh_slotmap *map; /* slab: what is written when slots come back; maps: those that are spare */
  uint16_t cache;         /* slab: where in its heap the thread cache of its class lies, in bytes */
  uint8_t kind;           /* fh_span_kind */
  uint8_t class;          /* slab: size class; maps: their order */
  uint8_t state;          /* slab: which list it is on; busy run: its kind before */
  uint8_t fresh;          /* chunk stretch, large object: read as zero when it was taken */
  struct fh_heap *heap;   /* slab, chunk stretch: whose */
  fh_hole link;           /* free run: in its index; slab, maps, chunk stretch: in a list of its heap */
  char *start;
  uint32_t pages;
  union {
    uint32_t back;   /* pages to the head */
    uint16_t carved; /* slab: slots that were ever handed out */
    struct {
      uint16_t carved, live; /* that were ever in use, and are */
    } maps;
  } u;
} fh_span;

_Static_assert(sizeof(void *) != 8 || sizeof(fh_span) == 64, "a descriptor is one cache line");

/* Of the link of a span in a list or index. */
fh_inline fh_span *fh_span_of(const fh_hole *link) {
  return (fh_span *)(uintptr_t)((const char *)link - offsetof(fh_span, link));
}

fh_inline size_t fh_span_bytes(const fh_span *span) { return (size_t)span->pages << FH_PAGE_SHIFT; }

/* The kind and owner of a span are read by threads that free into it from outside. */
fh_inline unsigned fh_span_kind_of(const fh_span *span) { return __atomic_load_n(&span->kind, __ATOMIC_RELAXED); }

fh_inline void fh_span_set_kind(fh_span *span, fh_span_kind kind) {
  __atomic_store_n(&span->kind, (uint8_t)kind, __ATOMIC_RELAXED);
}

fh_inline void fh_span_set_owner(fh_span *span, struct fh_heap *owner) {
  __atomic_store_n(&span->owner, owner, __ATOMIC_RELAXED);
}

fh_inline struct fh_heap *fh_span_heap(const fh_span *span) { return __atomic_load_n(&span->heap, __ATOMIC_RELAXED); }

#endif
