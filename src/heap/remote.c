/* Remote frees: a block that belongs to another thread's heap is a message to it, and messages travel in batches
 * (the idea is snmalloc's: Liétar et al., 2019). A batch is posted with one compare-and-swap, and the owner takes all
 * that was posted with one exchange, on its slow path.
 *
 * The thread of an orphan will not look: whoever posts to it frees the batch in its name, under the orphan lock. */
#include "heap/remote.h"

#include "base/lock.h"

static fh_lock orphans = FH_LOCK(FH_RANK_ORPHANS);

void fh_orphans_lock(void) { fh_lock_take(&orphans); }

void fh_orphans_unlock(void) { fh_lock_drop(&orphans); }

void fh_orphans_reset_lock(void) { fh_lock_reset(&orphans); }

/* The open node is full, or posted: it gets its link and count. */
static void close_node(fh_batch *batch) {
  batch->node[0] = (void *)((uintptr_t)batch->next | batch->held);
  batch->last_held = batch->node == batch->last ? batch->held : batch->last_held;
}

void fh_remote_post(fh_batch *batch) {
  fh_heap *to = batch->to;
  if (to == NULL) {
    return;
  }
  close_node(batch);
  void **before = __atomic_load_n(&to->inbox, __ATOMIC_RELAXED);
  do {
    batch->last[0] = (void *)((uintptr_t)before | batch->last_held);
  } while (!__atomic_compare_exchange_n(&to->inbox, &before, batch->node, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  *batch = (fh_batch){0};
  if (__atomic_load_n(&to->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN) {
    fh_remote_reap(to);
  }
}

void fh_remote_begin(fh_batch *batch, fh_heap *to, const char *call, void *pointer, size_t bytes) {
  if (batch->to == to && batch->newest == pointer) {
    fh_fatal(call, pointer, "freed already (double free)");
  }
  if (batch->to != to) {
    fh_remote_post(batch);
    *batch = (fh_batch){.to = to, .last = pointer, .room = (int32_t)FH_REMOTE_BYTES};
  } else {
    close_node(batch);
  }
  batch->next = batch->node;
  batch->node = pointer;
  batch->newest = pointer;
  batch->held = 0;
  batch->most = (uint16_t)fh_min(bytes / sizeof(void *) - 1, FH_NODE_MOST);
  batch->room -= (int32_t)fh_min(fh_max(bytes, FH_REMOTE_SHARE), FH_REMOTE_BYTES);
  if (batch->room <= 0) {
    fh_remote_post(batch);
  }
}

void fh_remote_post_one(fh_heap *to, void *pointer) {
  fh_batch batch = {.to = to, .node = pointer, .last = pointer};
  fh_remote_post(&batch);
}

void fh_remote_post_all(fh_heap *heap) {
  for (unsigned i = 0; i < FH_REMOTE_SLOTS; i++) {
    fh_remote_post(&heap->out[i]);
  }
}

static fh_cold _Noreturn void damaged(const void *block) {
  fh_fatal("free", block, "another thread's list of freed blocks is damaged: double free, or a write to freed memory");
}

void **fh_remote_read(void **node, void *blocks[FH_NODE_MOST + 1], unsigned *count) {
  uintptr_t link = (uintptr_t)node[0];
  unsigned others = (unsigned)(link & FH_NODE_COUNT);
  void **next = (void **)(link & ~(uintptr_t)FH_NODE_COUNT);
  if (fh_unlikely(others > FH_NODE_MOST)) {
    damaged(node);
  }
  __builtin_prefetch(next);
  for (unsigned i = 0; i < others; i++) {
    blocks[i] = node[i + 1];
    __builtin_prefetch(blocks[i], 1);
  }
  blocks[others] = node;
  *count = others + 1;
  return next;
}

/* What is freed twice may come back from two threads, and be handed out again between: then the program has written
 * where a node was. */
fh_inline fh_span *span_of_mine(const fh_heap *heap, const void *block) {
  fh_span *span = fh_arena_find(block);
  if (fh_unlikely(span == NULL || fh_span_heap(span) != heap)) {
    damaged(block);
  }
  return span;
}

/* How many of the blocks from the first on lie in its page. */
static unsigned same_page(void *const *blocks, unsigned count) {
  unsigned n = 1;
  while (n < count && ((uintptr_t)blocks[n] ^ (uintptr_t)blocks[0]) < FH_PAGE_SIZE) {
    n++;
  }
  return n;
}

/* Frees the blocks of the node that comes next; how many. */
static unsigned take_in(fh_heap *heap) {
  void *blocks[FH_NODE_MOST + 1];
  unsigned count;
  span_of_mine(heap, heap->taken_in);
  heap->taken_in = fh_remote_read(heap->taken_in, blocks, &count);
  for (unsigned i = 0, n = 1; i < count; i += n) {
    fh_span *span = span_of_mine(heap, blocks[i]);
    if (fh_span_kind_of(span) == FH_SPAN_SLAB) {
      n = same_page(blocks + i, count - i);
      fh_slab_receive(heap, span, blocks + i, n);
    } else {
      n = 1;
      fh_chunk_give(&heap->chunks, "free", blocks[i]);
    }
  }
  return count;
}

/* Sequentially consistent, with the state of an orphan: either the thread that posts sees the state, or who sets it
 * sees what was posted. */
static bool inbox_is_empty(fh_heap *heap) { return __atomic_load_n(&heap->inbox, __ATOMIC_SEQ_CST) == NULL; }

static void **inbox_empty(fh_heap *heap) {
  return inbox_is_empty(heap) ? NULL : __atomic_exchange_n(&heap->inbox, NULL, __ATOMIC_SEQ_CST);
}

/* As many as one call can bear. When that leaves some over they are twice as many the next time, so that others cannot
 * post faster for long than this thread frees. */
void fh_remote_some(fh_heap *heap) {
  if (heap->taken_in == NULL) {
    heap->taken_in = inbox_empty(heap);
    heap->quantum = FH_REMOTE_QUANTUM;
  }
  for (unsigned done = 0; done < heap->quantum && heap->taken_in != NULL;) {
    done += take_in(heap);
  }
  heap->quantum *= 2;
}

bool fh_remote_drain(fh_heap *heap) {
  bool some = false;
  do {
    for (; heap->taken_in != NULL; some = true) {
      take_in(heap);
    }
    heap->taken_in = inbox_empty(heap);
  } while (heap->taken_in != NULL);
  return some;
}

void fh_remote_reap(fh_heap *heap) {
  fh_orphans_lock();
  if (__atomic_load_n(&heap->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN) {
    fh_remote_drain(heap);
    fh_orphan_settle(heap);
  }
  fh_orphans_unlock();
}
