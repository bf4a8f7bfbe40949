/* Looking at a chunk heap: for statistics and reports. */
#include "heap/chunk.h"
#include "heap/chunk_ops.h"

/* Its owner may be at work, or the pages be something else by now: each head is read once and believed only as far as
 * its check and the end of the stretch allow. */
void fh_chunk_walk_stretch(char *start, size_t bytes, fh_chunk_visit *visit, void *arg) {
  fh_chunk *c = (fh_chunk *)(void *)(start + FH_UNIT - FH_CHUNK_HEAD);
  for (uint64_t left = bytes / FH_UNIT - 1, units; left != 0; left -= units) {
    uint64_t head = chunk_head(c);
    units = head >> 6 & CHUNK_LENGTH_MASK;
    if (units == 0 || units > left || !chunk_is_checked(c, head)) {
      return;
    }
    fh_chunk_state state = (head & CHUNK_USED) == 0    ? FH_CHUNK_HOLE
                           : (head & CHUNK_QUICK) != 0 ? FH_CHUNK_QUICK
                                                       : FH_CHUNK_USED;
    visit(arg, chunk_user(c), (size_t)units * FH_UNIT, state);
    c = chunk_at(c, (int64_t)units);
  }
}

void fh_chunk_walk(const fh_chunks *h, fh_chunk_visit *visit, void *arg) {
  for (fh_hole *link = h->stretches.next; link != NULL; link = link->next) {
    fh_span *span = fh_span_of(link);
    fh_chunk_walk_stretch(span->start, fh_span_bytes(span), visit, arg);
  }
}
