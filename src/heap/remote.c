/* Remote frees: a block that belongs to another thread's heap is a message to it, and messages travel in batches
 * (the idea is snmalloc's: Liétar et al., 2019). A batch is a list through the first words of the blocks; it is posted
 * with one compare-and-swap, and the owner takes all that was posted with one exchange, on its slow path.
 *
 * The thread of an orphan will not look: whoever posts to it frees the batch in its name, under the orphan lock. */
#include "heap/remote.h"

#include "base/lock.h"

static fh_lock orphans = FH_LOCK(FH_RANK_ORPHANS);

void fh_orphans_lock(void) { fh_lock_take(&orphans); }

void fh_orphans_unlock(void) { fh_lock_drop(&orphans); }

void fh_orphans_reset_lock(void) { fh_lock_reset(&orphans); }

void fh_remote_post(fh_batch *batch) {
  fh_heap *to = batch->to;
  if (to == NULL) {
    return;
  }
  void *before = __atomic_load_n(&to->inbox, __ATOMIC_RELAXED);
  do {
    *(void **)batch->last = before;
  } while (!__atomic_compare_exchange_n(&to->inbox, &before, batch->first, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  *batch = (fh_batch){0};
  if (__atomic_load_n(&to->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN) {
    fh_remote_reap(to);
  }
}

void fh_remote_begin(fh_batch *batch, fh_heap *to, const char *call, void *pointer, size_t bytes) {
  if (batch->first == pointer) {
    fh_fatal(call, pointer, "freed already (double free)");
  }
  fh_remote_post(batch);
  *(void **)pointer = NULL;
  int64_t room = (int64_t)FH_REMOTE_BYTES - (int64_t)fh_max(bytes, FH_REMOTE_SHARE);
  *batch = (fh_batch){.to = to, .first = pointer, .last = pointer, .room = room};
  if (room <= 0) {
    fh_remote_post(batch);
  }
}

void fh_remote_post_one(fh_heap *to, void *pointer) {
  fh_batch batch = {.to = to, .first = pointer, .last = pointer};
  fh_remote_post(&batch);
}

void fh_remote_post_all(fh_heap *heap) {
  for (unsigned i = 0; i < FH_REMOTE_SLOTS; i++) {
    fh_remote_post(&heap->out[i]);
  }
}

/* Frees a message, and those behind it that go with it; what follows. */
static void *take_in(fh_heap *heap, void *pointer) {
  fh_span *span = fh_arena_find(pointer);
  if (fh_span_kind_of(span) == FH_SPAN_SLAB) {
    return fh_slab_receive(heap, span, pointer);
  }
  void *next = *(void **)pointer;
  __builtin_prefetch(next, 1);
  fh_chunk_give(&heap->chunks, "free", pointer);
  return next;
}

/* Sequentially consistent, with the state of an orphan: either the thread that posts sees the state, or who sets it
 * sees what was posted. */
static bool inbox_is_empty(fh_heap *heap) { return __atomic_load_n(&heap->inbox, __ATOMIC_SEQ_CST) == NULL; }

static void *inbox_empty(fh_heap *heap) {
  return inbox_is_empty(heap) ? NULL : __atomic_exchange_n(&heap->inbox, NULL, __ATOMIC_SEQ_CST);
}

/* As many as one call can bear. When that leaves some over they are twice as many the next time, so that others cannot
 * post faster for long than this thread frees. */
void fh_remote_some(fh_heap *heap) {
  if (heap->taken_in == NULL) {
    heap->taken_in = inbox_empty(heap);
    heap->quantum = FH_REMOTE_QUANTUM;
  }
  for (unsigned i = heap->quantum; i != 0 && heap->taken_in != NULL; i--) {
    heap->taken_in = take_in(heap, heap->taken_in);
  }
  heap->quantum *= 2;
}

void fh_remote_drain(fh_heap *heap) {
  do {
    while (heap->taken_in != NULL) {
      heap->taken_in = take_in(heap, heap->taken_in);
    }
    heap->taken_in = inbox_empty(heap);
  } while (heap->taken_in != NULL);
}

void fh_remote_reap(fh_heap *heap) {
  fh_orphans_lock();
  if (__atomic_load_n(&heap->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN) {
    fh_remote_drain(heap);
    fh_orphan_settle(heap);
  }
  fh_orphans_unlock();
}
