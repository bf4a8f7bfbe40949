/* A thread's heap: its slabs, its chunk heap, and the messages it owes and is owed. */
#ifndef FH_HEAP_HEAP_H
#define FH_HEAP_HEAP_H

#include "base/fatal.h"
#include "heap/budget.h"
#include "heap/chunk.h"
#include "heap/sizes.h"
#include "heap/slotmap.h"

#if FREEHOLD_TINY
#define FH_STRETCH_LEAST ((size_t)192 << 10)
#define FH_STRETCH_MOST ((size_t)512 << 10)
#define FH_REMOTE_MOST 4
#define FH_EARLY_BYTES ((size_t)128)
#define FH_SLEEP_BYTES ((size_t)8 << 10)
#define FH_SLEEP_MOST ((size_t)4 << 20)
#define FH_SLEEP_TIME 0
#define FH_SPARSE_RETAIN ((size_t)16 << 10)
#else
#define FH_STRETCH_LEAST FH_ARENA_STEP
#define FH_STRETCH_MOST ((size_t)32 << 20)
#define FH_REMOTE_MOST 64 /* frees in a batch */
#define FH_EARLY_BYTES ((size_t)1 << 10)
#define FH_SLEEP_BYTES ((size_t)1 << 20) /* sent and not looked at: the thread may sleep */
#define FH_SLEEP_MOST ((size_t)16 << 20) /* so much that it does not matter whether it sleeps */
#define FH_SLEEP_TIME 30 /* milliseconds since FH_SLEEP_BYTES: more than a thread waits for a processor */
#define FH_SPARSE_RETAIN ((size_t)256 << 10) /* bytes without a used slot in sparse slabs of a heap, beside a share */
#endif
#define FH_SPARSE_WIDEN ((size_t)1 << 20)   /* that much more at most while purging proves to be wasted work */
#define FH_CHUNK_RETAIN ((size_t)256 << 10) /* dirty bytes in big holes of a heap, beside 1/16 of its live bytes */
#define FH_ORPHANS_RETAIN ((size_t)4 << 20) /* the same in the heaps of threads that have ended, all together */
#define FH_SLEEP_RETAIN ((size_t)256 << 10) /* dirty bytes in what was sent to a thread that sleeps */
#define FH_CHUNK_WIDEN ((size_t)4 << 20)    /* that much more at most while purging proves to be wasted work */
#define FH_REMOTE_BYTES ((size_t)64 << 10)  /* bytes in a batch */
#define FH_REMOTE_SHARE (FH_REMOTE_BYTES / FH_REMOTE_MOST)
#define FH_REMOTE_QUANTUM 1u /* messages that one call frees at first: in effect one node (heap/remote.h) */

enum { FH_REMOTE_SLOTS = 32 /* batches at a time */ };

/* Which list a slab is on (slab.c). */
typedef enum fh_slab_state {
  FH_SLAB_WATCHED,
  FH_SLAB_DUE, /* watched, and some of it could be purged */
  FH_SLAB_SPARSE,
  FH_SLAB_QUARTER,
  FH_SLAB_FULL = FH_SLAB_QUARTER + 4 /* on none; what is before it counts the lists */
} fh_slab_state;

/* The free slots of one class that a thread has at hand: taken out of their slabs, not in the program's hands. `room`
 * counts pushes until it is full; how many it holds is the rest of `limit`. */
typedef struct fh_cache {
  void *first;
  int32_t room, limit;
} fh_cache;

/* Slabs of one class by state. The fullest serves first, so that the emptiest can go. Each list is a queue, closed to a
 * ring through its head: the slab that waited longest has gathered most free slots. */
typedef struct fh_slabs {
  fh_hole partial[FH_SLAB_FULL];
  fh_span *serving; /* the one that the cache takes from; NULL: none that has more */
  fh_span *growing; /* the one that has slots not carved yet; NULL: none */
  size_t out;       /* slots that are free in no slab: with the program, in the cache, on their way home */
  uint32_t count;   /* slabs of this class */
  uint32_t listed;  /* a bit for each list that is not empty */
} fh_slabs;

/* Frees for one other heap (heap/remote.h): 64 bytes, so that its place is a shift. */
typedef struct fh_batch {
  _Alignas(8 * sizeof(void *)) struct fh_heap *to; /* NULL: it is empty, and so is all the rest */
  void **at;                                       /* where in the node the next entry goes */
  void *after;                                     /* where what was freed last ends */
  uint8_t left;                                    /* entries for which the node has room */
  uint8_t run;                                     /* blocks that the last entry stands for, beside the one it tells */
  uint16_t last_held;                              /* entries in the first node, once it is closed */
  int32_t room;        /* bytes until it is posted; a free counts as FH_REMOTE_SHARE at least */
  void **node, **next; /* the open node, and what it is to lead to */
  void **last;         /* the node that was made first */
} fh_batch;

