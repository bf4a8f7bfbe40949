/* What a part of a heap may keep beside what it may in any case, and how that is learnt (docs/decisions/0005). Bytes.
 */
#ifndef FH_HEAP_BUDGET_H
#define FH_HEAP_BUDGET_H

#include "base/bits.h"
#include "pages/pages.h"

typedef struct fh_budget {
  uint64_t widened; /* after ping-pong */
  uint64_t trusted; /* taken on trust (pages/pages.h) */
  uint64_t reused;  /* purged and taken again since it was last learnt from */
} fh_budget;

fh_inline uint64_t fh_budget_beside(const fh_budget *b) { return b->widened + b->trusted; }

/* `kept` bytes are more than `most` and what may stay beside it. Each purged byte that is taken again was purged in
 * vain: twice as much more is kept from now on, `widest` at most. Where that is not enough, more is taken on trust.
 * False: nor is that. */
fh_inline bool fh_budget_widen(fh_budget *b, uint64_t kept, uint64_t most, uint64_t widest) {
  b->widened = fh_min(b->widened + 2 * b->reused, widest);
  b->reused = 0;
  if (kept > most + fh_budget_beside(b)) {
    b->trusted += fh_pages_trust((size_t)(kept - most - fh_budget_beside(b)));
  }
  return kept <= most + fh_budget_beside(b);
}

/* What is purged and not taken again slowly takes the widening back, and trust at once. */
fh_inline void fh_budget_purged(fh_budget *b, uint64_t bytes) {
  b->widened -= fh_min(b->widened, bytes / 16);
  b->trusted -= fh_min(b->trusted, bytes / 2);
}

#endif
