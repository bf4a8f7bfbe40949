/* Quick lists: chunks that the program gave back and that are kept as they are, one list for each class of lengths.
 * Taking and giving are a pop and a push, and the fast paths of chunks; which one is coalesced is found in quick.c, and
 * when, in chunk.c.
 *
 *   class       0 .. 63   64   65  ..  95   96   97  ..  224
 *   length - 1  0 .. 63   64   66  .. 126  128  132  .. 2048      units: 32 classes a doubling from 64 on
 *
 * A class is one unit longer than a round length, because a chunk is a head longer than what it was asked for, and that
 * is often a power of two.
 *
 * A chunk waits in the class that is not longer than it; a request looks from the class that is not shorter. */
#ifndef FH_HEAP_QUICK_H
#define FH_HEAP_QUICK_H

#include "heap/chunk_ops.h"

enum {
  FH_QUICK_LONGEST = (33 << (FH_QUICK_LISTS / 32 - 1)), /* units in the longest chunk of the last class */
  FH_QUICK_LOOK = (2 << 10) / FH_UNIT /* from here on a look at the head behind costs little beside the use */
};

fh_inline unsigned quick_step(uint64_t x) { return fh_highest_bit(x | 32) - 5; }

/* The class whose chunks all have `units`. */
fh_inline unsigned fh_quick_class_up(uint64_t units) {
  uint64_t x = units - 1;
  unsigned step = quick_step(x);
  return step * 32 + (unsigned)((x + ((uint64_t)1 << step) - 1) >> step);
}

/* The class of a chunk. */
fh_inline unsigned fh_quick_class_down(uint64_t units) {
  unsigned step = quick_step(units - 1);
  return step * 32 + (unsigned)((units - 1) >> step);
}

fh_inline uint64_t fh_quick_class_units(unsigned class) {
  unsigned step = class < 64 ? 0 : class / 32 - 1;
  return ((uint64_t)(class - step * 32) << step) + 1;
}

/* A chunk of a class or hardly longer; NULL: none waits. The bits of one word are looked at only: what is lost where
 * words meet is not worth a second one. */
fh_inline void *fh_quick_take_class(fh_chunks *h, unsigned class) {
  uint64_t near = h->quick_some[class / 64] >> class % 64 & h->quick_near;
  if (fh_unlikely(near == 0)) {
    return NULL;
  }
  class += fh_lowest_bit(near);
  void *user = h->quick[class], *next = *(void **)user;
  fh_chunk *c = chunk_of(user);
  uint64_t head = chunk_head(c);
  h->quick[class] = next;
  if (next == NULL) {
    h->quick_some[class / 64] &= ~((uint64_t)1 << class % 64);
  }
  h->quick_room += (int64_t)(head >> 6 & CHUNK_LENGTH_MASK);
  chunk_set(c, head & ~(uint64_t)CHUNK_QUICK);
  return user;
}

/* A chunk that is not shorter than units <= those of FH_QUICK_MAX. */
fh_inline void *fh_quick_take(fh_chunks *h, uint64_t units) { return fh_quick_take_class(h, fh_quick_class_up(units)); }

/* False when it is not a used chunk, not a short one, the head behind it was overwritten, or there is no room. The END
 * of a stretch looks like a used chunk of no length. */
fh_inline bool fh_quick_give(fh_chunks *h, void *user) {
  fh_chunk *c = chunk_of(user);
  uint64_t head = chunk_head(c), units = head >> 6 & CHUNK_LENGTH_MASK;
  int64_t room = h->quick_room - (int64_t)units;
  if (fh_unlikely(!chunk_is_used(c, head) || units - 1 >= FH_QUICK_LONGEST || room < 0)) {
    return false;
  }
  if (fh_unlikely(units >= FH_QUICK_LOOK && chunk_before_length(chunk_at(c, (int64_t)units)) != units)) {
    return false;
  }
  unsigned class = fh_quick_class_down(units);
  h->quick_room = room;
  h->quick_some[class / 64] |= (uint64_t)1 << class % 64;
  chunk_set(c, head | CHUNK_QUICK);
  *(void **)user = h->quick[class];
  h->quick[class] = user;
  return true;
}

/* The chunk that is to be coalesced next, in no list any more; NULL: none waits. Its neighbours' heads are on their way
 * to the processor. */
fh_chunk *fh_quick_due(fh_chunks *h);

#endif
