/* The whole fast path. Each of the two functions is a handful of instructions that ends in one slow function.
 *
 *   fh_fast_malloc -> fh_malloc_slow -> fh_slab_take | fh_chunk_take | fh_large_take
 *   fh_fast_free   -> fh_slab_event          (a slab fuller or emptier than its list says)
 *                  -> fh_free_slow   -> fh_block_give | fh_remote_give | fh_pages_give
 *
 * A slab is a page of 16 KiB, so the descriptor of any slot is found by a subtraction and a shift. Malloc counts
 * nothing: when the free list of the current slab is empty, all its slots are in use, and free counts down to the next
 * event (the idea of a free list a page with a counter is mimalloc's: Leijen, Zorn, de Moura, 2019). */
#ifndef FH_HEAP_FAST_H
#define FH_HEAP_FAST_H

#include "heap/heap.h"

typedef struct fh_thread {
  fh_span *bins[FH_GRAINS];
  fh_heap *fast; /* the same heap; NULL while every call is to take the slow path (heap/count.h) */
  fh_heap *heap;
  int ended; /* the exit hook has run: borrow from now on */
} fh_thread;

extern fh_thread_local fh_thread fh_this;

void *fh_malloc_medium(size_t bytes); /* a quick list of the chunk heap, then the slow path */
void *fh_malloc_slow(size_t bytes);
void fh_free_slow(const char *call, void *pointer);

/* What tells one thread from another: the thread pointer, one load. */
fh_inline void *fh_self(void) {
#if defined(__x86_64__)
  void *self;
  __asm__("movq %%fs:0, %0" : "=r"(self));
  return self;
#elif defined(__aarch64__)
  void *self;
  __asm__("mrs %0, tpidr_el0" : "=r"(self));
  return self;
#else
  return &fh_this;
#endif
}

fh_inline void *fh_fast_malloc(size_t bytes) {
  if (fh_likely(bytes <= FH_SLAB_MAX)) {
    fh_span *slab = fh_this.bins[(bytes + 15) >> 4];
    void *slot = slab->free;
    if (fh_likely(slot != NULL)) {
      slab->free = *(void **)slot;
      return slot;
    }
  }
  return fh_malloc_medium(bytes);
}

fh_inline void fh_fast_free(void *pointer) {
  size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)fh_racy_load(fh_first_base));
  if (fh_likely(offset < fh_racy_load(fh_first_limit))) {
    fh_span *slab = fh_racy_load(fh_first_spans) + (offset >> FH_PAGE_SHIFT);
    if (fh_likely(fh_racy_load(slab->owner) == fh_self())) {
      void *first = slab->free;
      if (fh_likely(first != pointer)) {
        *(void **)pointer = first;
        slab->free = pointer;
        if (fh_unlikely(--slab->countdown == 0)) {
          fh_slab_event(slab->heap, slab);
        }
        return;
      }
    }
  }
  fh_free_slow("free", pointer);
}

#endif
