/* Chunks at a multiple of more than a unit. */
#include "region/chunk.h"

/* Where chunks must begin so that their bytes are aligned: the first such name from `id` on that leaves nothing in
 * front, or a hole. 0: there is none within `have` cells for `cells`. */
static uint32_t aligned_in(const fh_region *r, uint32_t id, uint32_t have, uint32_t cells, size_t alignment) {
  uintptr_t user = (uintptr_t)space_user(r, id);
  uintptr_t at = (user + alignment - 1) & ~(uintptr_t)(alignment - 1);
  while (at != user && at - user < (uintptr_t)r->least << CELL_SHIFT) {
    at += alignment;
  }
  size_t front = (at - user) >> CELL_SHIFT;
  return at >= user && front <= have && have - front >= cells ? id + (uint32_t)front : 0;
}

enum { ALIGNED_TRIES = 8 };

/* Any hole of `sure` cells serves. Where there is none, a few shorter ones may happen to lie well. */
static uint32_t find_aligned(fh_region *r, uint32_t cells, uint32_t sure, size_t alignment) {
  uint32_t id = sure != 0 ? index_find(r, fit_of(r), sure) : FH_NONE;
  for (unsigned tries = ALIGNED_TRIES; id == FH_NONE && tries != 0; tries--) {
    uint32_t candidate = index_find(r, fit_of(r), cells);
    if (candidate == FH_NONE) {
      return FH_NONE;
    }
    uint32_t have = cells_of(r, candidate);
    if (aligned_in(r, candidate, have, cells, alignment) != 0) {
      id = candidate;
    }
    cells = have + 1;
  }
  return id;
}

static void *use_aligned(fh_region *r, uint32_t id, uint32_t at, uint32_t cells, size_t size, size_t alignment) {
  uint32_t have = cells_of(r, id) - (at - id);
  index_remove(r, fit_of(r), id, cells_of(r, id));
  if (at != id) {
    hole_add(r, id, at - id);
  }
  void *user = fh_hole_use(r, at, have, cells, size, HEAD_ALIGNED | (at != id ? HEAD_BEFORE_FREE : 0));
  *log_place(r, at, head_low(r, at)) = (unsigned char)fh_good_lowest(alignment);
  return user;
}

/* A piece of a buddy's length is aligned if the space is. */
static void *take_buddy(fh_region *r, size_t size, uint32_t cells, size_t alignment) {
  size_t span = alignment >> CELL_SHIFT;
  cells = span > cells && span <= UINT32_MAX / 2 ? (uint32_t)span : cells;
  uint32_t id = span > UINT32_MAX / 2 ? FH_NONE : index_find(r, fit_of(r), cells);
  bool lies_well = id != FH_NONE && ((uintptr_t)space_user(r, id) & (alignment - 1)) == 0;
  return lies_well ? use_aligned(r, id, id, cells, size, alignment) : NULL;
}

static void *take_aligned(fh_region *r, size_t size, size_t alignment) {
  size_t span = alignment >> CELL_SHIFT;
  uint32_t cells = cells_for(r, size, 1);
  if (cells == 0 || is_buddy(r)) {
    return cells == 0 ? NULL : take_buddy(r, size, cells, alignment);
  }
  uint32_t sure = span < UINT32_MAX / 2 - cells ? cells + (uint32_t)span + r->least - 1 : 0;
  uint32_t id = find_aligned(r, cells, sure, alignment);
  if (id == FH_NONE) {
    return NULL;
  }
  return use_aligned(r, id, aligned_in(r, id, cells_of(r, id), cells, alignment), cells, size, alignment);
}

void *fh_region_alloc_aligned(fh_region *r, size_t alignment, size_t size) {
  if (!fh_is_power_of_two(alignment) || alignment > PTRDIFF_MAX) {
    fail(r, FH_INVALID);
    return NULL;
  }
  if (alignment <= HEAD_BYTES << r->fold) {
    return fh_region_alloc(r, size);
  }
  return fh_region_take(r, take_aligned, size, alignment);
}
