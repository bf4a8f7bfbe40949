/* What is sent to a heap whose thread does not look: it sleeps, or computes, and may do so for ever.
 *
 * Nobody else may touch its slabs and holes, for it may wake at any time. But a block that was freed and has not come
 * home is nobody's: neither the program nor the thread will touch it before it comes. So when much was sent and the
 * thread has not looked for a while, those who send, or take pages, sort it under one lock, a little at a time:
 *
 *   inbox -> nodes -> slots, a bit for each in a table     all of a slab: its page goes back to the page runs
 *                                                          all in a page of the kernel's: it is purged
 *                  -> chunks, in a list                    side by side: from the third on the inner ones are one, and
 *                                                          the kernel's pages in it are purged
 *                  -> loose: chunks too short for the list, and slots when there is no memory for a table
 *
 *   chunks that were sent    | head | end ... | head | inner ................ | head | end ... | head | in use
 *                            ^ the thread writes there when what lies before   ^ nobody does      ^ the thread again
 *                              is freed or taken
 *
 * A slab can go because its thread has no slot of it, in use, in a cache or free: all were sent, and a slab without a
 * free slot is on none of the thread's lists, and its cache does not take from it. When the thread looks again it takes
 * back some with each slow call, and strikes the slabs that are gone off its counts. */
#ifndef FH_HEAP_SLEEPER_H
#define FH_HEAP_SLEEPER_H

#include "heap/heap.h"

/* FH_SLEEP_TIME and FH_SLEEP_BYTES. A thread that only lost its processor is back before; tests change them. */
extern fh_hidden uint64_t fh_sleep_time;
extern fh_hidden size_t fh_sleep_bytes;

/* After a post, when fh_sleep_bytes have been `sent`: sorts some of it if the thread has not looked for fh_sleep_time,
 * or so much was sent that it cannot wait. */
void fh_sleeper_sort(fh_heap *to, size_t sent);

/* All that was sent to other heaps than `mine`, whether their threads sleep or not, and purges what can be: bytes,
 * beside the pages that went to the page runs. */
size_t fh_sleeper_sort_all(const fh_heap *mine);

/* Before pages are taken: sorts some of what was sent to any heap, for those who sent may be done. */
extern fh_hidden size_t fh_sleepers_waiting;
void fh_sleeper_help_some(void);
fh_inline void fh_sleeper_help(void) {
  if (fh_unlikely(__atomic_load_n(&fh_sleepers_waiting, __ATOMIC_RELAXED) != 0)) {
    fh_sleeper_help_some();
  }
}

/* The heap's thread looks, or who holds the orphan lock. */
void fh_sleeper_set_waits(fh_heap *, int waits);
fh_inline void fh_sleeper_looks(fh_heap *heap) {
  __atomic_store_n(&heap->sent, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&heap->silent, 0, __ATOMIC_RELAXED);
  if (fh_unlikely(__atomic_load_n(&heap->waits, __ATOMIC_RELAXED) != 0)) {
    fh_sleeper_set_waits(heap, 0);
  }
}

/* Whether something was sorted and is not taken back. Sequentially consistent with the state of an orphan, as posts are
 * (heap/remote.c). */
fh_inline bool fh_sleeper_any(const fh_heap *heap) { return __atomic_load_n(&heap->sleeps, __ATOMIC_SEQ_CST) != 0; }

/* Takes back some of it: how many blocks. */
unsigned fh_sleeper_some(fh_heap *);

/* Every block that was sorted and not taken back, and the nodes that wait to be. Of a heap that nobody uses now. */
void fh_sleeper_visit(const fh_heap *, void (*visit)(void *arg, const void *block), void *arg);

/* Bytes committed for the tables of what was sent; little of them is ever touched. */
size_t fh_sleeper_table_bytes(void);

void fh_sleepers_lock(void);
void fh_sleepers_unlock(void);
void fh_sleepers_reset_lock(void);

/* A chunk that was sent, sorted (sleeper_chunks.c): written into it. */
typedef struct fh_sent_chunk {
  fh_hole link; /* in heap->sorted.chunks */
  uintptr_t mark;
  uint64_t dirty; /* bytes that are worth a purge and were not purged yet; 1 more in an inner chunk */
} fh_sent_chunk;

fh_inline uint64_t fh_sent_dirty(const fh_sent_chunk *chunk) { return chunk->dirty & ~UINT64_C(1); }

/* Adds a chunk to the list, and joins it to its neighbours there. */
void fh_sleeper_chunk(fh_heap *to, fh_sent_chunk *);
size_t fh_sleeper_purge_chunks(fh_heap *to); /* whatever the budget; bytes given back */

/* What tells a chunk that was sorted, or a loose block, from all others. It is taken off before the block can be
 * anything else. */
fh_inline uintptr_t fh_sleeper_mark(const fh_heap *heap, const void *block) {
  return (uintptr_t)block ^ ((uintptr_t)heap * (uintptr_t)UINT64_C(0x9E3779B97F4A7C15));
}

/* Sets it, or stops the program: it is there already. */
void fh_sleeper_set_mark(const fh_heap *, const void *block, uintptr_t *mark);

#endif
