/* What api.c asks of blocks.c. */
#ifndef FH_HEAP_INTERNAL_H
#define FH_HEAP_INTERNAL_H

#include "base/compiler.h"

/* *unzeroed: bytes at the start that are not known to be zero; SIZE_MAX: all. */
void *fh_take(size_t bytes, size_t *unzeroed);
void *fh_take_aligned(size_t alignment, size_t bytes);
/* Takes in what others sent, coalesces, and gives empty slabs and stretches back; true: it is worth trying again. */
bool fh_gather(void);

#endif
