/* The slow path: from a size, or an address, to the part of the heap that serves it. */
#include "base/fatal.h"
#include "heap/count.h"
#include "heap/fast.h"
#include "heap/internal.h"
#include "heap/large.h"
#include "heap/quick.h"
#include "heap/remote.h"

static void *block_take(fh_heap *heap, size_t bytes, size_t *unzeroed) {
  bool zero = false;
  *unzeroed = SIZE_MAX;
  fh_remote_some(heap); /* what a thread does for others before it asks for more memory */
  if (bytes <= FH_SLAB_MAX && !fh_slab_early(heap, fh_class_for(heap, bytes))) {
    return fh_slab_take(heap, fh_class_for(heap, bytes));
  }
  if (bytes <= FH_CHUNK_MAX) {
    return fh_chunk_take(&heap->chunks, bytes, unzeroed);
  }
  void *taken = bytes > FH_OBJECT_MAX ? NULL : fh_large_take(1, bytes, &zero);
  if (zero) {
    *unzeroed = 0;
  }
  return taken;
}

static fh_noinline void *take_borrowed(size_t bytes, size_t *unzeroed) {
  fh_heap *heap = fh_heap_borrow();
  void *taken = NULL;
  *unzeroed = SIZE_MAX;
  if (heap != NULL) {
    taken = block_take(heap, bytes, unzeroed);
    fh_heap_return(heap);
  }
  return taken;
}

static void *take_once(size_t bytes, size_t *unzeroed) {
  fh_heap *heap = fh_heap_mine();
  return fh_likely(heap != NULL) ? block_take(heap, bytes, unzeroed) : take_borrowed(bytes, unzeroed);
}

/* Memory is short: what this thread's heap has and does not use goes back to the page runs. */
bool fh_gather(void) {
  fh_heap *heap = fh_this.heap;
  if (heap == NULL) {
    return false;
  }
  bool freed = fh_remote_drain(heap);
  size_t slabs = heap->slab_count;
  uint64_t stretches = heap->chunks.total_bytes;
  fh_cache_flush(heap);
  fh_chunk_settle(&heap->chunks);
  return freed || heap->slab_count != slabs || heap->chunks.total_bytes != stretches;
}

void *fh_take(size_t bytes, size_t *unzeroed) {
  void *taken = take_once(bytes, unzeroed);
  bool again = fh_unlikely(taken == NULL) && bytes <= FH_OBJECT_MAX && fh_gather();
  return again ? take_once(bytes, unzeroed) : taken;
}

/* Slots are aligned to the powers of two that divide their size. */
static void *block_take_aligned(fh_heap *heap, size_t alignment, size_t bytes) {
  size_t rounded = fh_round_up(fh_max(bytes, 1), alignment);
  if (rounded <= FH_SLAB_MAX && !fh_slab_early(heap, fh_class_for(heap, rounded))) {
    return fh_slab_take(heap, fh_class_for(heap, rounded));
  }
  return fh_chunk_take_aligned(&heap->chunks, alignment, bytes);
}

static void *take_aligned_once(size_t alignment, size_t bytes) {
  bool zero;
  if (bytes > FH_CHUNK_MAX || alignment > FH_CHUNK_MAX / 4) {
    return fh_large_take(alignment, bytes, &zero);
  }
  fh_heap *heap = fh_heap_mine();
  if (heap != NULL) {
    fh_remote_some(heap);
    return block_take_aligned(heap, alignment, bytes);
  }
  heap = fh_heap_borrow();
  void *taken = heap == NULL ? NULL : block_take_aligned(heap, alignment, bytes);
  if (heap != NULL) {
    fh_heap_return(heap);
  }
  return taken;
}

void *fh_take_aligned(size_t alignment, size_t bytes) {
  size_t unzeroed;
  if (alignment <= FH_ALIGNMENT) {
    return fh_take(bytes, &unzeroed);
  }
  if (bytes > FH_OBJECT_MAX) {
    return NULL;
  }
  void *taken = take_aligned_once(alignment, bytes);
  return fh_unlikely(taken == NULL) && fh_gather() ? take_aligned_once(alignment, bytes) : taken;
}

/* Freeing. */

