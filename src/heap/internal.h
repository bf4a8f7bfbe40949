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

/* What a slot or chunk of the first arena can hold, told from its page and its head alone. False: it is something
 * else; fh_block_usable looks more closely, and says what is wrong. */
fh_inline bool fh_usable_near(const void *pointer, size_t *usable) {
  fh_span *span;
  if (fh_unlikely(!fh_arena_near(pointer, &span))) {
    return false;
  }
  unsigned kind = fh_span_kind_of(span);
  if (kind == FH_SPAN_SLAB) {
    *usable = fh_class_bytes(span->class);
    return fh_slot_starts(span, pointer);
  }
  return kind >= FH_SPAN_CHUNKS && fh_span_heap(span) != NULL && fh_chunk_seen(pointer, usable);
}

#endif
