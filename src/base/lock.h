/* Locks with a rank. A thread takes locks in rising rank only; debug builds stop where it does not.
 * (The habit is jemalloc's witness.) */
#ifndef FH_BASE_LOCK_H
#define FH_BASE_LOCK_H

#include <pthread.h>

#include "base/compiler.h"

typedef enum fh_rank {
  FH_RANK_ORPHANS = 1, /* heaps whose thread has ended */
  FH_RANK_SLEEPERS,    /* what was sent to threads that do not look */
  FH_RANK_GROW,        /* the frontier of the arenas: one thread commits at a time */
  FH_RANK_PAGES,       /* free page runs */
  FH_RANK_META         /* the allocator's own memory */
} fh_rank;

typedef struct fh_lock {
  pthread_mutex_t mutex;
  fh_rank rank;
} fh_lock;

#define FH_LOCK(r) \
  { PTHREAD_MUTEX_INITIALIZER, r }

void fh_lock_take(fh_lock *);
bool fh_lock_try(fh_lock *); /* false: another thread has it */
void fh_lock_drop(fh_lock *);
/* In a forked child, where the holder may be a thread that is no more. */
void fh_lock_reset(fh_lock *);

#endif
