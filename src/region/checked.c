/* A checked region does not trust what stands in a hole: something may have written on behind an allocation. Whoever
 * did that went over the hole's head before its other words, and that has a tag. */
#include "region/chunk.h"

/* A head of a hole, and a length that ends at another head. Overflow that came this far went over the head first. */
static bool is_whole(const fh_region *r, uint32_t id) {
  if (id < r->first || id >= r->end || !head_is_ours(r, id) || is_used(r, id)) {
    return false;
  }
  uint32_t cells = cells_of(r, id);
  return cells >= r->least && cells <= r->end - id && *foot_before(r, id + cells) == cells;
}

/* What the index sees of a hole that is not whole: no length, and nothing behind or below it. */

static bool is_trusted(void *space, uint32_t id) { return is_whole((const fh_region *)space, id); }

static uint32_t *nothing(void *space) {
  uint32_t *scrap = ((fh_region *)space)->scrap;
  scrap[0] = scrap[1] = FH_NONE;
  return scrap;
}

static fh_fit_word checked_length(void *space, uint32_t id) {
  return is_trusted(space, id) ? hole_length(space, id) : 0;
}

static uint32_t *checked_links(void *space, uint32_t id) {
  return is_trusted(space, id) ? hole_links(space, id) : nothing(space);
}

static uint32_t *checked_children(void *space, uint32_t id) {
  return is_trusted(space, id) ? hole_children(space, id) : nothing(space);
}

const fh_fit_access fh_checked_access = {
    checked_length, hole_address, checked_links, checked_children, space_good, space_words, space_heads, true,
};

bool fh_hole_holds(const fh_region *r, uint32_t id) {
  if (!is_whole(r, id)) {
    return false;
  }
  const uint32_t *links = hole_links((void *)(uintptr_t)r, id);
  return (links[FH_NEXT] == FH_NONE || is_whole(r, links[FH_NEXT])) &&
         (links[FH_PREV] == FH_NONE || is_whole(r, links[FH_PREV]));
}

bool fh_beside_holds(const fh_region *r, uint32_t id, uint32_t cells) {
  uint32_t behind = id + cells;
  if (!head_is_ours(r, behind) || (!is_used(r, behind) && !fh_hole_holds(r, behind))) {
    return false;
  }
  if ((*head_of(r, id) & HEAD_BEFORE_FREE) == 0) {
    return true;
  }
  uint32_t front = *foot_before(r, id);
  return front <= id - r->first && fh_hole_holds(r, id - front) && cells_of(r, id - front) == front;
}
