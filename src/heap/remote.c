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

/* Bytes in the blocks of a batch, about: slots are taken to be as long as the node. What the open node does not
 * hold yet has been taken off the room already. */
static size_t bytes_in(const fh_batch *batch) {
  const fh_span *span = fh_arena_find(batch->node);
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
  batch->after = (char *)pointer + bytes;
  batch->run = FH_NODE_COUNT; /* what stands before the first entry is the link */
  batch->left = (uint8_t)most;
  batch->room -= (int32_t)((most + 1) * FH_REMOTE_SHARE);
}

void fh_remote_give(fh_heap *mine, fh_heap *to, const char *call, void *pointer, size_t bytes) {
  fh_batch *batch = fh_remote_batch(mine, to);
  if (fh_unlikely(batch->to == to && batch->after == (char *)pointer + bytes)) {
    fh_fatal(call, pointer, "freed already (double free)");
  }
  if (!fh_remote_note(batch, to, pointer, bytes)) {
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
  fh_batch batch = {.to = to, .node = pointer, .at = (void **)pointer + 1, .last = pointer};
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

fh_inline unsigned run_of(const void *entry) { return (unsigned)((uintptr_t)entry & FH_NODE_COUNT); }

fh_inline char *block_of(void *entry) { return (char *)entry - run_of(entry); }

unsigned fh_remote_expand(void *entry, void **blocks) {
  unsigned run = run_of(entry);
  char *last = block_of(entry);
  blocks[0] = last;
  if (run != 0) {
    const fh_span *slab = fh_arena_find(last);
    if (fh_unlikely(slab == NULL || fh_span_kind_of(slab) != FH_SPAN_SLAB)) {
      fh_remote_damaged(last);
    }
    for (unsigned i = 1; i <= run; i++) {
      blocks[i] = last - i * fh_class_bytes(slab->class);
    }
  }
  return run + 1;
}

void **fh_remote_read(void **node, void *blocks[FH_NODE_BLOCKS], unsigned *count) {
  unsigned entries, all = 1;
  void **next = read_link(node, &entries);
  blocks[0] = node;
  for (unsigned i = 1; i < entries; i++) {
    all += fh_remote_expand(node[i], blocks + all);
  }
  *count = all;
  return next;
}

/* A node becomes an array of entries, itself the first. */
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

/* The last entries of a node that lie in one slab, and how many slots they stand for. */
typedef struct batch_run {
  void **node, **first;
  unsigned entries, slots;
} batch_run;

fh_inline batch_run last_run(const fh_span *slab, void **node, unsigned count) {
  uintptr_t start = (uintptr_t)slab->start;
  unsigned left = count, slots = 0;
  do {
    slots += run_of(node[--left]) + 1;
  } while (left != 0 && (uintptr_t)node[left - 1] - start < FH_PAGE_SIZE);
  return (batch_run){node, node + left, count - left, slots};
}

/* Stops the program: some slot of the entry is free already, or it is none. */
static fh_noinline fh_cold _Noreturn void run_refused(const fh_span *slab, void *entry) {
  size_t offset = (size_t)(block_of(entry) - slab->start);
  for (unsigned i = run_of(entry); i != 0 && offset >= fh_class_bytes(slab->class); i--) {
    if (fh_slotmap_is_free(slab->map, fh_class_quotient(slab->class, offset))) {
      break;
    }
    offset -= fh_class_bytes(slab->class);
  }
  fh_slot_refused(slab, offset);
}

/* Whether none of the slots of an entry is free in the map, where `note` makes them so. That one begins where the last
 * does was looked at by who sent it. A run lies in one word, or in two. */
fh_inline bool look_at_bits(const fh_span *slab, uint32_t inverse, void *entry, bool note) {
  unsigned run = run_of(entry);
  uint64_t product = (uint64_t)(size_t)(block_of(entry) - slab->start) * inverse;
  unsigned last = (unsigned)(product >> 32);
  uint64_t *word = &slab->map->free[product >> 38], bits = UINT64_C(1) << last % 64;
  if (run == 0) {
    bool used = (*word & bits) == 0;
    *word |= note ? bits : 0;
    return used;
  }
  if (fh_unlikely(run > last)) {
    return false;
  }
  unsigned first = last - run, at = first % 64;
  bits = (UINT64_C(2) << run) - 1;
  word = &slab->map->free[first / 64];
  uint64_t before = word[0] & bits << at;
  word[0] |= note ? bits << at : 0;
  if (at + run >= 64) {
    before |= word[1] & bits >> (64 - at);
    word[1] |= note ? bits >> (64 - at) : 0;
  }
  return before == 0;
}

/* To the cache, which has room for them, the lowest in front. All lines are asked for at once: they come from another
 * processor. */
fh_inline void link_run(fh_cache *cache, const fh_span *slab, const batch_run *run) {
  size_t size = fh_class_bytes(slab->class);
  uint32_t inverse = fh_classes[slab->class].inverse;
  void *first = cache->first;
  cache->room -= (int32_t)run->slots;
  for (unsigned i = 0; i < run->entries; i++) {
    char *slot = block_of(run->first[i]);
    for (unsigned left = run_of(run->first[i]) + 1; left != 0; left--, slot -= size) {
      __builtin_prefetch(slot, 1);
      if (fh_unlikely(slot == (char *)run->node && run->first + i != run->node)) {
        fh_freed_twice(slot); /* it would be written to, and is read after that */
      }
    }
  }
  for (unsigned i = run->entries; i-- != 0;) {
    void *entry = run->first[i];
    char *slot = block_of(entry);
    if (fh_unlikely(!look_at_bits(slab, inverse, entry, false) || slot == first)) {
      run_refused(slab, entry);
    }
    for (unsigned left = run_of(entry) + 1; left != 0; left--, slot -= size) {
      *(void **)(void *)slot = first;
      first = slot;
    }
  }
  cache->first = first;
}

/* To the slab: none of them is touched. */
fh_inline void note_run(fh_heap *heap, fh_span *slab, const batch_run *run) {
  uint32_t inverse = fh_classes[slab->class].inverse;
  for (unsigned i = 0; i < run->entries; i++) {
    if (fh_unlikely(!look_at_bits(slab, inverse, run->first[i], true))) {
      run_refused(slab, run->first[i]);
    }
  }
  heap->slabs[slab->class].out -= run->slots;
  fh_slab_came_back(heap, slab, run->slots);
}

/* One slot, with none of its slab before it in the node: what comes in no order is all like that. */
fh_inline unsigned receive_one(fh_heap *heap, fh_span *slab, void *slot) {
  uint32_t inverse = fh_classes[slab->class].inverse;
  fh_cache *cache = fh_cache_at(heap, slab->cache);
  bool link = cache->room > 0 && fh_this.heap == heap;
  if (fh_unlikely(!look_at_bits(slab, inverse, slot, !link) || slot == cache->first)) {
    run_refused(slab, slot);
  }
  if (link) {
    *(void **)slot = cache->first;
    cache->first = slot;
    cache->room--;
  } else {
    heap->slabs[slab->class].out--;
    fh_slab_came_back(heap, slab, 1);
  }
  return 1;
}

/* Whether the last entry is one slot, and the one before it in another slab. A node among its own entries is not: there
 * it is looked for. */
fh_inline bool is_alone(const fh_span *slab, void **node, unsigned count) {
  void *entry = node[count - 1];
  uintptr_t start = (uintptr_t)slab->start;
  return run_of(entry) == 0 && (count == 1 || (entry != node && (uintptr_t)node[count - 2] - start >= FH_PAGE_SIZE));
}

/* Nobody would take what an orphan has at hand. How many slots. */
static unsigned receive(fh_heap *heap, fh_span *slab, void **node, unsigned *left) {
  if (is_alone(slab, node, *left)) {
    return receive_one(heap, slab, node[--*left]);
  }
  fh_cache *cache = fh_cache_at(heap, slab->cache);
  batch_run run = last_run(slab, node, *left);
  *left -= run.entries;
  if (cache->room >= (int32_t)run.slots && fh_this.heap == heap) {
    link_run(cache, slab, &run);
  } else {
    note_run(heap, slab, &run);
  }
  return run.slots;
}

/* Frees the blocks of the node that comes next, from the last to itself: nothing of it is read after that. How many. */
static unsigned take_in(fh_heap *heap) {
  void **node = heap->taken_in;
  unsigned left, blocks = 0;
  span_of_mine(heap, node);
  heap->taken_in = open_node(node, &left);
  while (left != 0) {
    fh_span *span = span_of_mine(heap, node[left - 1]);
    if (fh_span_kind_of(span) == FH_SPAN_SLAB) {
      blocks += receive(heap, span, node, &left);
    } else {
      fh_chunk_give(&heap->chunks, "free", node[--left]);
      blocks++;
    }
  }
  return blocks;
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
