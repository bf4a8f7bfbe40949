/* Holes off the fast path: what is told of them, and purging what is dirty. */
#include "heap/chunk_holes.h"

void fh_holes_tell(fh_chunks *h) {
  if (h->big_units != h->noted_units) {
    fh_pages_note_holes((h->big_units - h->noted_units) * FH_UNIT);
    h->noted_units = h->big_units;
  }
}

void fh_holes_close(fh_chunks *h, fh_open which) {
  if (h->open[which] != NULL) {
    hole_state hole = hole_read(h->open[which]);
    hole_link_up(h, &hole);
    h->open[which] = NULL;
  }
}

/* The whole kernel pages inside a hole, behind its links. */
static fh_os_part inside_of(fh_chunk *c) {
  return fh_os_pages_within((char *)c + sizeof(big_hole), (char *)chunk_next(c));
}

/* A hole of the list with the dirtiest: the fewest parts for the most memory. */
static big_hole *dirtiest(const fh_chunks *h) {
  for (unsigned i = FH_DIRTY_LISTS; i-- != 0;) {
    if (h->dirty[i].next != NULL) {
      return (big_hole *)(void *)((char *)h->dirty[i].next - offsetof(big_hole, dirty));
    }
  }
  return NULL;
}

/* Takes what is dirty off its list. Where no page of the kernel's lies inside there is nothing to purge. */
static unsigned gather_dirtiest(fh_chunks *h, uint64_t target, big_hole **holes, fh_os_part *parts) {
  unsigned count = 0;
  while (h->dirty_units > target && count < FH_OS_PARTS) {
    big_hole *big = dirtiest(h);
    fh_hole_leave(&big->dirty);
    h->dirty_units -= big->units;
    holes[count] = big;
    parts[count] = inside_of((fh_chunk *)big);
    if (parts[count].bytes != 0) {
      count++;
    } else {
      big->units = 0;
    }
  }
  return count;
}

/* By one call. False: the kernel refused some of it. */
static bool purge_some(fh_chunks *h, uint64_t target) {
  big_hole *holes[FH_OS_PARTS];
  fh_os_part parts[FH_OS_PARTS];
  unsigned count = gather_dirtiest(h, target, holes, parts);
  unsigned done = count == 0 ? 0 : fh_os_purge_parts(parts, count);
  for (unsigned i = 0; i < count; i++) {
    if (i < done) {
      ahead_forget(h, parts[i].at, (char *)parts[i].at + parts[i].bytes);
      holes[i]->units = 0;
    } else {
      fh_hole_push(dirty_list(h, holes[i]->units), &holes[i]->dirty);
      h->dirty_units += holes[i]->units;
    }
  }
  return done == count;
}

size_t fh_holes_purge(fh_chunks *h, uint64_t target) {
  size_t before = (size_t)h->dirty_units;
  fh_holes_close(h, FH_OPEN_REST);
  fh_holes_close(h, FH_OPEN_JOINED);
  while (h->dirty_units > target && purge_some(h, target)) {
  }
  return (before - (size_t)h->dirty_units) * FH_UNIT;
}

void fh_holes_purge_surplus(fh_chunks *h, uint64_t most, unsigned part) {
  if (!fh_budget_widen(&h->budget, dirty_bytes(h), most, FH_CHUNK_WIDEN)) {
    fh_budget_purged(&h->budget, fh_holes_purge(h, (most + fh_budget_beside(&h->budget)) / part / FH_UNIT));
  }
}
