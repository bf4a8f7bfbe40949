/* The whole fast path. Each of the two functions is a handful of instructions that ends in one slow function.
 *
 *   fh_fast_malloc -> fh_malloc_medium -> fh_malloc_slow -> fh_slab_take | fh_chunk_take | fh_large_take
 *   fh_fast_free   -> fh_cache_overflow      (the thread cache of the class is full)
 *                  -> fh_free_found  -> fh_quick_give -> fh_chunk_give_slow  (a chunk)
 *                                    -> fh_remote_note                       (another thread's)
 *                  -> fh_free_slow   -> fh_block_give | fh_remote_give | fh_pages_give
 *
 * A thread cache is a list of free slots of one class, whatever slabs they lie in: what was freed last is taken first,
 * while it is still in the processor's cache (the idea is tcmalloc's). Only an overflow takes from the same end. A slab
 * is a page of 16 KiB, so the descriptor of any slot, which tells its class and whose it is, is found by a subtraction
 * and a shift. */
#ifndef FH_HEAP_FAST_H
#define FH_HEAP_FAST_H

#include "heap/heap.h"

typedef struct fh_thread {
  fh_heap *fast; /* the same heap; fh_no_heap while every call is to take the slow path (heap/count.h) */
  fh_heap *heap;
  int ended; /* the exit hook has run: borrow from now on */
} fh_thread;

extern fh_thread_local fh_thread fh_this;

void *fh_malloc_medium(size_t bytes); /* a quick list of the chunk heap, then the slow path */
void *fh_malloc_slow(size_t bytes);
void fh_free_slow(void *pointer, const char *call);
/* In the first arena, and no slab of this thread's; `mine` is fh_this.fast. */
void fh_free_found(void *pointer, fh_heap *mine, fh_span *);

fh_inline fh_cache *fh_cache_at(fh_heap *heap, size_t offset) { return (fh_cache *)(void *)((char *)heap + offset); }

fh_inline void *fh_fast_malloc(size_t bytes) {
  if (fh_likely(bytes <= FH_SLAB_MAX)) {
    fh_heap *heap = fh_this.fast;
    fh_cache *cache = fh_cache_at(heap, heap->cache_of_grain[(bytes + 15) >> 4]);
    void *slot = cache->first;
    if (fh_likely(slot != NULL)) {
      void *next = *(void **)slot;
      cache->first = next;
      cache->room++;
      __builtin_prefetch(next); /* the next malloc waits for its first word, and then the program writes there */
      return slot;
    }
  }
  return fh_malloc_medium(bytes);
}

fh_inline void fh_fast_free(void *pointer) {
  size_t offset = (size_t)((uintptr_t)pointer - (uintptr_t)fh_racy_load(fh_first_base));
  if (fh_likely(offset < fh_racy_load(fh_first_limit))) {
    fh_span *slab = fh_racy_load(fh_first_spans) + (offset >> FH_PAGE_SHIFT);
    fh_heap *heap = fh_this.fast;
    if (fh_likely(fh_racy_load(slab->owner) == heap)) {
      fh_cache *cache = fh_cache_at(heap, slab->cache);
      void *first = cache->first;
      if (fh_likely(first != pointer)) {
        *(void **)pointer = first;
        cache->first = pointer;
        if (fh_unlikely(--cache->room < 0)) {
          fh_cache_overflow(cache, heap);
        }
        return;
      }
    } else {
      fh_free_found(pointer, heap, slab);
      return;
    }
  }
  fh_free_slow(pointer, "free");
}

#endif
