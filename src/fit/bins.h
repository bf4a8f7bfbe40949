/* Two-level bins of holes by length (the idea is TLSF's: Masmano, Ripoll, Crespo, Real, 2004).
 *
 *   group 0: lengths 1..31, one bin each
 *   group g: lengths [2^(g+4), 2^(g+5)), 32 bins of equal width, so a bin's holes differ by at most 1/32
 *
 *   groups:  bit g set  <=>  some bin of group g holds something
 *   bins[g]: bit b set  <=>  head[g][b] != NULL
 *
 * A request is first tried on a few holes of its own bin, where the closest fits are; every hole of a later bin fits,
 * and two bit searches find the next one. Constant time, whatever the number of holes. Below 64 a bin holds one length
 * only, so its first hole is as good as any. Not locked. */
#ifndef FH_FIT_BINS_H
#define FH_FIT_BINS_H

#include "base/bits.h"
#include "fit/hole.h"

enum {
  FH_BINS_GROUPS = 24,
  FH_BINS_LOOK = 8 /* holes of the request's own bin that are tried */
};

typedef struct fh_bins {
  uint32_t groups;
  uint32_t bins[FH_BINS_GROUPS];
  fh_hole *head[FH_BINS_GROUPS][32];
} fh_bins;

typedef struct fh_bins_place {
  unsigned group, bin;
} fh_bins_place;

fh_inline fh_bins_place fh_bins_place_of(uint64_t length) {
  if (length < 32) {
    return (fh_bins_place){0, (unsigned)length};
  }
  unsigned high = fh_highest_bit(length);
  return (fh_bins_place){high - 4, (unsigned)(length >> (high - 5)) & 31u};
}

fh_inline void fh_bins_insert(fh_bins *index, fh_hole *hole, uint64_t length) {
  fh_bins_place at = fh_bins_place_of(length);
  fh_hole *first = index->head[at.group][at.bin];
  hole->next = first;
  hole->prev = NULL;
  if (first != NULL) {
    first->prev = hole;
  }
  index->head[at.group][at.bin] = hole;
  index->groups |= 1u << at.group;
  index->bins[at.group] |= 1u << at.bin;
}

fh_inline void fh_bins_forget_bin(fh_bins *index, fh_bins_place at) {
  index->bins[at.group] &= ~(1u << at.bin);
  if (index->bins[at.group] == 0) {
    index->groups &= ~(1u << at.group);
  }
}

fh_inline void fh_bins_remove(fh_bins *index, fh_hole *hole, uint64_t length) {
  if (hole->next != NULL) {
    hole->next->prev = hole->prev;
  }
  if (hole->prev != NULL) {
    hole->prev->next = hole->next;
    return;
  }
  fh_bins_place at = fh_bins_place_of(length);
  index->head[at.group][at.bin] = hole->next;
  if (hole->next == NULL) {
    fh_bins_forget_bin(index, at);
  }
}

/* The shortest fit among the first few holes of one bin. Each look is likely a cache miss. */
fh_inline fh_hole *fh_bins_look(fh_hole *hole, uint64_t need, fh_hole_length *length_of) {
  fh_hole *best = NULL;
  uint64_t best_length = UINT64_MAX;
  for (unsigned tries = FH_BINS_LOOK; hole != NULL && tries != 0; hole = hole->next, tries--) {
    uint64_t length = length_of(hole);
    if (length >= need && length < best_length) {
      best = hole;
      best_length = length;
      if (length == need) {
        break;
      }
    }
  }
  return best;
}

/* A hole of at least `need`, still in the index; NULL when none was found. */
fh_inline fh_hole *fh_bins_find(fh_bins *index, uint64_t need, fh_hole_length *length_of) {
  fh_bins_place at = fh_bins_place_of(need);
  fh_hole *own = index->head[at.group][at.bin];
  if (own != NULL && at.group > 1) {
    own = fh_bins_look(own, need, length_of);
  }
  if (own != NULL) {
    return own;
  }
  uint32_t later = index->bins[at.group] & (uint32_t)(~UINT64_C(1) << at.bin);
  if (later == 0) {
    uint32_t groups = index->groups & (uint32_t)(~UINT64_C(1) << at.group);
    if (groups == 0) {
      return NULL;
    }
    at.group = fh_lowest_bit(groups);
    later = index->bins[at.group];
  }
  return index->head[at.group][fh_lowest_bit(later)];
}

/* A hole of the longest bin; NULL when the index is empty. */
fh_inline fh_hole *fh_bins_longest(const fh_bins *index) {
  if (index->groups == 0) {
    return NULL;
  }
  unsigned group = fh_highest_bit(index->groups);
  return index->head[group][fh_highest_bit(index->bins[group])];
}

#endif
