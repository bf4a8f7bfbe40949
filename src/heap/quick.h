/* Quick lists: chunks that the program gave back and that are kept as they are, one list for each exact length. Taking
 * and giving are a pop and a push, and the fast paths of chunks; everything else is in chunk.c. */
#ifndef FH_HEAP_QUICK_H
#define FH_HEAP_QUICK_H

#include "heap/chunk_ops.h"

/* A chunk of exactly this length, below FH_QUICK_LENGTHS; NULL: none waits. */
fh_inline void *fh_quick_take(fh_chunks *h, uint64_t units) {
  fh_quick *list = &h->quick[units];
  void *user = list->first;
  if (fh_likely(user != NULL)) {
    fh_chunk *c = chunk_of(user);
    list->first = *(void **)user;
    list->room++;
    chunk_set(c, chunk_head(c) & ~(uint64_t)CHUNK_QUICK);
  }
  return user;
}

/* The same, or a chunk that is hardly longer. */
fh_inline void *fh_quick_take_near(fh_chunks *h, uint64_t units) {
  void *user = fh_quick_take(h, units);
  for (uint64_t more = 1; user == NULL && more <= units / FH_QUICK_SLACK; more++) {
    user = fh_quick_take(h, units + more);
  }
  return user;
}

/* False when it is not a used chunk, not a short one, or the list is full. */
fh_inline bool fh_quick_give(fh_chunks *h, void *user) {
  fh_chunk *c = chunk_of(user);
  uint64_t head = chunk_head(c), units = head >> 6 & CHUNK_LENGTH_MASK;
  if (fh_unlikely(!chunk_is_used(c, head) || units >= FH_QUICK_LENGTHS)) {
    return false;
  }
  fh_quick *list = &h->quick[units];
  if (fh_unlikely(list->room == 0)) {
    return false;
  }
  chunk_set(c, head | CHUNK_QUICK);
  *(void **)user = list->first;
  list->first = user;
  list->room--;
  return true;
}

#endif
