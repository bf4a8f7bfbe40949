/* What api.c asks of blocks.c. */
#ifndef FH_HEAP_INTERNAL_H
#define FH_HEAP_INTERNAL_H

#include "heap/chunk_ops.h"
#include "heap/heap.h"

/* *unzeroed: bytes at the start that are not known to be zero; SIZE_MAX: all. */
void *fh_take(size_t bytes, size_t *unzeroed);
void *fh_take_aligned(size_t alignment, size_t bytes);
/* Takes in what others sent, coalesces, and gives empty slabs and stretches back; true: it is worth trying again. */
bool fh_gather(void);

/* What the slot or chunk in this page can hold. 0: it is something else, or there is no such page; fh_block_usable
 * looks more closely, and says what is wrong. */
fh_inline size_t fh_usable_seen(const fh_span *span, const void *pointer) {
  unsigned kind = fh_likely(span != NULL) ? fh_span_kind_of(span) : FH_SPAN_NONE;
  if (kind == FH_SPAN_SLAB) {
    return fh_slot_starts(span, pointer) ? fh_class_bytes(span->class) : 0;
  }
  bool chunk = kind >= FH_SPAN_CHUNKS && fh_span_heap(span) != NULL && fh_chunk_is_used(pointer);
  return chunk ? fh_chunk_usable(pointer) : 0;
}

#endif
