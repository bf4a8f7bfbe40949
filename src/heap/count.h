/* What the program asked for, which the heap itself does not remember: counted while statistics are wanted.
 *
 * A slot, a chunk or a span is larger than the request; how much larger is written into a shadow of the arena, two
 * bytes for each 16 of it. While this is on, no call takes a fast path, so that none goes uncounted. */
#ifndef FH_HEAP_COUNT_H
#define FH_HEAP_COUNT_H

#include "heap/sizes.h"

/* Sizes are told apart as the slab classes do, then by powers of two up to FH_CHUNK_MAX; the last is for all larger. */
enum { FH_COUNT_SIZES = FH_CLASSES + 8 };

typedef struct fh_counted {
  uint64_t requested, usable;           /* bytes in the hands of the program now */
  uint64_t peak_requested, peak_usable; /* when `usable` was highest */
  uint64_t calls[FH_COUNT_SIZES];       /* allocations of that size so far; 0 is not used */
  uint64_t live[FH_COUNT_SIZES];        /* of them not freed yet */
  uint64_t shadow;                      /* bytes resident for the shadow itself */
  uint64_t missed;                      /* allocations that could not be counted: no memory for the shadow */
} fh_counted;

extern fh_hidden int fh_counting; /* written once, before the first allocation */

/* Reads the setting, the first time; to be called before a heap is made. */
void fh_count_start(void);

/* `user` was just handed out for `requested` bytes. Thread-safe, as the others. */
void fh_count_take(const void *user, size_t requested);
/* `user` is about to be freed; the bytes that were requested, all that is usable when they were not counted. */
size_t fh_count_give(const char *call, const void *user);
/* Takes the last fh_count_give back. */
void fh_count_keep(const void *user, size_t requested);

void fh_count_read(fh_counted *out);
unsigned fh_count_size_of(size_t requested);
size_t fh_count_size_most(unsigned size); /* the largest request of that size; SIZE_MAX for the last */

#endif
