/* Remote frees: a block that belongs to another thread's heap is a message to it, and messages travel in batches
 * (the idea is snmalloc's: Liétar et al., 2019). A batch is posted with one compare-and-swap, and the owner takes all
 * that was posted with one exchange, on its slow path.
 *
 * The thread of an orphan will not look: whoever posts to it frees the batch in its name, under the orphan lock. */
#include "heap/remote.h"

#include "base/lock.h"
#include "heap/fast.h"
#include "heap/sleeper.h"

enum { QUANTUM_MOST = 1 << 20 }; /* messages that one call frees, however often it was too few */

static fh_lock orphans = FH_LOCK(FH_RANK_ORPHANS);

void fh_orphans_lock(void) { fh_lock_take(&orphans); }

void fh_orphans_unlock(void) { fh_lock_drop(&orphans); }

void fh_orphans_reset_lock(void) { fh_lock_reset(&orphans); }

/* The open node is full, or posted: it gets its link and count. */
static void close_node(fh_batch *batch) {
  unsigned held = (unsigned)(batch->at - batch->node) - 1;
  batch->node[0] = (void *)((uintptr_t)batch->next | held);
  batch->last_held = batch->node == batch->last ? (uint16_t)held : batch->last_held;
}

/* Bytes in the blocks of a batch, about: slots are taken to be as long as the last one. What the open node does not
 * hold yet has been taken off the room already. */
static size_t bytes_in(const fh_batch *batch) {
  const fh_span *span = fh_arena_find(batch->newest);
  size_t counted = FH_REMOTE_BYTES - (size_t)batch->room - batch->left * FH_REMOTE_SHARE;
  bool slot = fh_span_kind_of(span) == FH_SPAN_SLAB;
  return slot ? counted / FH_REMOTE_SHARE * fh_class_bytes(span->class) : counted;
}

