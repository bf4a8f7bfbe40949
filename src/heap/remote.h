/* A free of another thread's block, up to the moment when its batch is full.
 *
 * A batch is written into the blocks themselves, as an unrolled list (Shao et al., 1994): one block in up to eight is a
 * node, which holds entries for the others. An entry is the address of a block, and in its low bits how many slots that
 * lie just before it were freed just before it: what was made in a row is often freed in a row.
 *
 *   batch.node -> | next node, count 4 bits | block, run 4 bits | block, run | ... -> | next node, count | ... -> inbox
 *                 64 bytes of one freed block, or what it has                 batch.last -> the first node made
 *
 * So the owner, to whom every one of these lines comes from another processor, waits for one in eight of them, or in
 * more than a hundred: the rest he only writes to, or notes in a map. Who frees reads none: a node gets its link and
 * count when it is full or posted, and an entry that grows is written anew. */
#ifndef FH_HEAP_REMOTE_H
#define FH_HEAP_REMOTE_H

#include "base/fatal.h"
#include "heap/heap.h"
#include "heap/sleeper.h"

enum {
  FH_NODE_MOST = 7,   /* entries in a node: a cache line with its link */
  FH_NODE_COUNT = 15, /* the bits of their number, and of the length of a run; blocks are aligned to 16 */
  FH_NODE_BLOCKS = 1 + FH_NODE_MOST * (FH_NODE_COUNT + 1)
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

/* No two of the first FH_REMOTE_SLOTS heaps share one. The number stands among what is hardly ever written. */
fh_inline fh_batch *fh_remote_batch(fh_heap *mine, const fh_heap *to) {
  return &mine->out[to->number % FH_REMOTE_SLOTS];
}

/* Notes a block of so many bytes in the open node. False: there is none for that heap, or it has no room, or the block
 * was the last one too. */
fh_inline bool fh_remote_note(fh_batch *batch, const fh_heap *to, void *pointer, size_t bytes) {
  char *end = (char *)pointer + bytes;
  if (fh_unlikely(batch->to != to || batch->after == end)) {
    return false;
  }
  /* What begins a page has another slab before it, or no slot. */
  if (batch->after == pointer && ((uintptr_t)pointer & (FH_PAGE_SIZE - 1)) != 0 && batch->run != FH_NODE_COUNT) {
    batch->after = end;
    batch->at[-1] = (char *)pointer + ++batch->run;
    batch->room -= (int32_t)FH_REMOTE_SHARE;
    if (fh_unlikely(batch->room <= 0)) {
      fh_remote_post(batch);
    }
    return true;
  }
  if (fh_unlikely(batch->left == 0)) {
    return false;
  }
  batch->after = end;
  batch->run = 0;
  *batch->at++ = pointer;
  if (fh_unlikely(--batch->left == 0 && batch->room <= 0)) {
    fh_remote_post(batch);
  }
  return true;
}

/* Any block; `bytes` is what it can hold. */
void fh_remote_give(fh_heap *mine, fh_heap *to, const char *call, void *pointer, size_t bytes);

/* One line, and the end. */
fh_cold _Noreturn void fh_remote_damaged(const void *block);

/* The blocks that an entry stands for, into `blocks`: how many. */
unsigned fh_remote_expand(void *entry, void **blocks);

/* The blocks of a node, itself first, into `blocks`; *count of them. Returns the next node. */
void **fh_remote_read(void **node, void *blocks[FH_NODE_BLOCKS], unsigned *count);

#endif
