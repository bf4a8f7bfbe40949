/* Taking back. */
#include "range/space.h"
#include "range/table.h"

/* The neighbour becomes part of `hole`; both are in no index. */
static void absorb_right(fh_range *r, uint32_t hole) {
  uint32_t right = node_at(r, hole)->right;
  node_at(r, hole)->length += node_at(r, right)->length;
  hole_end(r, right);
}

/* A hole in no index joins its neighbours. What has been joined is put into the index as if it came anew. */
static void join(fh_range *r, uint32_t hole) {
  uint32_t left = node_at(r, hole)->left, right = node_at(r, hole)->right;
  if (is_hole(r, right)) {
    fh_index_remove(r, right);
    absorb_right(r, hole);
  }
  if (is_hole(r, left)) {
    fh_index_remove(r, left);
    absorb_right(r, left);
    hole = left;
  }
  fh_index_insert(r, hole);
}

/* The same in a list in order of address: a hole next to another stands where that one stands. */
static void join_in_place(fh_range *r, uint32_t hole) {
  uint32_t left = node_at(r, hole)->left, right = node_at(r, hole)->right;
  uint64_t start = node_at(r, hole)->at.address, length = node_at(r, hole)->length;
  if (is_hole(r, left)) {
    length += node_at(r, left)->length;
    hole_end(r, hole);
    if (is_hole(r, right)) {
      length += node_at(r, right)->length;
      hole_drop(r, right);
    }
    fh_index_change(r, left, node_at(r, left)->at.address, length);
  } else if (is_hole(r, right)) {
    hole_end(r, hole);
    fh_index_change(r, right, start, length + node_at(r, right)->length);
  } else {
    fh_index_insert(r, hole);
  }
}

static void give(fh_range *r, uint32_t hole) {
  if (uses_buddy(r)) {
    fh_piece_give(r, hole);
  } else if (r->no_coalesce) {
    fh_index_insert(r, hole);
  } else if (uses_good(r) || r->order != FH_ORDER_ADDRESS) {
    join(r, hole);
  } else {
    join_in_place(r, hole);
  }
}

/* Why there is nothing to free at an address. A look at every node: a wrong call may take its time. */
static fh_cold fh_status why_not(const fh_range *r, uint64_t address) {
  uint64_t at = r->base, length = 0;
  for (uint32_t node = node_at(r, NODE_END)->right; node != NODE_END; node = node_at(r, node)->right, at += length) {
    length = length_of(r, node);
    if (address >= at && address - at < length) {
      return is_hole(r, node) ? FH_DOUBLE_FREE : FH_NOT_OWNED;
    }
  }
  return FH_NOT_OWNED;
}

fh_status fh_range_free(fh_range *r, uint64_t address) {
  uint32_t node = fh_table_take(r, address);
  if (fh_unlikely(node == FH_NONE)) {
    return why_not(r, address);
  }
  uint64_t length = node_at(r, node)->length;
  fh_stretch charge = charge_of(r, address, length);
  account_out(r, charge.length, length);
  hole_write(r, node, charge.start, charge.length);
  r->holes++;
  give(r, node);
  return FH_OK;
}

/* Only without coalescing are holes side by side. */
uint64_t fh_range_coalesce(fh_range *r) {
  uint64_t gone = 0;
  if (!r->no_coalesce) {
    return 0;
  }
  for (uint32_t hole = r->list.first, next; hole != FH_NONE; hole = next) {
    next = hole_links(r, hole)[FH_NEXT];
    if (next != FH_NONE && next == node_at(r, hole)->right) {
      uint64_t length = node_at(r, hole)->length + node_at(r, next)->length;
      hole_drop(r, next);
      fh_index_change(r, hole, node_at(r, hole)->at.address, length);
      next = hole;
      gone++;
    }
  }
  return gone;
}
