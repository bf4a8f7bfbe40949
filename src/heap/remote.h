/* A free of another thread's block, up to the moment when its batch is full.
 *
 * A batch is written into the blocks themselves, as an unrolled list (Shao et al., 1994): one block in up to eight is a
 * node, which holds the addresses of the others.
 *
 *   batch.node -> | next node, count 4 bits | block | block | ...      -> | next node, count | block | ... -> inbox
 *                   64 bytes of one freed block, or what it has         batch.last -> the first node made
 *
 * So the owner, to whom every one of these lines comes from another processor, waits for one in eight of them: the rest
 * he only writes to. Who frees reads none: a node gets its link and count when it is full or posted. */
#ifndef FH_HEAP_REMOTE_H
#define FH_HEAP_REMOTE_H

#include "base/fatal.h"
#include "heap/heap.h"
#include "heap/sleeper.h"

enum {
  FH_NODE_MOST = 7,   /* blocks in a node beside itself: a cache line */
  FH_NODE_COUNT = 15, /* the bits of their number; blocks are aligned to 16 */
};

/* Sequentially consistent, with the state of an orphan: either the thread that posts sees the state, or who sets it
 * sees what was posted. */
fh_inline bool fh_remote_posted(fh_heap *heap) { return __atomic_load_n(&heap->inbox, __ATOMIC_SEQ_CST) != NULL; }

/* Frees some of what others have sent. Every slow path asks, and mostly there is nothing. */
void fh_remote_take_in(fh_heap *);
fh_inline void fh_remote_some(fh_heap *heap) {
  if (fh_unlikely(fh_remote_posted(heap) || heap->taken_in != NULL || fh_sleeper_any(heap))) {
    fh_remote_take_in(heap);
  }
}

void fh_remote_full(fh_batch *); /* the open node has no room left */

/* No two of the first FH_REMOTE_SLOTS heaps share one. The number stands among what nobody writes. */
fh_inline fh_batch *fh_remote_batch(fh_heap *mine, const fh_heap *to) {
  return &mine->out[to->number % FH_REMOTE_SLOTS];
}

/* Whether the open node takes this block, and it was not the last one too. */
fh_inline bool fh_remote_fits(const fh_batch *batch, const fh_heap *to, const void *pointer) {
  return batch->open == to && batch->newest != pointer;
}

/* After fh_remote_fits. */
fh_inline void fh_remote_note(fh_batch *batch, void *pointer) {
  batch->newest = pointer;
  *batch->at++ = pointer;
  if (fh_unlikely(--batch->left == 0)) {
    fh_remote_full(batch);
  }
}

/* Any block; `bytes` is what it can hold. */
void fh_remote_give(fh_heap *mine, fh_heap *to, const char *call, void *pointer, size_t bytes);

/* One line, and the end. */
fh_cold _Noreturn void fh_remote_damaged(const void *block);

/* The blocks of a node, itself first, into `blocks`; *count of them. Returns the next node. */
void **fh_remote_read(void **node, void *blocks[FH_NODE_MOST + 1], unsigned *count);

#endif
