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

enum {
  FH_NODE_MOST = 7,   /* blocks in a node beside itself: a cache line */
  FH_NODE_COUNT = 15, /* the bits of their number; blocks are aligned to 16 */
};

/* No two of the first FH_REMOTE_SLOTS heaps share one. The number stands among what nobody writes. */
fh_inline fh_batch *fh_remote_batch(fh_heap *mine, const fh_heap *to) {
  return &mine->out[to->number % FH_REMOTE_SLOTS];
}

/* What starts a node, and what is not right. */
void fh_remote_begin(fh_batch *, fh_heap *to, const char *call, void *pointer, size_t bytes);

/* `bytes` is what the block can hold. */
fh_inline void fh_remote_give(fh_heap *mine, fh_heap *to, const char *call, void *pointer, size_t bytes) {
  fh_batch *batch = fh_remote_batch(mine, to);
  if (fh_unlikely(batch->to != to || batch->held == batch->most || batch->newest == pointer)) {
    fh_remote_begin(batch, to, call, pointer, bytes);
    return;
  }
  batch->newest = pointer;
  batch->node[++batch->held] = pointer;
  batch->room -= (int32_t)fh_max(bytes, FH_REMOTE_SHARE);
  if (fh_unlikely(batch->room <= 0)) {
    fh_remote_post(batch);
  }
}

/* The blocks of a node, itself last, into `blocks`; *count of them. Returns the next node. */
void **fh_remote_read(void **node, void *blocks[FH_NODE_MOST + 1], unsigned *count);

#endif
