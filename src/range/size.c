/* The end of a range moves. */
#include "range/space.h"

static uint32_t last_of(const fh_range *r) { return node_at(r, NODE_END)->left; }

static void move_end(fh_range *r, uint64_t end) {
  r->free += end - r->end;
  r->end = end;
}

/* The last hole gets longer. In a list it comes anew, but for one that goes by addresses. */
static void grow_last(fh_range *r, uint32_t last, uint64_t more) {
  uint64_t start = start_of(r, last), length = node_at(r, last)->length + more;
  if (uses_list(r) && r->order == FH_ORDER_ADDRESS) {
    fh_index_change(r, last, start, length);
  } else {
    fh_index_remove(r, last);
    hole_write(r, last, start, length);
    fh_index_insert(r, last);
  }
}

fh_status fh_range_grow(fh_range *r, uint64_t more) {
  uint64_t old = r->end - r->base, now = old + more;
  uint32_t last = last_of(r);
  bool tail = is_hole(r, last) && !uses_buddy(r);
  if (more > UINT64_MAX - r->end) {
    return FH_INVALID;
  }
  if (more == 0) {
    return FH_OK;
  }
  if (!nodes_reserve(r, uses_buddy(r) ? fh_pieces_in(old, now) : !tail)) {
    return FH_EXHAUSTED;
  }
  if (uses_buddy(r)) {
    fh_pieces_fill(r, old, now);
  } else if (tail) {
    grow_last(r, last, more);
  } else {
    fh_index_insert(r, hole_add(r, last, r->end, more));
  }
  move_end(r, r->base + now);
  return FH_OK;
}

/* Holes at the end that lie behind `cut` as a whole; `last` is the node in front of them, and ends at `*end`. */
static uint32_t whole_holes(const fh_range *r, uint64_t cut, uint32_t *last, uint64_t *end) {
  uint32_t count = 0;
  *end = r->end;
  for (*last = last_of(r); is_hole(r, *last); *last = node_at(r, *last)->left, count++) {
    uint64_t length = node_at(r, *last)->length;
    if (*end - cut < length) {
      break;
    }
    *end -= length;
  }
  return count;
}

/* What remains of a hole whose end is cut off. */
static void cut_last(fh_range *r, uint32_t last, uint64_t start, uint64_t cut) {
  if (uses_buddy(r)) {
    hole_drop(r, last);
    fh_pieces_fill(r, start - r->base, cut - r->base);
  } else {
    fh_index_change(r, last, start, cut - start);
  }
}

fh_status fh_range_shrink(fh_range *r, uint64_t less) {
  uint64_t cut = r->end - less, end = 0;
  uint32_t last = FH_NONE;
  if (less >= r->end - r->base) {
    return FH_INVALID;
  }
  uint32_t whole = whole_holes(r, cut, &last, &end);
  if (end != cut && !is_hole(r, last)) {
    return FH_EXHAUSTED;
  }
  uint64_t start = end == cut ? cut : end - node_at(r, last)->length;
  unsigned pieces = uses_buddy(r) && end != cut ? fh_pieces_in(start - r->base, cut - r->base) : 0;
  if (pieces > whole + 1 && !nodes_reserve(r, pieces - whole - 1)) {
    return FH_EXHAUSTED;
  }
  for (; whole != 0; whole--) {
    hole_drop(r, last_of(r));
  }
  if (end != cut) {
    cut_last(r, last, start, cut);
  }
  move_end(r, cut);
  return FH_OK;
}
