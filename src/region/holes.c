#include "region/holes.h"

void fh_hole_join(fh_region *r, uint32_t id, uint32_t units) { hole_join(r, fit_of(r), id, units); }

void fh_buddy_give(fh_region *r, uint32_t id, uint32_t units) {
  uint32_t offset = id - r->first, all = r->end - r->first;
  for (;;) {
    uint32_t buddy = fh_buddy_of(offset, units);
    if (buddy >= all || all - buddy < units || is_used(r, r->first + buddy) || units_of(r, r->first + buddy) != units) {
      break;
    }
    head_write(r, r->first + offset, low_of(units, 0, 0));
    hole_take(r, r->first + buddy, units);
    offset &= ~units;
    units *= 2;
  }
  hole_add(r, r->first + offset, units);
}

void fh_buddy_fill(fh_region *r, uint32_t from, uint32_t to) {
  while (to - from >= r->least) {
    uint32_t units = fh_buddy_first(from - r->first, to - from);
    fh_buddy_give(r, from, units);
    from += units;
  }
}

void fh_buddy_cut(fh_region *r, uint32_t id, uint32_t units, uint32_t keep) {
  while (units / 2 >= keep) {
    units /= 2;
    hole_add(r, id + units, units);
  }
}

void fh_hole_give(fh_region *r, uint32_t id, uint32_t units) {
  if (fh_unlikely(is_buddy(r))) {
    fh_buddy_give(r, id, units);
  } else {
    fh_hole_join(r, id, units);
  }
}

static uint32_t most_of_list(fh_region *r) {
  uint32_t most = 0;
  for (uint32_t id = r->list.first; id != FH_NONE; id = hole_links(r, id)[FH_NEXT]) {
    most = units_of(r, id) > most ? units_of(r, id) : most;
  }
  return most;
}

uint32_t fh_hole_most(fh_region *r) {
  if (uses_list(r)) {
    return most_of_list(r);
  }
  uint32_t id = fh_good_largest(&r->good, tables_of(r), &hole_access, r);
  return id == FH_NONE ? 0 : units_of(r, id);
}
