/* Arenas: reservations of address space that are committed upward from a frontier.
 * The first one has addresses for more than the machine's memory and is almost always the only one, so looking up an
 * address is one compare; further ones are opened for what does not fit. */
#ifndef FH_PAGES_ARENA_H
#define FH_PAGES_ARENA_H

#include "pages/span.h"

/* Bytes that an arena grows by at least. */
#if FREEHOLD_TINY
#define FH_ARENA_STEP ((size_t)64 << 10)
#else
#define FH_ARENA_STEP ((size_t)960 << 10) /* the descriptors and both guards lie in 4 KiB */
#endif

typedef struct fh_arena {
  char *base;      /* page 0 */
  size_t limit;    /* committed bytes from base; grows */
  fh_span *spans;  /* descriptor of page 0; the one before it and the one behind the frontier are guards */
  size_t reserved; /* bytes of pages that fit */
  char *map_end;   /* committed end of the pagemap */
} fh_arena;

enum { FH_ARENAS_MAX = 64 };

extern fh_arena fh_arenas[FH_ARENAS_MAX];

/* The first arena once more, each word on its own: the fast path of free reaches it without an address in a register.
 */
extern fh_hidden char *fh_first_base;
extern fh_hidden size_t fh_first_limit;
extern fh_hidden fh_span *fh_first_spans;

/* Commits at least `pages` pages at the end of an arena, opening one if needed. On success *span is the descriptor of
 * the first new page, its start is set and *got says how many there are. Call with the grow lock held.
 * False: the system has no more. */
bool fh_arena_grow(size_t pages, fh_span **span, size_t *got);

/* Pages committed in all arenas; bytes of pagemap committed. */
size_t fh_arena_committed(void);
size_t fh_arena_count(void);

fh_span *fh_arena_find_further(const void *pointer);

/* The descriptor of the page that holds `pointer`; false when it does not lie in the first arena. */
fh_inline bool fh_arena_near(const void *pointer, fh_span **span) {
  size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)fh_racy_load(fh_first_base));
  if (fh_unlikely(offset >= __atomic_load_n(&fh_first_limit, __ATOMIC_ACQUIRE))) {
    return false;
  }
  *span = fh_racy_load(fh_first_spans) + (offset >> FH_PAGE_SHIFT); /* written before the limit */
  return true;
}

/* The same; NULL when it lies in no arena. */
fh_inline fh_span *fh_arena_find(const void *pointer) {
  fh_span *span;
  return fh_likely(fh_arena_near(pointer, &span)) ? span : fh_arena_find_further(pointer);
}

#endif
