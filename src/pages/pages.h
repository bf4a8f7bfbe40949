/* Page runs: the arena's pages, handed out as spans, split and coalesced, and purged under a budget.
 *
 * Free runs are clean (reads as zero, costs nothing) or dirty (memory behind it). Neighbours of the same kind are
 * always one run; the two kinds are kept apart so that the dirty pages are known to the page. Dirty runs serve first.
 *
 * Retention:  dirty pages <= FH_RETAIN_BYTES + retain % of the pages in use
 *                            (+ after ping-pong at most FH_WIDEN_BYTES, or as much as is in use)
 *                            (+ what it has taken of FH_TRUST_BYTES, which all budgets share)
 * holds after every free, by the thread that frees; the kernel is called with no lock held. */
#ifndef FH_PAGES_PAGES_H
#define FH_PAGES_PAGES_H

#include "pages/arena.h"

/* What stays resident however small the heap is: enough that a small program never purges. */
#define FH_RETAIN_BYTES ((size_t)2 << 20)

/* That much more, or as much as is in use, at most while purging proves to be wasted work: what was purged is taken
 * again at once. */
#define FH_WIDEN_BYTES ((size_t)32 << 20)

/* That much more, all budgets of the process together, until purges show that it gives memory back in earnest: a
 * program is not to pay for what it is about to take again before anything is known of it. */
#define FH_TRUST_BYTES ((size_t)8 << 20)

typedef struct fh_pages_counts {
  size_t used;  /* pages handed out */
  size_t dirty; /* free pages with memory behind them */
  size_t clean; /* free pages without */
  size_t purges, purged_pages, grows;
  size_t widened; /* pages the budget is wider for now, after ping-pong */
  size_t trusted; /* the same on trust */
} fh_pages_counts;

/* `count` pages as one span whose start is a multiple of `align` pages (a power of two). Kind, start, pages and fresh
 * are set and the rest is zero. NULL: no memory. Thread-safe. */
fh_span *fh_pages_take(size_t count, size_t align, fh_span_kind kind);

/* Gives a span back; its memory may be purged before the call returns. Thread-safe. */
void fh_pages_give(fh_span *span);

/* Gives back all but the first `keep` pages of a span. */
void fh_pages_cut(fh_span *span, size_t keep);

/* Adds `more` pages behind a span when they are free; they are not known to be zero. */
bool fh_pages_extend(fh_span *span, size_t more);

/* A heap was found shrunken: what was learnt while it grew is worth less. A sixteenth of what the budget is wider by
 * goes, and what is dirty beyond it. Thread-safe. */
void fh_pages_narrow(void);

/* Purges every dirty run; pages purged. */
size_t fh_pages_trim(void);

/* Takes no lock: each count is right, all together only when nobody changes them. */
void fh_pages_read(fh_pages_counts *);

size_t fh_pages_dirty(void); /* of these counts */

/* Tells that `bytes` more (or less) of the spans in use are large holes: they are not live, and retention is a share of
 * what is live. */
void fh_pages_note_holes(int64_t bytes);

/* Bytes that the budget of the caller may be wider on trust, `bytes` at most: what nobody has taken yet. They are not
 * given back; half of what the caller purges comes off them. Lock-free. */
size_t fh_pages_trust(size_t bytes);

/* Percent of the pages in use that may stay dirty, and of the slabs of which few slots are used; with 0 nobody is
 * trusted. */
void fh_pages_set_retain(unsigned percent);
unsigned fh_pages_retain(void);
/* Bytes that may be handed out at most; SIZE_MAX: no limit. */
void fh_pages_set_limit(size_t bytes);

void fh_pages_lock(void);
void fh_pages_unlock(void);
void fh_pages_fork_child(void); /* in place of the unlock: new locks, and no run is being purged any more */

#endif
