/* A free of another thread's block, up to the moment when its batch is full. */
#ifndef FH_HEAP_REMOTE_H
#define FH_HEAP_REMOTE_H

#include "base/fatal.h"
#include "heap/heap.h"

/* No two of the first FH_REMOTE_SLOTS heaps share one. The number stands among what nobody writes. */
fh_inline fh_batch *fh_remote_batch(fh_heap *mine, const fh_heap *to) {
  return &mine->out[to->number % FH_REMOTE_SLOTS];
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
