/* The holes of the chunk heap: what each is, where it is indexed, and how much of it may have memory behind it. What is
 * inline here is a part of every malloc and free that no quick list serves. */
#ifndef FH_HEAP_CHUNK_HOLES_H
#define FH_HEAP_CHUNK_HOLES_H

#include "heap/chunk_ops.h"
#include "heap/heap.h"
#include "os/os.h"

enum { FH_NOTE_UNITS = (1 << 20) / FH_UNIT };

/* Tells the page runs how much lies in big holes. */
void fh_holes_tell(fh_chunks *);

/* The page runs hear of big holes a mebibyte at a time, for their word is shared by all threads, and when the heap is
 * found shrunken or left by its thread: what hundreds of them have not told of would count as live. */
fh_inline void holes_tell_when_much(fh_chunks *h) {
  int64_t news = h->big_units - h->noted_units;
  if (fh_unlikely(news > FH_NOTE_UNITS || news < -FH_NOTE_UNITS)) {
    fh_holes_tell(h);
  }
}

fh_inline fh_hole *dirty_list(fh_chunks *h, uint64_t units) {
  unsigned step = fh_highest_bit(units * FH_UNIT | 4096) - 12;
  return &h->dirty[fh_min(step, FH_DIRTY_LISTS - 1)];
}

/* A hole of `length` units, behind a chunk of `before`, of which `dirty` may have memory behind them. */
typedef struct hole_state {
  fh_chunk *at;
  uint64_t length, before, dirty, flags;
} hole_state;

/* What the hole at c is; its dirty units are all where it is too short to know. */
fh_inline hole_state hole_read(fh_chunk *c) {
  uint64_t head = chunk_head(c), length = head_length(head);
  uint64_t dirty = length < FH_BIG_UNITS ? length : big_of(c)->units;
  return (hole_state){c, length, head_before(head), dirty, head & CHUNK_FRESH};
}

fh_inline void hole_link_up(fh_chunks *h, const hole_state *hole) {
  fh_bins_insert(&h->holes, hole_link(hole->at), hole->length);
  if (hole->length >= FH_BIG_UNITS && hole->dirty != 0) {
    fh_hole_push(dirty_list(h, hole->dirty), &big_of(hole->at)->dirty);
  }
}

/* Two holes are open, that is in no list: the rest of what was split last, and what the last row of chunks was
 * coalesced into, from the second of them on. Who takes a row takes the next from the one, and who gives a row back
 * makes the other longer, each time of another length. A row beside the rest joins that. For those who look for a fit
 * they are holes like all others (the idea is the designated victim of Lea's dlmalloc, which is the rest). Both go into
 * the index before anything is purged. docs/decisions/0004. */
void fh_holes_close(fh_chunks *, fh_open); /* puts it into the index, if there is one */

fh_inline void hole_put(fh_chunks *h, const hole_state *hole, fh_open as) {
  chunk_write(hole->at, hole->length, hole->before, hole->flags);
  chunk_tell(chunk_at(hole->at, (int64_t)hole->length), hole->length, true);
  h->free_units += hole->length;
  if (hole->length >= FH_BIG_UNITS) {
    h->big_units += (int64_t)hole->length;
    h->dirty_units += hole->dirty;
    big_of(hole->at)->units = hole->dirty;
    holes_tell_when_much(h);
  }
  if (as == FH_LISTED) {
    hole_link_up(h, hole);
  } else {
    h->open[as] = hole->at;
  }
}

/* Most is put back at once, so the page runs hear of it then. What it was; an open one is none any more. */
fh_inline fh_open hole_take(fh_chunks *h, const hole_state *hole) {
  h->free_units -= hole->length;
  if (hole->length >= FH_BIG_UNITS) {
    h->big_units -= (int64_t)hole->length;
    h->dirty_units -= hole->dirty;
  }
  if (hole->at == h->open[FH_OPEN_REST]) {
    h->open[FH_OPEN_REST] = NULL;
    return FH_OPEN_REST;
  }
  if (hole->at == h->open[FH_OPEN_JOINED]) {
    h->open[FH_OPEN_JOINED] = NULL;
    return FH_OPEN_JOINED;
  }
  fh_bins_remove(&h->holes, hole_link(hole->at), hole->length);
  if (hole->length >= FH_BIG_UNITS && hole->dirty != 0) {
    fh_hole_leave(&big_of(hole->at)->dirty);
  }
  return FH_LISTED;
}

fh_inline char *hole_end(const hole_state *hole) { return (char *)chunk_at(hole->at, (int64_t)hole->length); }

/* What of a hole was asked for ahead, in front of what is not there, and the page that joining two of them counts. */
fh_inline uint64_t ahead_units(const fh_chunks *h, const hole_state *hole) {
  bool within = (char *)hole->at < h->ahead && h->ahead < hole_end(hole);
  return within ? (size_t)(h->ahead - (char *)hole->at) / FH_UNIT + h->page_units : 0;
}

fh_inline void ahead_forget(fh_chunks *h, const char *from, const char *to) {
  if (from < h->ahead && h->ahead <= to) {
    h->ahead = NULL;
  }
}

/* With the program or waiting in quick lists. */
fh_inline uint64_t live_units(const fh_chunks *h) { return h->total_bytes / FH_UNIT - h->free_units; }

fh_inline uint64_t dirty_bytes(const fh_chunks *h) { return h->dirty_units * FH_UNIT; }

/* Dirty bytes that may stay in any case. */
fh_inline uint64_t dirty_base(const fh_chunks *h) { return FH_CHUNK_RETAIN + live_units(h) * FH_UNIT / 16; }

/* Down to so many dirty units, as far as the kernel allows; bytes that went back. */
size_t fh_holes_purge(fh_chunks *, uint64_t target);

/* Where `most` dirty bytes, and what may stay beside them, are not enough, what is dirty is purged down to 1 / `part`
 * of what may stay. */
void fh_holes_purge_surplus(fh_chunks *, uint64_t most, unsigned part);

fh_inline void holes_keep_budget(fh_chunks *h) {
  if (dirty_bytes(h) > dirty_base(h) + fh_budget_beside(&h->budget)) {
    fh_holes_purge_surplus(h, dirty_base(h), 2);
  }
}

#endif