/* The head of the span that holds the pointer, or one line and the end. */
static fh_span *head_of(const char *call, const void *pointer) {
  fh_span *span = fh_arena_find(pointer);
  if (span == NULL) {
    fh_fatal(call, pointer, "not from this heap: another allocator's, or never allocated");
  }
  unsigned kind = fh_span_kind_of(span);
  if (kind == FH_SPAN_INSIDE) {
    fh_span *head = span - span->u.back;
    if (fh_span_kind_of(head) == FH_SPAN_CHUNKS && head->pages > span->u.back) {
      return head;
    }
    fh_fatal(call, pointer, "not the start of an allocation");
  }
  if (kind != FH_SPAN_SLAB && kind != FH_SPAN_CHUNKS && kind != FH_SPAN_LARGE) {
    fh_fatal(call, pointer, "freed already (double free), or never allocated");
  }
  return span;
}

void fh_block_give(fh_heap *heap, const char *call, fh_span *span, void *pointer) {
  if (fh_span_kind_of(span) == FH_SPAN_SLAB) {
    fh_slab_give(heap, call, span, pointer);
  } else {
    fh_chunk_give(&heap->chunks, call, pointer);
  }
}

size_t fh_block_usable(const char *call, const void *pointer) {
  fh_span *span = head_of(call, pointer);
  switch (fh_span_kind_of(span)) {
    case FH_SPAN_SLAB: fh_slot_check(call, span, pointer); return fh_class_bytes(span->class);
    case FH_SPAN_LARGE: return fh_span_bytes(span);
    default: fh_chunk_check(call, pointer); return fh_chunk_usable(pointer);
  }
}

fh_noinline void fh_free_slow(void *pointer, const char *call) {
  if (pointer == NULL) {
    return;
  }
  if (fh_unlikely(fh_counting != 0)) {
    fh_count_give(call, pointer);
  }
  fh_heap *mine = fh_this.heap;
  fh_span *span = head_of(call, pointer);
  if (fh_span_kind_of(span) == FH_SPAN_LARGE) {
    fh_large_give(call, span, pointer);
    return;
  }
  fh_heap *to = fh_span_heap(span);
  if (to == mine) {
    fh_block_give(mine, call, span, pointer);
    fh_remote_some(mine); /* a thread that only frees looks here */
    return;
  }
  size_t bytes = fh_block_usable(call, pointer);
  mine = fh_heap_mine();
  if (mine != NULL) {
    fh_remote_give(mine, to, call, pointer, bytes);
  } else {
    fh_remote_post_one(to, pointer);
  }
}

/* Notes a slot or chunk in the message to its heap. False: it is something else. A thread without a heap has no open
 * message, and is to make its heap first. */
fh_inline bool send(void *pointer, fh_heap *mine, fh_heap *to, fh_span *span) {
  fh_batch *batch = fh_remote_batch(mine, to);
  unsigned kind = fh_span_kind_of(span);
  bool is_slot = kind == FH_SPAN_SLAB && fh_slot_starts(span, pointer);
  if (fh_likely(is_slot && fh_remote_note(batch, to, pointer, fh_class_bytes(span->class)))) {
    return true;
  }
  if (mine == &fh_no_heap || (!is_slot && !(kind >= FH_SPAN_CHUNKS && fh_chunk_is_used(pointer)))) {
    return false;
  }
  fh_remote_give(mine, to, "free", pointer, is_slot ? fh_class_bytes(span->class) : fh_chunk_usable(pointer));
  return true;
}

/* Apart, so that a chunk of the thread's own heap needs no more registers than it uses. */
static fh_noinline void free_elsewhere(void *pointer, fh_heap *mine, fh_heap *to, fh_span *span) {
  if (fh_unlikely(to == NULL || !send(pointer, mine, to, span))) {
    fh_free_slow(pointer, "free");
  }
}

/* A chunk of the thread's own heap goes to its quick list, a slot or chunk of another's is a message. Everything else
 * is rare. */
fh_noinline void fh_free_found(void *pointer, fh_heap *mine, fh_span *span) {
  fh_heap *to = fh_span_heap(span);
  if (to != mine) {
    free_elsewhere(pointer, mine, to, span);
    return;
  }
  if (fh_unlikely(fh_span_kind_of(span) < FH_SPAN_CHUNKS)) {
    fh_free_slow(pointer, "free");
    return;
  }
  if (fh_unlikely(!fh_quick_give(&mine->chunks, pointer))) {
    fh_chunk_give_slow(&mine->chunks, "free", pointer);
    fh_remote_some(mine);
  }
}
