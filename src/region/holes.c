#include "region/chunk.h"

/* In a checked region the words of holes on the way are looked at before they are followed. */

void fh_long_insert(fh_region *r, uint32_t id, uint32_t length) {
  if (is_checked(r)) {
    fh_good_insert(&fh_checked_access, r, id, length);
  } else {
    fh_good_insert(&hole_access, r, id, length);
  }
}

void fh_long_remove(fh_region *r, uint32_t id, uint32_t length) {
  if (is_checked(r)) {
    fh_good_remove(&fh_checked_access, r, id, length);
  } else {
    fh_good_remove(&hole_access, r, id, length);
  }
}

uint32_t fh_long_find(fh_region *r, uint32_t length) {
  return is_checked(r) ? fh_good_find(&fh_checked_access, r, length) : fh_good_find(&hole_access, r, length);
}

uint32_t fh_long_take(fh_region *r, uint32_t length) { return fh_good_take(&hole_access, r, length); }

void fh_listed_insert(fh_region *r, uint32_t id) {
  const fh_fit_access *access = is_checked(r) ? &fh_checked_access : &hole_access;
  fh_list_insert(&r->list, access, r, FH_LIST_ADDRESS, id);
}

void fh_listed_remove(fh_region *r, uint32_t id) { fh_list_remove(&r->list, &hole_access, r, id); }

uint32_t fh_listed_find(fh_region *r, uint32_t length) {
  const fh_fit_access *access = is_checked(r) ? &fh_checked_access : &hole_access;
  return fh_list_find(&r->list, access, r, list_policy(fit_of(r)), length);
}

void fh_hole_join(fh_region *r, uint32_t id, uint32_t cells) { hole_join(r, fit_of(r), false, id, cells); }

void fh_buddy_give(fh_region *r, uint32_t id, uint32_t cells) {
  uint32_t offset = id - r->first, all = r->end - r->first;
  for (;;) {
    uint32_t buddy = fh_buddy_of(offset, cells);
    if (buddy >= all || all - buddy < cells || is_used(r, r->first + buddy) || cells_of(r, r->first + buddy) != cells) {
      break;
    }
    head_write(r, r->first + offset, low_of(cells, 0, 0));
    hole_take(r, r->first + buddy, cells);
    offset &= ~cells;
    cells *= 2;
  }
  hole_add(r, r->first + offset, cells);
}

/* A piece may join those before it; what lies behind is no piece yet, whatever the bytes there look like. */
void fh_buddy_fill(fh_region *r, uint32_t from, uint32_t to) {
  uint32_t end = r->end;
  while (to - from >= r->least) {
    uint32_t cells = fh_buddy_first(from - r->first, to - from);
    r->end = from + cells;
    fh_buddy_give(r, from, cells);
    from += cells;
  }
  r->end = end;
}

void fh_buddy_cut(fh_region *r, uint32_t id, uint32_t cells, uint32_t keep) {
  while (cells / 2 >= keep) {
    cells /= 2;
    hole_add(r, id + cells, cells);
  }
}

void fh_hole_give(fh_region *r, uint32_t id, uint32_t cells) {
  if (fh_unlikely(is_buddy(r))) {
    fh_buddy_give(r, id, cells);
  } else {
    fh_hole_join(r, id, cells);
  }
}

static uint32_t most_of_list(fh_region *r) {
  uint32_t most = 0;
  for (uint32_t id = r->list.first; id != FH_NONE; id = hole_links(r, id)[FH_NEXT]) {
    most = cells_of(r, id) > most ? cells_of(r, id) : most;
  }
  return most;
}

uint32_t fh_hole_most(fh_region *r) {
  if (uses_list(r)) {
    return most_of_list(r);
  }
  uint32_t id = fh_good_largest(&hole_access, r);
  return id == FH_NONE ? 0 : cells_of(r, id);
}
