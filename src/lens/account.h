/* The account of the heap's resident bytes: each is counted in one place. */
#ifndef FH_LENS_ACCOUNT_H
#define FH_LENS_ACCOUNT_H

#include "base/compiler.h"
#include "heap/sizes.h"

enum { FH_HOLE_SIZES = 8 };

typedef struct fh_account {
  uint64_t slab_live, slab_free, slab_uncarved; /* bytes; uncarved: behind the last slot that was ever reached */
  uint64_t slab_maps;                           /* bytes of pages that hold maps of slabs */
  uint64_t chunk_live, chunk_heads, chunk_quick, chunk_holes, chunk_ends;
  uint64_t large_live;
  uint64_t holes[FH_HOLE_SIZES]; /* bytes in holes below 256, 1 K, 4 K, 16 K, 64 K, 256 K, 1 M, more */
  uint64_t class_live[FH_CLASSES], class_slots[FH_CLASSES]; /* slots */
  uint64_t untouched;                                       /* of all the above, without memory behind it */
  uint64_t kept_resident;                                   /* bytes of free runs with memory behind them */
  uint64_t map_resident;                                    /* bytes of pagemap with memory behind them */
} fh_account;

/* Exact when the heaps are quiet: at exit, or with one thread. */
void fh_account_read(fh_account *);

#endif
