/* Handing out. A hole that is larger than what is charged is cut, and keeps its place in the list:
 *
 *   |..........hole..........|      ->    |..pad..|hhh|####|..rest..|
 *
 * Nodes are made sure of before anything changes. */
#include "range/space.h"
#include "range/table.h"

/* What remains of the hole in front of the charge and behind it. */
static uint64_t pad_of(const fh_place *place) { return place->charge.start - place->start; }

static uint64_t rest_of(const fh_range *r, const fh_place *place) {
  return node_at(r, place->hole)->length - pad_of(place) - place->charge.length;
}

/* The hole stays what lies behind the charge, or else what lies in front of it. Answers the node of the charge, in no
 * index. */
static uint32_t cut(fh_range *r, const fh_place *place) {
  uint32_t hole = place->hole, taken = FH_NONE;
  uint64_t pad = pad_of(place), rest = rest_of(r, place), behind = place->charge.start + place->charge.length;
  if ((pad | rest) == 0) {
    fh_index_remove(r, hole);
    r->holes--;
    return hole;
  }
  taken = node_take(r);
  circle_link(r, taken, pad == 0 ? node_at(r, hole)->left : hole);
  if (pad == 0) {
    fh_index_change(r, hole, behind, rest);
    return taken;
  }
  fh_index_change(r, hole, place->start, pad);
  if (rest != 0) {
    fh_index_insert_behind(r, hole_add(r, taken, behind, rest), hole);
  }
  return taken;
}

/* Hands out a place. */
static fh_status take(fh_range *r, const fh_place *place, uint64_t length) {
  bool buddy = uses_buddy(r);
  if (!nodes_reserve(
          r, buddy ? fh_piece_cuts(r, place) : (unsigned)(pad_of(place) != 0) + (unsigned)(rest_of(r, place) != 0))) {
    return FH_EXHAUSTED;
  }
  uint32_t taken = buddy ? fh_piece_cut(r, place) : cut(r, place);
  fh_table_insert(r, taken, place->address, length);
  account_in(r, place->charge.length, length);
  return FH_OK;
}

fh_status fh_range_alloc(fh_range *r, uint64_t length, uint64_t alignment, uint64_t *address) {
  uint64_t need = 0;
  uint32_t rover = r->list.rover;
  fh_place place;
  r->list.searched = 0;
  if (length == 0 || (alignment & (alignment - 1)) != 0 || !need_of(r, length, &need)) {
    return FH_INVALID;
  }
  fh_index_find(r, need, alignment == 0 ? 1 : alignment, &place);
  if (fh_unlikely(place.hole == FH_NONE)) {
    return need > r->free ? FH_EXHAUSTED : FH_FRAGMENTED;
  }
  fh_status status = take(r, &place, length);
  if (fh_unlikely(status != FH_OK)) {
    r->list.rover = rover;
    return status;
  }
  *address = place.address;
  return FH_OK;
}

/* The node that covers an address of the range, and where it begins. */
static uint32_t node_over(const fh_range *r, uint64_t address, uint64_t *start) {
  uint32_t node = node_at(r, NODE_END)->right;
  uint64_t at = r->base, length = 0;
  while (address - at >= (length = length_of(r, node))) {
    at += length;
    node = node_at(r, node)->right;
  }
  *start = at;
  return node;
}

/* Without coalescing, holes that lie side by side may be needed together:
 *
 *   |..first..|..|..|..last..|   ->   |..first|################|last..|
 */
static fh_status take_several(fh_range *r, const fh_place *place, uint32_t last, uint64_t last_end, uint64_t length) {
  uint32_t first = place->hole, taken = first, next = FH_NONE;
  uint64_t end = place->charge.start + place->charge.length;
  if (pad_of(place) != 0) {
    bool covered = last_end == end || node_at(r, first)->right != last;
    if (!covered && !nodes_reserve(r, 1)) {
      return FH_EXHAUSTED;
    }
    fh_index_change(r, first, place->start, pad_of(place));
  } else {
    fh_index_remove(r, first);
    r->holes--;
  }
  for (uint32_t hole = node_at(r, first)->right; hole != last; hole = next) {
    next = node_at(r, hole)->right;
    hole_drop(r, hole);
  }
  if (last_end == end) {
    hole_drop(r, last);
  } else {
    fh_index_change(r, last, end, last_end - end);
  }
  if (pad_of(place) != 0) {
    taken = node_take(r);
    circle_link(r, taken, first);
  }
  fh_table_insert(r, taken, place->address, length);
  account_in(r, place->charge.length, length);
  return FH_OK;
}

fh_status fh_range_alloc_at(fh_range *r, uint64_t address, uint64_t length) {
  uint64_t need = 0;
  if (length == 0 || !need_of(r, length, &need)) {
    return FH_INVALID;
  }
  uint64_t before = address - r->header, size = r->end - r->base;
  if (address < r->header || before < r->base || before - r->base >= size || need > r->end - before) {
    return FH_NOT_OWNED;
  }
  if (uses_buddy(r) && power_around(before - r->base, need) == POWERS) {
    return FH_FRAGMENTED;
  }
  fh_place place = {.charge = charge_of(r, address, length), .address = address};
  uint64_t end = place.charge.start + place.charge.length;
  if (end > r->end || end < place.charge.start) {
    return FH_FRAGMENTED; /* BUDDY: the end of the range is in the middle of the piece */
  }
  place.hole = node_over(r, place.charge.start, &place.start);
  if (!is_hole(r, place.hole)) {
    return FH_FRAGMENTED;
  }
  uint32_t last = place.hole;
  uint64_t last_end = place.start + node_at(r, last)->length;
  while (last_end < end) {
    last = node_at(r, last)->right;
    if (!is_hole(r, last)) {
      return FH_FRAGMENTED;
    }
    last_end += node_at(r, last)->length;
  }
  return last == place.hole ? take(r, &place, length) : take_several(r, &place, last, last_end, length);
}
