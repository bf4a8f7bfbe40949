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

/* What is looked for among the holes. */
typedef struct aligned {
  fh_region *r;
  uint32_t cells;
  size_t alignment;
} aligned;

static bool lies_well(const aligned *w, uint32_t id) {
  return aligned_in(w->r, id, cells_of(w->r, id), w->cells, w->alignment) != 0;
}

/* A list is searched as it always is: holes that do not lie well seem to have no length. */

static fh_fit_word well_length(void *search, uint32_t id) {
  const aligned *w = search;
  bool whole = !is_checked(w->r) || fh_checked_access.length(w->r, id) != 0;
  return whole && lies_well(w, id) ? hole_length(w->r, id) : 0;
}

static uint32_t *well_links(void *search, uint32_t id) {
  fh_region *r = ((aligned *)search)->r;
  return is_checked(r) ? fh_checked_access.links(r, id) : hole_links(r, id);
}

static const fh_fit_access well_access = {.length = well_length, .links = well_links};

/* The smallest that lies well; reads all chunks. */
static uint32_t walk_aligned(const aligned *w) {
  const fh_region *r = w->r;
  uint32_t best = FH_NONE;
  for (uint32_t id = r->first; id < r->end && head_is_ours(r, id) && cells_of(r, id) != 0; id += cells_of(r, id)) {
    if (!is_used(r, id) && (best == FH_NONE || cells_of(r, id) < cells_of(r, best)) && lies_well(w, id)) {
      best = id;
    }
  }
  return best;
}

enum { FIRST_TRIES = 2, TRIES = 8 };

/* A smallest hole or two may happen to lie well. Else any hole that is long enough wherever it lies; without one, a few
 * more that are too short for that; and before a request fails, all of them, unless the region is to be bounded. */
static uint32_t find_good(aligned *w, uint32_t sure) {
  fh_region *r = w->r;
  for (uint32_t tries = 0, need = w->cells; tries < TRIES; tries++) {
    uint32_t id = tries == FIRST_TRIES && sure != 0 ? index_find(r, FH_FIT_GOOD, sure) : FH_NONE;
    if (id != FH_NONE) {
      return id;
    }
    id = index_find(r, FH_FIT_GOOD, need);
    if (id == FH_NONE && need == w->cells) {
      return FH_NONE; /* none is long enough for its length alone */
    }
    if (id == FH_NONE) {
      break;
    }
    if (lies_well(w, id)) {
      return id;
    }
    need = cells_of(r, id) + 1;
  }
  return has_flag(r, FH_REGION_BOUNDED) ? FH_NONE : walk_aligned(w);
}

static uint32_t find_aligned(aligned *w) {
  fh_region *r = w->r;
  size_t span = w->alignment >> CELL_SHIFT;
  if (uses_list(r)) {
    return fh_list_find(&r->list, &well_access, w, list_policy(fit_of(r)), 1);
  }
  uint64_t sure = (uint64_t)w->cells + span + r->least - 1;
  return find_good(w, sure <= UINT32_MAX ? (uint32_t)sure : 0);
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
  bool well = id != FH_NONE && ((uintptr_t)space_user(r, id) & (alignment - 1)) == 0;
  return well ? use_aligned(r, id, id, cells, size, alignment) : NULL;
}

static void *take_aligned(fh_region *r, size_t size, size_t alignment) {
  aligned w = {.r = r, .cells = cells_for(r, size, 1), .alignment = alignment};
  if (w.cells == 0 || is_buddy(r)) {
    return w.cells == 0 ? NULL : take_buddy(r, size, w.cells, alignment);
  }
  uint32_t id = find_aligned(&w);
  if (id == FH_NONE || (is_checked(r) && !fh_hole_holds(r, id))) {
    return NULL;
  }
  return use_aligned(r, id, aligned_in(r, id, cells_of(r, id), w.cells, alignment), w.cells, size, alignment);
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
