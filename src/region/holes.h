/* The holes of a space: written in band, and kept in the index of the space's policy. The policy is told apart here and
 * nowhere else but for buddies; the default comes first and costs one compare. */
#ifndef FH_REGION_HOLES_H
#define FH_REGION_HOLES_H

#include "region/space.h"

fh_inline fh_fit_word hole_length(void *space, uint32_t id) { return units_of((const fh_region *)space, id); }

fh_inline uint64_t hole_address(void *space, uint32_t id) {
  (void)space;
  return id;
}

fh_inline uint32_t *hole_links(void *space, uint32_t id) {
  return (uint32_t *)(void *)space_user((const fh_region *)space, id);
}

fh_inline uint32_t *hole_children(void *space, uint32_t id) { return hole_links(space, id) + 2; }

static const fh_fit_access hole_access = {hole_length, hole_address, hole_links, hole_children};

fh_inline fh_good_tables tables_of(fh_region *r) {
  return (fh_good_tables){r->words, (uint32_t *)(void *)((char *)r + r->heads_at)};
}

fh_inline bool is_list(int fit) { return fit != FH_FIT_GOOD && fit != FH_FIT_BUDDY; }

fh_inline bool uses_list(const fh_region *r) { return is_list(fit_of(r)); }

fh_inline bool is_buddy(const fh_region *r) { return fit_of(r) == FH_FIT_BUDDY; }

fh_inline fh_list_policy list_policy(int fit) {
  switch (fit) {
    case FH_FIT_NEXT: return FH_LIST_NEXT;
    case FH_FIT_BEST: return FH_LIST_BEST;
    case FH_FIT_WORST: return FH_LIST_WORST;
    default: return FH_LIST_FIRST;
  }
}

/* What follows is inlined with a policy that is a constant where it matters. */

fh_inline void index_insert(fh_region *r, int fit, uint32_t id, uint32_t units) {
  if (is_list(fit)) {
    fh_list_insert(&r->list, &hole_access, r, FH_LIST_ADDRESS, id);
  } else {
    fh_good_insert(&r->good, tables_of(r), &hole_access, r, id, units);
  }
}

fh_inline void index_remove(fh_region *r, int fit, uint32_t id, uint32_t units) {
  if (is_list(fit)) {
    fh_list_remove(&r->list, &hole_access, r, id);
  } else {
    fh_good_remove(&r->good, tables_of(r), &hole_access, r, id, units);
  }
}

/* A hole of at least that many units, as the policy wants it. */
fh_inline uint32_t index_find(fh_region *r, int fit, uint32_t units) {
  if (is_list(fit)) {
    return fh_list_find(&r->list, &hole_access, r, list_policy(fit), units);
  }
  return fh_good_find(&r->good, tables_of(r), &hole_access, r, units);
}

/* Writes the hole [id, id + units). The chunk behind is told by the caller, who knows whether it knows already. */
fh_inline void hole_write(fh_region *r, int fit, uint32_t id, uint32_t units) {
  head_write(r, id, low_of(units, 0, 0));
  *foot_before(r, id + units) = units;
  index_insert(r, fit, id, units);
}

/* The same of a hole that was none. */
fh_inline void hole_add(fh_region *r, uint32_t id, uint32_t units) {
  r->holes++;
  hole_write(r, fit_of(r), id, units);
}

/* Takes a hole of that many units out of the index. */
fh_inline void hole_take(fh_region *r, uint32_t id, uint32_t units) {
  r->holes--;
  index_remove(r, fit_of(r), id, units);
}

/* Whose hole ends where `id` begins; only when its head says BEFORE_FREE. */
fh_inline uint32_t hole_before(const fh_region *r, uint32_t id) { return id - *foot_before(r, id); }

/* Gives units back, joined to both neighbours. What is left of the head in the middle says: given back. */
fh_inline void hole_join(fh_region *r, int fit, uint32_t id, uint32_t units) {
  uint32_t behind = id + units;
  fh_head low = head_low(r, behind), own = *head_of(r, id);
  r->holes++;
  if ((low & HEAD_USED) == 0) {
    uint32_t more = low_units(low);
    index_remove(r, fit, behind, more);
    r->holes--;
    units += more;
  } else {
    head_write(r, behind, low | HEAD_BEFORE_FREE);
  }
  if ((own & HEAD_BEFORE_FREE) != 0) {
    uint32_t before = hole_before(r, id), more = id - before;
    head_write(r, id, low_of(units, 0, 0));
    index_remove(r, fit, before, more);
    r->holes--;
    id = before;
    units += more;
  }
  hole_write(r, fit, id, units);
}

/* holes.c: buddies, and what is rare. */
void fh_hole_join(fh_region *r, uint32_t id, uint32_t units);
void fh_buddy_give(fh_region *r, uint32_t id, uint32_t units); /* a piece, joined to its buddy as often as it goes */
void fh_buddy_fill(fh_region *r, uint32_t from, uint32_t to);  /* gives back a stretch as pieces */
void fh_buddy_cut(fh_region *r, uint32_t id, uint32_t units,
                  uint32_t keep);                             /* a taken piece, halved until it is `keep` */
void fh_hole_give(fh_region *r, uint32_t id, uint32_t units); /* by policy */
uint32_t fh_hole_most(fh_region *r);                          /* units of the largest hole */

#endif
