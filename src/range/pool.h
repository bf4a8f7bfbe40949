/* The own memory of a range: nodes, and the buckets of the table of allocations. Neither ever moves.
 *
 *   block 0:  numbers 0 .. 2^shift - 1      block k:  numbers 2^(shift + k - 1) .. 2^(shift + k) - 1
 *
 * From malloc, block by block; in the caller's memory there is one block that holds all. */
#ifndef FH_RANGE_POOL_H
#define FH_RANGE_POOL_H

#include "range/node.h"

enum { POOL_SHIFT = 6, POOL_BLOCKS = 31 - POOL_SHIFT + 1, FIXED_SHIFT = 31 };

/* malloc, or NULL where the program has none; free. */
void *fh_pool_get(size_t bytes);
void fh_pool_give(void *memory);

/* Asks for the block behind `capacity`. False: there is no memory. */
bool fh_pool_more_nodes(fh_range *r);
bool fh_pool_more_buckets(fh_range *r);

void fh_pool_destroy(fh_range *r);

/* Makes sure of that many spare nodes. */
fh_inline bool nodes_reserve(fh_range *r, uint32_t count) {
  while (fh_unlikely(r->capacity - 1 - r->live < count)) {
    if (!fh_pool_more_nodes(r)) {
      return false;
    }
  }
  return true;
}

/* A node; there is one (nodes_reserve). */
fh_inline uint32_t node_take(fh_range *r) {
  uint32_t number = r->spare;
  r->live++;
  if (number == FH_NONE) {
    return r->fresh++;
  }
  r->spare = node_at(r, number)->links[FH_NEXT];
  return number;
}

fh_inline void node_give(fh_range *r, uint32_t number) {
  uint32_t *links = node_at(r, number)->links;
  links[FH_NEXT] = r->spare;
  links[FH_PREV] = NODE_SPARE;
  r->spare = number;
  r->live--;
}

#endif
