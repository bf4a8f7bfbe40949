/* A free of another thread's block, up to the moment when its batch is full. */
#ifndef FH_HEAP_REMOTE_H
#define FH_HEAP_REMOTE_H

#include "base/fatal.h"
#include "heap/heap.h"

/* By the heap's address: what stands in it belongs to its own thread's cache. */
fh_inline fh_batch *fh_remote_batch(fh_heap *mine, const fh_heap *to) {
  uint64_t mixed = ((uint64_t)(uintptr_t)to >> 6) * UINT64_C(0x9E3779B97F4A7C15);
  return &mine->out[mixed >> (64 - FH_REMOTE_SLOTS_SHIFT)];
}

/* The first of a batch, and what is not right. */
void fh_remote_begin(fh_batch *, fh_heap *to, const char *call, void *pointer, size_t bytes);

fh_inline void fh_remote_give(fh_heap *mine, fh_heap *to, const char *call, void *pointer, size_t bytes) {
  fh_batch *batch = fh_remote_batch(mine, to);
  if (fh_unlikely(batch->to != to || batch->first == pointer)) {
    fh_remote_begin(batch, to, call, pointer, bytes);
    return;
  }
  *(void **)pointer = batch->first;
  batch->first = pointer;
  batch->room -= (int64_t)fh_max(bytes, FH_REMOTE_SHARE);
  if (fh_unlikely(batch->room <= 0)) {
    fh_remote_post(batch);
  }
}

#endif
