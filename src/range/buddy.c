/* Pieces of the policy BUDDY. */
#include "fit/buddy.h"

#include "range/space.h"

unsigned fh_piece_cuts(const fh_range *r, const fh_place *place) {
  return fh_highest_bit(node_at(r, place->hole)->length) - fh_highest_bit(place->charge.length);
}

/* Halves the hole until it is what is charged; the other halves are holes. */
uint32_t fh_piece_cut(fh_range *r, const fh_place *place) {
  uint32_t hole = place->hole;
  uint64_t start = place->start, length = node_at(r, hole)->length;
  fh_index_remove(r, hole);
  while (length != place->charge.length) {
    length /= 2;
    if (place->charge.start - start >= length) {
      fh_index_insert(r, hole_add(r, node_at(r, hole)->left, start, length));
      start += length;
    } else {
      fh_index_insert(r, hole_add(r, hole, start + length, length));
    }
  }
  r->holes--;
  return hole;
}

/* The hole that is the buddy of `hole`; FH_NONE: it is not free as a whole. A neighbour of the same length on the side
 * where the buddy lies is the buddy. */
static uint32_t free_buddy(const fh_range *r, uint32_t hole) {
  const fh_node *node = node_at(r, hole);
  bool upper = ((node->at.address - r->base) & node->length) != 0;
  uint32_t buddy = upper ? node->left : node->right;
  return is_hole(r, buddy) && node_at(r, buddy)->length == node->length ? buddy : FH_NONE;
}

void fh_piece_give(fh_range *r, uint32_t hole) {
  for (uint32_t buddy; (buddy = free_buddy(r, hole)) != FH_NONE;) {
    uint64_t start = ((node_at(r, hole)->at.address - r->base) & ~node_at(r, hole)->length) + r->base;
    hole_drop(r, buddy);
    hole_write(r, hole, start, node_at(r, hole)->length * 2);
  }
  fh_index_insert(r, hole);
}

unsigned fh_pieces_in(uint64_t offset, uint64_t end) {
  unsigned count = 0;
  for (; offset != end; count++) {
    offset += fh_buddy_first(offset, end - offset);
  }
  return count;
}

void fh_pieces_fill(fh_range *r, uint64_t offset, uint64_t end) {
  while (offset != end) {
    uint64_t length = fh_buddy_first(offset, end - offset);
    fh_piece_give(r, hole_add(r, node_at(r, NODE_END)->left, r->base + offset, length));
    offset += length;
  }
}
