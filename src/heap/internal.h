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

/* What a slot or chunk in the first arena can hold, and its page. 0: it is something else, or has to be looked at more
 * closely (fh_block_usable). */
fh_inline size_t fh_usable_seen(const void *pointer, fh_span **page) {
  size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)fh_racy_load(fh_first_base));
  if (fh_unlikely(offset >= fh_racy_load(fh_first_limit))) {
    return 0;
  }
  fh_span *span = fh_racy_load(fh_first_spans) + (offset >> FH_PAGE_SHIFT);
  unsigned kind = fh_span_kind_of(span);
  *page = span;
  if (kind == FH_SPAN_SLAB) {
    return fh_slot_starts(span, pointer) ? fh_class_bytes(span->class) : 0;
  }
  bool chunk = kind >= FH_SPAN_CHUNKS && fh_span_heap(span) != NULL && fh_chunk_is_used(pointer);
  return chunk ? fh_chunk_usable(pointer) : 0;
}

#endif
