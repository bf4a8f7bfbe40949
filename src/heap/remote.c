/* Remote frees: a block that belongs to another thread's heap is a message to it, and messages travel in batches
 * (the idea is snmalloc's: Liétar et al., 2019). A batch is a list through the first words of the blocks; it is posted
 * with one compare-and-swap, and the owner takes all that was posted with one exchange, on its slow path.
 *
 * The thread of an orphan will not look: whoever posts to it frees the batch in its name, under the orphan lock. */
#include "base/lock.h"
#include "heap/heap.h"

static fh_lock orphans = FH_LOCK(FH_RANK_ORPHANS);

void fh_orphans_lock(void) { fh_lock_take(&orphans); }

void fh_orphans_unlock(void) { fh_lock_drop(&orphans); }

void fh_orphans_reset_lock(void) { fh_lock_reset(&orphans); }

static void post(fh_batch *batch) {
  fh_heap *to = batch->to;
  if (batch->first == NULL) {
    return;
  }
  void *before = __atomic_load_n(&to->inbox, __ATOMIC_RELAXED);
  do {
    *(void **)batch->last = before;
  } while (!__atomic_compare_exchange_n(&to->inbox, &before, batch->first, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  *batch = (fh_batch){.to = to};
  if (__atomic_load_n(&to->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN) {
    fh_remote_reap(to);
  }
}

void fh_remote_post_one(fh_heap *to, void *pointer) {
  fh_batch batch = {.to = to, .first = pointer, .last = pointer};
  post(&batch);
}

void fh_remote_post_all(fh_heap *heap) {
  for (unsigned i = 0; i < FH_REMOTE_SLOTS; i++) {
    post(&heap->out[i]);
  }
}

void fh_remote_give(fh_heap *mine, fh_heap *to, void *pointer, size_t bytes) {
  fh_batch *batch = &mine->out[((uintptr_t)to / sizeof(fh_heap)) % FH_REMOTE_SLOTS];
  if (batch->to != to) {
    post(batch);
    batch->to = to;
  }
  *(void **)pointer = batch->first;
  batch->first = pointer;
  if (batch->last == NULL) {
    batch->last = pointer;
  }
  batch->bytes += bytes;
  if (++batch->count >= FH_REMOTE_MOST || batch->bytes >= FH_REMOTE_BYTES) {
    post(batch);
  }
}

void fh_remote_drain(fh_heap *heap) {
  if (__atomic_load_n(&heap->inbox, __ATOMIC_RELAXED) == NULL) {
    return;
  }
  void *pointer = __atomic_exchange_n(&heap->inbox, NULL, __ATOMIC_SEQ_CST);
  while (pointer != NULL) {
    void *next = *(void **)pointer;
    __builtin_prefetch(next, 1); /* it lies in the other thread's cache */
    fh_block_give(heap, "free", fh_arena_find(pointer), pointer);
    pointer = next;
  }
}

void fh_remote_reap(fh_heap *heap) {
  fh_orphans_lock();
  if (__atomic_load_n(&heap->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN) {
    fh_remote_drain(heap);
    fh_chunk_trim(&heap->chunks); /* nobody may ever come back to do it */
  }
  fh_orphans_unlock();
}
