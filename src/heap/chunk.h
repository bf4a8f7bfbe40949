/* The chunk heap: the textbook's free list with a header in front of each chunk, one heap a thread.
 *
 *   a stretch (a span of pages)
 *   | pad 8 | head | user ... | head | user ... | head | hole .................. | head: END |
 *           ^ chunk           ^ chunk           ^ hole                           size 0
 *
 *   head, 64 bits:   | check 14 | length of the chunk before 22 | length 22 | flags 6 |      lengths in 16-byte units
 *   used chunk:      | head 8 | user memory, aligned to 16 ................ |
 *   hole:            | head 8 | next 8 | prev 8 | ......................... |
 *   big hole:        | head 8 | next 8 | prev 8 | dirty list 16 | dirty units 8 | ... |
 *
 * Chunks of up to FH_QUICK_MAX bytes are cut to the lengths of classes at most 1/32 apart, and one that is given back
 * waits in the quick list of its class (heap/quick.h). When all lists together hold too much, some are coalesced with
 * their neighbours and what comes out is indexed by length (fit/bins.h), but for the rest of the last split and what
 * the last row of chunks was coalesced into, which are open (heap/chunk_holes.h). Big holes have their pages purged
 * under a budget of their own. Nothing here is locked: a heap is used by its thread alone. */
#ifndef FH_HEAP_CHUNK_H
#define FH_HEAP_CHUNK_H

#include "fit/bins.h"
#include "heap/budget.h"
#include "pages/pages.h"

enum {
  FH_UNIT = 16,
  FH_CHUNK_HEAD = 8,
  FH_SPLIT_LEAST = 4,      /* units; a rest shorter than this stays with the chunk: slabs serve what would fit it */
  FH_QUICK_MAX = 32 << 10, /* bytes: longer chunks are never quick */
  FH_QUICK_LISTS = 225,    /* the class of FH_QUICK_MAX bytes is the last */
  FH_BIG_UNITS = (32 << 10) / FH_UNIT, /* holes from here on know how much of them is dirty */
  FH_DIRTY_LISTS = 8                   /* list i: holes with 4 KiB << i dirty or more, the last without end */
};

/* Bytes that all quick lists of a heap may hold together: at least, and beside it. */
#define FH_QUICK_LEAST ((size_t)16 << 10)
#define FH_QUICK_MORE ((size_t)896 << 10)
#define FH_QUICK_RETAIN (FH_QUICK_LEAST + FH_QUICK_MORE)

typedef struct fh_chunk {
  uint64_t head;
} fh_chunk;

/* Which of the open holes a hole is, or that it is in the index. */
typedef enum fh_open { FH_OPEN_REST, FH_OPEN_JOINED, FH_OPEN, FH_LISTED = FH_OPEN } fh_open;

typedef struct fh_chunks {
  uint64_t quick_near;           /* a bit for each class that a request may look at, its own first */
  int64_t quick_room;            /* units that may still be pushed */
  int64_t quick_limit;           /* units that all lists may hold together */
  void *quick_due;               /* the chunk that is coalesced next */
  void *quick_retired;           /* what follows it, and is in no list of a class any more */
  uint32_t quick_hand;           /* the list that was retired last */
  uint32_t slow_calls;           /* that looked at what is kept */
  fh_hole dirty[FH_DIRTY_LISTS]; /* heads of the lists of big holes with dirty pages */
  fh_hole stretches;             /* head of the list of spans */
  struct fh_heap *heap;
  uint64_t dirty_units;                            /* in big holes */
  uint64_t mark_units;                             /* the most that was used since the heap was last found shrunken */
  uint64_t shrunk_from;                            /* the mark when it was */
  uint32_t shrunk_at;                              /* slow_calls when it was */
  uint32_t patience;                               /* slow calls until it may be again */
  uint64_t total_bytes;                            /* of all stretches */
  uint64_t free_units;                             /* in holes */
  int64_t big_units;                               /* of them in big holes */
  int64_t noted_units;                             /* of these the page runs know */
  uint64_t page_units;                             /* in a page of the kernel's */
  fh_chunk *open[FH_OPEN];                         /* the holes that are in no list; NULL: none */
  fh_chunk *coalesced;                             /* where the hole began that was coalesced last; it may be gone */
  char *ahead;                                     /* end of the memory asked for beyond what is used */
  fh_budget budget;                                /* beside what may be dirty in any case */
  uint64_t quick_some[(FH_QUICK_LISTS + 63) / 64]; /* bit i: quick[i] is not NULL */
  void *quick[FH_QUICK_LISTS];                     /* first of each list, by class */
  fh_bins holes;                                   /* last: large, and mostly untouched */
} fh_chunks;

/* bytes <= FH_CHUNK_MAX. *zero tells how many bytes at the start of the memory are not known to be zero, SIZE_MAX when
 * all of them; may be NULL. NULL: no memory. */
void *fh_chunk_take(fh_chunks *, size_t bytes, size_t *unzeroed);
void *fh_chunk_take_aligned(fh_chunks *, size_t alignment, size_t bytes);
void fh_chunk_give(fh_chunks *, const char *call, void *user);
void fh_chunk_give_slow(fh_chunks *, const char *call, void *user); /* no quick list has taken it */
/* Grows or shrinks in place; false when the neighbour is not free. */
bool fh_chunk_resize(fh_chunks *, void *user, size_t bytes);
/* Stops the program with one line when `user` is not the start of a used chunk. */
void fh_chunk_check(const char *call, const void *user);
/* Coalesces everything and purges what is dirty; bytes given back. */
size_t fh_chunk_trim(fh_chunks *);
/* Coalesces everything; bytes that a trim would give back. */
size_t fh_chunk_settle(fh_chunks *);

typedef enum fh_chunk_state { FH_CHUNK_USED, FH_CHUNK_QUICK, FH_CHUNK_HOLE } fh_chunk_state;
typedef void fh_chunk_visit(void *arg, const void *user, size_t bytes, fh_chunk_state);
/* Of one stretch, whatever its owner does meanwhile. */
void fh_chunk_walk_stretch(char *start, size_t bytes, fh_chunk_visit *, void *arg);
void fh_chunk_walk(const fh_chunks *, fh_chunk_visit *, void *arg);

#endif
