/* What is kept: kernel pages that hold no live byte and have memory behind them, by what keeps them there.
 *
 * A byte is live when the program may use it: usable bytes of blocks in its hands, as fh_usable_size tells them. Heads,
 * links and what waits to be freed are not live. A page is counted once, under the last of the kinds that it holds, and
 * a slab without a live byte as a whole. */
#ifndef FH_LENS_RETAINED_H
#define FH_LENS_RETAINED_H

#include "base/compiler.h"

typedef enum fh_keeper {
  FH_KEPT_RUNS,     /* free page runs */
  FH_KEPT_HOLES,    /* chunk heap: inside big holes, what their budget counts */
  FH_KEPT_BITS,     /* chunk heap: small holes, ends of big ones, heads; no budget counts these */
  FH_KEPT_UNCARVED, /* slabs: behind the last slot ever reached */
  FH_KEPT_SLOTS,    /* slabs: free slots of slabs that other slots keep */
  FH_KEPT_QUICK,    /* chunks in quick lists */
  FH_KEPT_CACHED,   /* slots in thread caches, and slabs that only these keep */
  FH_KEPT_SENT,     /* blocks on their way to the thread whose they are */
  FH_KEPT_MAPS,     /* pages of maps of slabs */
  FH_KEEPERS
} fh_keeper;

extern const char *const fh_keeper_names[FH_KEEPERS];

typedef struct fh_retained {
  uint64_t live;                 /* bytes */
  uint64_t resident;             /* bytes of the arenas with memory behind them, as the kernel counts it */
  uint64_t taken;                /* of them on pages with a live byte */
  uint64_t kept[FH_KEEPERS];     /* of them on pages without */
  uint64_t believed[FH_KEEPERS]; /* the same by what the heap knows of its pages, without asking the kernel */
  uint64_t total;                /* the sum of kept */
} fh_retained;

/* Nobody may allocate or free meanwhile. False: no memory for the notes. */
bool fh_retained_read(fh_retained *);

/* What the budgets leave of each kind at most, whatever the program has done, with FREEHOLD_RETAIN at `percent`;
 * UINT64_MAX: there is none. Nobody may allocate or free meanwhile. */
void fh_retained_budgets(uint64_t most[FH_KEEPERS], unsigned percent);

struct fh_heap;
uint64_t fh_retained_holes_budget(const struct fh_heap *); /* of one, at its last look at the budget */

#endif
