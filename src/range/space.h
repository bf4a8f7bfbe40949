/* What happens to nodes and to the account when stretches change hands. */
#ifndef FH_RANGE_SPACE_H
#define FH_RANGE_SPACE_H

#include "range/index.h"
#include "range/pool.h"

/* A new hole right of the node `left`, in no index yet. */
fh_inline uint32_t hole_add(fh_range *r, uint32_t left, uint64_t start, uint64_t length) {
  uint32_t hole = node_take(r);
  circle_link(r, hole, left);
  hole_write(r, hole, start, length);
  r->holes++;
  return hole;
}

/* Ends a hole that is in no index any more: what it covered belongs to a neighbour, or to no one. */
fh_inline void hole_end(fh_range *r, uint32_t hole) {
  circle_unlink(r, hole);
  node_give(r, hole);
  r->holes--;
}

fh_inline void hole_drop(fh_range *r, uint32_t hole) {
  fh_index_remove(r, hole);
  hole_end(r, hole);
}

fh_inline void account_in(fh_range *r, uint64_t charged, uint64_t length) {
  r->free -= charged;
  r->used += charged;
  r->requested += length;
  r->peak = r->used > r->peak ? r->used : r->peak;
}

fh_inline void account_out(fh_range *r, uint64_t charged, uint64_t length) {
  r->free += charged;
  r->used -= charged;
  r->requested -= length;
}

/* buddy.c: offsets are from the base. */
uint32_t fh_piece_cut(fh_range *r, const fh_place *place);        /* the node of place->charge, in no index */
unsigned fh_piece_cuts(const fh_range *r, const fh_place *place); /* nodes that this takes */
void fh_piece_give(fh_range *r, uint32_t hole); /* a hole in no index joins its buddies, and is indexed */
unsigned fh_pieces_in(uint64_t offset, uint64_t end);
void fh_pieces_fill(fh_range *r, uint64_t offset, uint64_t end); /* behind the last node */

#endif
