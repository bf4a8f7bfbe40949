/* Heaps and threads: a thread takes over an orphan or makes a heap, and leaves it as an orphan when it ends. */
#include <pthread.h>

#include "heap/count.h"
#include "heap/fast.h"
#include "heap/settings.h"
#include "heap/sleeper.h"
#include "heap/sparse.h"
#include "os/os.h"
#include "pages/meta.h"

fh_zeros("no_heap") fh_heap fh_no_heap;
fh_thread_local fh_thread fh_this = {.fast = &fh_no_heap};

static fh_heap *all_heaps;    /* atomic; only ever pushed to */
static unsigned heaps_made;   /* atomic */
static fh_heap *first_orphan; /* under the orphan lock */

fh_heap *fh_heap_all(void) { return __atomic_load_n(&all_heaps, __ATOMIC_ACQUIRE); }

static fh_heap *heap_make(void) {
  fh_heap *heap = fh_meta_take(fh_round_up(sizeof(fh_heap), FH_META_PAGE));
  if (heap == NULL) {
    return NULL;
  }
  fh_slab_start(heap);
  heap->chunks.heap = heap;
  heap->chunks.page_units = fh_os_page_size() / FH_UNIT;
  heap->quantum = FH_REMOTE_QUANTUM;
  heap->number = (uint16_t)__atomic_fetch_add(&heaps_made, 1, __ATOMIC_RELAXED);
  heap->next = __atomic_load_n(&all_heaps, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(&all_heaps, &heap->next, heap, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
  }
  return heap;
}

/* Dirty memory in orphans. The next thread is glad of it, and a program that makes one thread after the other would
 * fault in again and again what each leaves behind; but nobody may ever come back to an orphan, so there is one bound
 * for all of them. */
static size_t orphans_rest; /* atomic: changed under the orphan lock, read before it is taken */

static size_t rest_of(fh_heap *heap) { return fh_chunk_settle(&heap->chunks) + (size_t)fh_sparse_kept(heap); }

static size_t keep_bound(fh_heap *heap) {
  size_t rest = rest_of(heap);
  if (__atomic_load_n(&orphans_rest, __ATOMIC_RELAXED) - heap->rests + rest <= FH_ORPHANS_RETAIN) {
    return rest;
  }
  fh_sparse_trim(heap);
  fh_chunk_trim(&heap->chunks);
  return rest_of(heap);
}

static void note_rest(fh_heap *heap, size_t rest) {
  __atomic_store_n(&orphans_rest, orphans_rest - heap->rests + rest, __ATOMIC_RELAXED);
  heap->rests = rest;
}

void fh_orphan_settle(fh_heap *heap) { note_rest(heap, keep_bound(heap)); }

static fh_heap *pop_orphan(void) {
  fh_heap *heap = first_orphan;
  if (heap != NULL) {
    note_rest(heap, 0);
    first_orphan = heap->next_orphan;
    __atomic_store_n(&heap->state, FH_HEAP_LIVE, __ATOMIC_SEQ_CST);
  }
  return heap;
}

static void push_orphan(fh_heap *heap) {
  __atomic_store_n(&heap->state, FH_HEAP_ORPHAN, __ATOMIC_SEQ_CST);
  heap->next_orphan = first_orphan;
  first_orphan = heap;
}

static void move_in(fh_heap *heap) {
  fh_this.heap = heap;
  fh_this.fast = fh_counting ? &fh_no_heap : heap;
}

static void move_out(void *value) {
  fh_heap *heap = fh_this.heap;
  (void)value;
  if (heap == NULL) {
    return;
  }
  fh_remote_post_all(heap);
  fh_remote_drain(heap);
  fh_cache_flush(heap);
  keep_bound(heap); /* before the lock is taken: the kernel may be slow */
  fh_this.heap = NULL;
  fh_this.fast = &fh_no_heap;
  fh_this.ended = 1;
  fh_orphans_lock();
  push_orphan(heap);
  fh_remote_drain(heap); /* what was posted before the state could be seen */
  fh_orphan_settle(heap);
  fh_orphans_unlock();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void) {
  fh_settings_apply();
  fh_os_thread_exit_hook(move_out);
  pthread_atfork(fh_heap_fork_prepare, fh_heap_fork_parent, fh_heap_fork_child);
}

/* At load, before there are threads: a fork that finds no handlers would copy a lock that is held. A malloc that comes
 * earlier still starts it itself. */
__attribute__((constructor)) void fh_heap_start(void) { pthread_once(&once, start); }

static fh_noinline fh_heap *heap_enter(void) {
  if (fh_this.ended) {
    return NULL;
  }
  fh_count_start();
  fh_orphans_lock();
  fh_heap *heap = pop_orphan();
  fh_orphans_unlock();
  if (heap == NULL) {
    heap = heap_make();
  }
  if (heap != NULL) {
    move_in(heap);
    fh_heap_start(); /* may allocate: the heap is in place */
    fh_os_thread_exit_arm(heap);
  }
  return heap;
}

fh_heap *fh_heap_mine(void) { return fh_likely(fh_this.heap != NULL) ? fh_this.heap : heap_enter(); }

fh_heap *fh_heap_borrow(void) {
  fh_orphans_lock();
  fh_heap *heap = pop_orphan();
  if (heap == NULL) {
    heap = heap_make();
  }
  if (heap == NULL) {
    fh_orphans_unlock();
  }
  return heap;
}

void fh_heap_return(fh_heap *heap) {
  fh_cache_flush(heap);
  push_orphan(heap);
  fh_remote_drain(heap);
  fh_orphan_settle(heap);
  fh_orphans_unlock();
}

/* Fork: every lock is held while the process is copied, so the child finds whole lists behind free locks. Heaps of
 * threads that were not copied may be in the middle of anything; the child never touches them. */

void fh_heap_fork_prepare(void) {
  fh_orphans_lock();
  fh_sleepers_lock();
  fh_pages_lock();
  fh_meta_lock();
}

void fh_heap_fork_parent(void) {
  fh_meta_unlock();
  fh_pages_unlock();
  fh_sleepers_unlock();
  fh_orphans_unlock();
}

void fh_heap_fork_child(void) {
  fh_meta_reset_lock();
  fh_pages_fork_child();
  fh_sleepers_reset_lock();
  fh_orphans_reset_lock();
  for (fh_heap *heap = fh_heap_all(); heap != NULL; heap = heap->next) {
    if (heap != fh_this.heap && heap->state == FH_HEAP_LIVE) {
      heap->state = FH_HEAP_LOST;
    }
  }
}
