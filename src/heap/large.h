/* Large objects: a span of pages each. Any thread may free them. */
#ifndef FH_HEAP_LARGE_H
#define FH_HEAP_LARGE_H

#include "pages/pages.h"

/* *zero: the memory reads as zero. NULL: no memory. */
void *fh_large_take(size_t alignment, size_t bytes, bool *zero);
void fh_large_give(const char *call, fh_span *, void *pointer);
/* Grows or shrinks without moving; false when the pages behind are taken. */
bool fh_large_resize(fh_span *, size_t bytes);
/* Moves the contents to a larger span, by page tables where the kernel can. NULL: no memory, the old one is whole. */
void *fh_large_move(fh_span *, size_t bytes);

#endif
