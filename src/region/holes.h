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
  return (fh_good_tables){r->words, (uint32_t *)(void *)(r->words + fh_good_words(&r->good))};
}

fh_inline bool uses_list(const fh_region *r) { return fit_of(r) != FH_FIT_GOOD && fit_of(r) != FH_FIT_BUDDY; }

fh_inline bool is_buddy(const fh_region *r) { return fit_of(r) == FH_FIT_BUDDY; }

fh_inline fh_list_policy list_policy(const fh_region *r) {
  switch (fit_of(r)) {
    case FH_FIT_NEXT: return FH_LIST_NEXT;
    case FH_FIT_BEST: return FH_LIST_BEST;
    case FH_FIT_WORST: return FH_LIST_WORST;
    default: return FH_LIST_FIRST;
  }
}

fh_inline void index_insert(fh_region *r, uint32_t id, uint32_t units) {
  if (fh_unlikely(uses_list(r))) {
    fh_list_insert(&r->list, &hole_access, r, FH_LIST_ADDRESS, id);
  } else {
    fh_good_insert(&r->good, tables_of(r), &hole_access, r, id, units);
  }
}

fh_inline void index_remove(fh_region *r, uint32_t id, uint32_t units) {
  if (fh_unlikely(uses_list(r))) {
    fh_list_remove(&r->list, &hole_access, r, id);
  } else {
    fh_good_remove(&r->good, tables_of(r), &hole_access, r, id, units);
  }
}

/* A hole of at least that many units, as the policy wants it. */
fh_inline uint32_t index_find(fh_region *r, uint32_t units) {
  if (fh_unlikely(uses_list(r))) {
    return fh_list_find(&r->list, &hole_access, r, list_policy(r), units);
  }
  return fh_good_find(&r->good, tables_of(r), &hole_access, r, units);
}

/* Makes [id, id + units) a hole. The chunk behind is told by the caller, who knows whether it knows already. */
fh_inline void hole_add(fh_region *r, uint32_t id, uint32_t units) {
  head_write(r, id, low_of(units, 0, 0));
  *foot_before(r, id + units) = units;
  r->free += units;
  r->holes++;
  index_insert(r, id, units);
}

/* Takes a hole of that many units out of the index. */
fh_inline void hole_take(fh_region *r, uint32_t id, uint32_t units) {
  index_remove(r, id, units);
  r->free -= units;
  r->holes--;
}

/* Whose hole ends where `id` begins; only when its head says BEFORE_FREE. */
fh_inline uint32_t hole_before(const fh_region *r, uint32_t id) { return id - *foot_before(r, id); }

/* holes.c: buddies, and what is rare. */
void fh_hole_join(fh_region *r, uint32_t id, uint32_t units);  /* gives units back, joined to both neighbours */
void fh_buddy_give(fh_region *r, uint32_t id, uint32_t units); /* a piece, joined to its buddy as often as it goes */
void fh_buddy_fill(fh_region *r, uint32_t from, uint32_t to);  /* gives back a stretch as pieces */
void fh_buddy_cut(fh_region *r, uint32_t id, uint32_t units,
                  uint32_t keep);                             /* halves of a taken piece until it is `keep` */
void fh_hole_give(fh_region *r, uint32_t id, uint32_t units); /* by policy */
uint32_t fh_hole_most(fh_region *r);                          /* units of the largest hole */

#endif