_Static_assert(sizeof(void *) != 8 || sizeof(fh_batch) == 64, "its place is a shift");

/* What was sent and nobody has looked for: others have sorted it, under the lock of heap/sleeper.c. */
typedef struct fh_sorted {
  void **nodes;               /* not sorted yet */
  fh_hole slabs, due, chunks; /* heads of lists; of the slabs in `due` some can be purged */
  void *loose;                /* the first of a list */
  uint64_t dirty;             /* bytes of it that could be purged, and were not */
  uint32_t gone[FH_CLASSES];  /* slabs that went back whole, and are in the counts of the heap still */
  fh_slotmap *maps;           /* theirs */
} fh_sorted;

/* Slabs of which few slots are used (heap/sparse.h). */
typedef struct fh_sparse {
  size_t count;              /* sparse slabs that are not watched */
  size_t watched;            /* slabs */
  size_t due_bytes;          /* that could be purged */
  unsigned class, due_class; /* where the next to be watched, and to be purged, is looked for first */
  fh_budget budget;
} fh_sparse;

enum { FH_HEAP_LIVE = 0, FH_HEAP_ORPHAN, FH_HEAP_LOST /* its thread was not copied by fork */ };

/* Laid out for threads that do little: what every heap writes fills the first page of the kernel's, and the rest is
 * touched by the classes and lengths that are used, and by frees into other heaps.
 *
 *   | caches | counts | what others write | sorted, sparse | chunks: notes, quick lists, | bins | slabs, maps | batches
 * | */
typedef struct fh_heap {
  fh_cache cache[FH_CLASSES];
  uint16_t cache_of_grain[FH_GRAINS]; /* where in the heap the cache for a size lies, by grain of 16 bytes */
  uint16_t number;                    /* of the heap, as they were made: which batch of another heap is for it */
  /* Written often from here on. Bytes that the chunk heap served in place of a first slab; with one FH_EARLY_BYTES. */
  _Alignas(64) uint16_t early[FH_CLASSES];
  size_t slab_count; /* slabs of this heap */
  size_t slab_gives; /* of them given back since one was made, or since the caches were last flushed */
  void **taken_in;   /* what was in the inbox and is not freed yet */
  unsigned quantum;  /* messages to be freed by the next call that looks */
  /* What other threads write has a line of its own. */
  _Alignas(64) void **inbox; /* atomic: batches posted by other threads */
  int state;                 /* atomic */
  int sleeps, waits;         /* atomic: something was sorted; much is not, and the thread does not look */
  uint64_t silent;           /* atomic: when much had been sent, fh_os_milliseconds; 0: not yet */
  size_t sent;               /* atomic: bytes posted since the thread looked, about */
  struct fh_heap *next;      /* all heaps ever made */
  struct fh_heap *next_orphan;
  size_t rests; /* of an orphan: its part of what all of them keep, in bytes */
  _Alignas(64) fh_sorted sorted;
  fh_sparse sparse;
  _Alignas(64) fh_chunks chunks; /* its bins are last */
  _Alignas(64) fh_slabs slabs[FH_CLASSES];
  fh_slotmaps maps;
  _Alignas(64) fh_batch out[FH_REMOTE_SLOTS];
} fh_heap;

/* Slabs (slab.c) and the caches in front of them (cache.c). Never locked: the caller is the heap's thread, or holds the
 * orphan lock. */
void fh_slab_start(fh_heap *); /* of a new heap */
bool fh_slab_early(fh_heap *,
                   unsigned class); /* too few were asked for to be worth a slab: the chunk heap is to serve */
void *fh_slab_take(fh_heap *, unsigned class);
void fh_slab_give(fh_heap *, const char *call, fh_span *, void *pointer);
void *fh_slab_refill(fh_heap *, unsigned class, unsigned *count); /* a list of free slots; NULL: no memory */
void *fh_slab_return(fh_heap *, unsigned class, void *first,
                     unsigned count);                         /* from a cache; what follows in the list */