void fh_remote_post(fh_batch *batch) {
  fh_heap *to = batch->to;
  if (to == NULL) {
    return;
  }
  size_t sent = __atomic_add_fetch(&to->sent, bytes_in(batch), __ATOMIC_RELAXED);
  close_node(batch);
  void **before = __atomic_load_n(&to->inbox, __ATOMIC_RELAXED);
  do {
    batch->last[0] = (void *)((uintptr_t)before | batch->last_held);
  } while (!__atomic_compare_exchange_n(&to->inbox, &before, batch->node, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
  *batch = (fh_batch){0};
  if (sent >= fh_sleep_bytes) {
    fh_sleeper_sort(to, sent);
  }
  fh_remote_reap(to);
}

void fh_remote_full(fh_batch *batch) {
  batch->open = NULL;
  if (batch->room <= 0) {
    fh_remote_post(batch);
  }
}

/* Opens a node in a block, and takes from the room of its batch what it may come to hold. */
static void begin(fh_batch *batch, fh_heap *to, void *pointer, size_t bytes) {
  if (batch->to != to) {
    fh_remote_post(batch);
    *batch = (fh_batch){.to = to, .last = pointer, .room = (int32_t)FH_REMOTE_BYTES};
  } else {
    close_node(batch);
  }
  unsigned most = (unsigned)fh_min(bytes / sizeof(void *) - 1, fh_min(FH_NODE_MOST, FH_REMOTE_MOST - 1));
  batch->next = batch->node;
  batch->node = pointer;
  batch->at = (void **)pointer + 1;
  batch->newest = pointer;
  batch->open = to;
  batch->left = (uint16_t)most;
  batch->room -= (int32_t)((most + 1) * FH_REMOTE_SHARE);
}

void fh_remote_give(fh_heap *mine, fh_heap *to, const char *call, void *pointer, size_t bytes) {
  fh_batch *batch = fh_remote_batch(mine, to);
  if (fh_unlikely(batch->to == to && batch->newest == pointer)) {
    fh_fatal(call, pointer, "freed already (double free)");
  }
  if (fh_remote_fits(batch, to, pointer)) {
    fh_remote_note(batch, pointer);
  } else {
    begin(batch, to, pointer, bytes);
  }
  if (bytes > FH_REMOTE_SHARE && batch->to == to) {
    batch->room -= (int32_t)(fh_min(bytes, FH_REMOTE_BYTES) - FH_REMOTE_SHARE);
    int32_t ahead = batch->left * (int32_t)FH_REMOTE_SHARE; /* the node has taken for what it does not hold yet */
    if (batch->room + ahead <= 0) {
      fh_remote_post(batch);
    }
  }
}

void fh_remote_post_one(fh_heap *to, void *pointer) {
  fh_batch batch = {.to = to, .node = pointer, .at = (void **)pointer + 1, .last = pointer, .newest = pointer};
  batch.room = (int32_t)(FH_REMOTE_BYTES - FH_REMOTE_SHARE);
  fh_remote_post(&batch);
}

void fh_remote_post_all(fh_heap *heap) {
  for (unsigned i = 0; i < FH_REMOTE_SLOTS; i++) {
    fh_remote_post(&heap->out[i]);
  }
}

fh_cold _Noreturn void fh_remote_damaged(const void *block) {
  fh_fatal("free", block, "another thread's list of freed blocks is damaged: double free, or a write to freed memory");
}

/* What a node leads to. */
fh_inline void **read_link(void **node, unsigned *count) {
  uintptr_t link = (uintptr_t)node[0];
  *count = (unsigned)(link & FH_NODE_COUNT) + 1;
  if (fh_unlikely(*count > FH_NODE_MOST + 1)) {
    fh_remote_damaged(node);
  }
  return (void **)(link & ~(uintptr_t)FH_NODE_COUNT);
}

void **fh_remote_read(void **node, void *blocks[FH_NODE_MOST + 1], unsigned *count) {
  void **next = read_link(node, count);
  blocks[0] = node;
  for (unsigned i = 1; i < *count; i++) {
    blocks[i] = node[i];
  }
  return next;
}

/* A node becomes an array of the blocks that came with it, itself the first. */
static void **open_node(void **node, unsigned *count) {
  void **next = read_link(node, count);
  __builtin_prefetch(next);
  node[0] = node;
  return next;
}

/* What is freed twice may come back from two threads, and be handed out again between: then the program has written
 * where a node was. */
fh_inline fh_span *span_of_mine(const fh_heap *heap, const void *block) {
  fh_span *span = fh_arena_find(block);
  if (fh_unlikely(span == NULL || fh_span_heap(span) != heap)) {
    fh_remote_damaged(block);
  }
  return span;
}

/* The last blocks of a node that lie in one slab: how many of its blocks are left. */
fh_inline unsigned before_run(const fh_span *slab, void **node, unsigned count) {
  uintptr_t start = (uintptr_t)slab->start;
  do {
    count--;
  } while (count != 0 && (uintptr_t)node[count - 1] - start < FH_PAGE_SIZE);
  return count;
}

/* To the cache, which has room for them. All lines are asked for at once: they come from another processor. That each
 * begins where a slot does was looked at by who sent it. A node that is among its own blocks would be written to. */
fh_inline void link_run(fh_cache *cache, const fh_span *slab, void **node, void **run, unsigned count) {
  const uint64_t *free = slab->map->free;
  uint32_t inverse = fh_classes[slab->class].inverse;
  void *first = cache->first;
  cache->room -= (int32_t)count;
  for (unsigned i = run == node; i < count; i++) {
    __builtin_prefetch(run[i], 1);
    if (fh_unlikely(run[i] == node)) {
      fh_freed_twice(node);
    }
  }
  while (count != 0) {
    void *slot = run[--count];
    size_t offset = (size_t)((char *)slot - slab->start);
    uint64_t product = (uint64_t)offset * inverse;
    if (fh_unlikely((free[product >> 38] >> (product >> 32) % 64 & 1) != 0 || slot == first)) {
      fh_slot_refused(slab, offset);
    }
    *(void **)slot = first;
    first = slot;
  }
  cache->first = first;
}

/* To the slab: none of them is touched. */
fh_inline void note_run(fh_heap *heap, fh_span *slab, void **run, unsigned count) {
  uint64_t *free = slab->map->free;
  uint32_t inverse = fh_classes[slab->class].inverse;
  for (unsigned i = 0; i < count; i++) {
    fh_slot_note(free, inverse, slab, (size_t)((char *)run[i] - slab->start));
  }
  heap->slabs[slab->class].out -= count;
  fh_slab_came_back(heap, slab, count);
}

/* Nobody would take what an orphan has at hand. */
fh_inline unsigned receive(fh_heap *heap, fh_span *slab, void **node, unsigned count) {
  fh_cache *cache = fh_cache_at(heap, slab->cache);
  unsigned left = before_run(slab, node, count);
  if (cache->room >= (int32_t)(count - left) && fh_this.heap == heap) {
    link_run(cache, slab, node, node + left, count - left);
  } else {
    note_run(heap, slab, node + left, count - left);
  }
  return left;
}

/* Frees the blocks of the node that comes next, from the last to itself: nothing of it is read after that. How many. */
static unsigned take_in(fh_heap *heap) {
  void **node = heap->taken_in;
  unsigned count;
  span_of_mine(heap, node);
  heap->taken_in = open_node(node, &count);
  for (unsigned left = count; left != 0;) {
    fh_span *span = span_of_mine(heap, node[left - 1]);
    if (fh_span_kind_of(span) == FH_SPAN_SLAB) {
      left = receive(heap, span, node, left);
    } else {
      fh_chunk_give(&heap->chunks, "free", node[--left]);
    }
  }
  return count;
}

static void **inbox_empty(fh_heap *heap) {
  if (!fh_remote_posted(heap)) {
    return NULL;
  }
  fh_sleeper_looks(heap);
  return __atomic_exchange_n(&heap->inbox, NULL, __ATOMIC_SEQ_CST);
}

/* As many as one call can bear. When that leaves some over they are twice as many the next time, so that others cannot
 * post faster for long than this thread frees. What others have sorted while it slept comes first. */
void fh_remote_take_in(fh_heap *heap) {
  unsigned done = 0;
  if (fh_unlikely(fh_sleeper_any(heap))) {
    for (unsigned some; done < heap->quantum && (some = fh_sleeper_some(heap)) != 0;) {
      done += some;
    }
  } else if (heap->taken_in == NULL) {
    heap->taken_in = inbox_empty(heap);
  }
  while (done < heap->quantum && heap->taken_in != NULL) {
    done += take_in(heap);
  }
  bool all = heap->taken_in == NULL && !fh_sleeper_any(heap);
  heap->quantum = all ? FH_REMOTE_QUANTUM : (unsigned)fh_min(2 * (size_t)heap->quantum, QUANTUM_MOST);
}

bool fh_remote_drain(fh_heap *heap) {
  bool some = false;
  do {
    for (; heap->taken_in != NULL; some = true) {
      take_in(heap);
    }
    if (fh_sleeper_any(heap)) {
      fh_sleeper_some(heap);
      some = true;
    }
    if (heap->taken_in == NULL) {
      heap->taken_in = inbox_empty(heap);
    }
  } while (heap->taken_in != NULL || fh_sleeper_any(heap));
  fh_sleeper_looks(heap);
  return some;
}

void fh_remote_reap(fh_heap *heap) {
  if (__atomic_load_n(&heap->state, __ATOMIC_SEQ_CST) != FH_HEAP_ORPHAN) {
    return;
  }
  fh_orphans_lock();
  if (__atomic_load_n(&heap->state, __ATOMIC_SEQ_CST) == FH_HEAP_ORPHAN) {
    fh_remote_drain(heap);
    fh_orphan_settle(heap);
  }
  fh_orphans_unlock();
}