void fh_slab_came_back(fh_heap *, fh_span *, unsigned count); /* so many were noted as free in its map */
void fh_slab_gone(fh_heap *, unsigned class, unsigned count); /* so many, full ones, went back without this thread */
/* Stops the program with one line when it is not a slot that may be freed, as far as it can be told without a search.
 * `newest` is what the cache of the class got last. */
void fh_slab_check(const char *call, const void *newest, const fh_span *, const void *pointer);
fh_cold _Noreturn void fh_freed_twice(const void *block);
fh_cold _Noreturn void fh_slot_refused(const fh_span *, size_t offset); /* no slot, or free already */
bool fh_slab_shrinks(const fh_heap *); /* slabs go back and none is made: the thread is giving up its memory */
fh_span *fh_slab_first(fh_heap *, unsigned class, fh_slab_state); /* of a list; NULL: it is empty */
void fh_slab_relist(fh_heap *, fh_span *, fh_slab_state);         /* to a list of those that are watched */
void fh_cache_overflow(fh_cache *, fh_heap *);
void fh_cache_flush(fh_heap *);      /* all caches, into their slabs; those that hold nothing go back */
void fh_cache_flush_idle(fh_heap *); /* those of classes of which the program uses nothing, where they keep much */

/* The class that serves a size now: its own, or a longer one whose slabs it shares (slab.c). */
fh_inline unsigned fh_class_for(const fh_heap *heap, size_t bytes) {
  return heap->cache_of_grain[(bytes + 15) >> 4] / sizeof(fh_cache);
}

/* Slots in the hands of the program or of the cache. */
fh_inline unsigned fh_slab_live(const fh_span *slab) { return fh_slotmap_live(fh_racy_load(slab->map)); }

/* Whether a slot begins there, handed out or not. */
fh_inline bool fh_slot_starts(const fh_span *slab, const void *pointer) {
  return fh_class_divides(slab->class, (uintptr_t)pointer & (FH_PAGE_SIZE - 1));
}

/* Bytes from the start of a slab that were ever handed out. */
fh_inline size_t fh_slab_carved(const fh_span *slab) {
  return (size_t)fh_racy_load(slab->u.carved) * fh_class_bytes(slab->class);
}

fh_inline void fh_slot_check(const char *call, const fh_span *slab, const void *pointer) {
  if (fh_unlikely(!fh_slot_starts(slab, pointer))) {
    fh_fatal(call, pointer, "not the start of an allocation");
  }
}

/* Notes in the map of a slab that the slot which begins `offset` bytes into it, if one does, is free. The product is
 * that of fh_class_divides and fh_class_quotient. */
fh_inline void fh_slot_note(uint64_t *free, uint32_t inverse, const fh_span *slab, size_t offset) {
  uint64_t product = (uint64_t)offset * inverse;
  unsigned number = (unsigned)(product >> 32) % 64;
  uint64_t *word = &free[product >> 38], before = *word;
  if (fh_unlikely((uint32_t)product >= inverse || (before >> number & 1) != 0)) {
    fh_slot_refused(slab, offset);
  }
  *word = before | UINT64_C(1) << number;
}

/* Stands in where a thread has no heap, or is not to take the fast path: nothing is ever free in it. */
extern fh_hidden fh_heap fh_no_heap;

/* Threads (thread.c). */
fh_heap *fh_heap_mine(void);   /* of this thread, made when needed; NULL: no memory, or the thread is ending */
fh_heap *fh_heap_borrow(void); /* an orphan for one operation of a thread that has no heap any more */
void fh_heap_return(fh_heap *);
fh_heap *fh_heap_all(void);
void fh_heap_start(void); /* once, before anything else */
void fh_heap_fork_prepare(void);
void fh_heap_fork_parent(void);
void fh_heap_fork_child(void);

/* Remote frees (remote.c). */
void fh_remote_post(fh_batch *);
void fh_remote_post_one(fh_heap *to, void *pointer); /* for a thread without a heap */
void fh_remote_post_all(fh_heap *);
bool fh_remote_drain(fh_heap *);  /* all of it; false: there was none */
void fh_remote_reap(fh_heap *);   /* the same if it is an orphan */
void fh_orphan_settle(fh_heap *); /* after frees into an orphan: keeps what all of them together may, no more */
void fh_orphans_lock(void);
void fh_orphans_unlock(void);
void fh_orphans_reset_lock(void);

/* Any block of any heap (blocks.c). */
void fh_block_give(fh_heap *, const char *call, fh_span *, void *pointer); /* slab or chunk of this heap */
size_t fh_block_usable(const char *call, const void *pointer);

#endif
