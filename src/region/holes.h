/* The holes of a space: written in band, and kept in the index of the space's policy. The policy is told apart here and
 * nowhere else but for buddies; the default comes first and costs one compare. */
#ifndef FH_REGION_HOLES_H
#define FH_REGION_HOLES_H

#include "region/space.h"

fh_inline fh_fit_word hole_length(void *space, uint32_t id) {
  return cells_of((const fh_region *)space, id) >> ((const fh_region *)space)->fold;
}

fh_inline uint64_t hole_address(void *space, uint32_t id) {
  (void)space;
  return id;
}

fh_inline uint32_t *hole_links(void *space, uint32_t id) {
  return (uint32_t *)(void *)space_user((const fh_region *)space, id);
}

/* Where no head of a chunk that became part of the hole can have been: that would forget that it was given back. On 64
 * bits the smallest chunk is longer than the links and these; on 32 bits they stand in front of the length at the end.
 */
fh_inline uint32_t *hole_children(void *space, uint32_t id) {
#if SIZE_MAX > UINT32_MAX
  return hole_links(space, id) + 2;
#else
  return foot_before(space, id + cells_of(space, id)) - 2;
#endif
}

fh_inline fh_good *space_good(void *space) { return &((fh_region *)space)->good; }

fh_inline size_t *space_words(void *space) { return ((fh_region *)space)->words; }

fh_inline uint32_t *space_heads(void *space) {
  return (uint32_t *)(void *)((char *)space + ((fh_region *)space)->heads_at);
}

static const fh_fit_access hole_access = {
    hole_length, hole_address, hole_links, hole_children, space_good, space_words, space_heads, false,
};

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

/* holes.c: the ways of long holes, and whatever is rare. */
void fh_long_insert(fh_region *r, uint32_t id, uint32_t length);
void fh_long_remove(fh_region *r, uint32_t id, uint32_t length);
uint32_t fh_long_find(fh_region *r, uint32_t length);
uint32_t fh_long_take(fh_region *r, uint32_t length);
void fh_listed_insert(fh_region *r, uint32_t id);
void fh_listed_remove(fh_region *r, uint32_t id);
uint32_t fh_listed_find(fh_region *r, uint32_t length);

/* checked.c: the same as hole_access, of holes that are looked at first. */
extern const fh_fit_access fh_checked_access;

/* What follows is inlined with a policy that is a constant where it matters. */

fh_inline void index_insert(fh_region *r, int fit, uint32_t id, uint32_t cells) {
  uint32_t length = cells >> r->fold;
  if (is_list(fit)) {
    fh_listed_insert(r, id);
  } else if (!FH_SMALL && length < FH_GOOD_BITS && fh_likely(length < r->good.lists)) {
    fh_good_push(&hole_access, r, length, id);
  } else {
    fh_long_insert(r, id, length);
  }
}

fh_inline void index_remove(fh_region *r, int fit, uint32_t id, uint32_t cells) {
  uint32_t length = cells >> r->fold;
  const uint32_t *links = hole_links(r, id);
  if (is_list(fit)) {
    fh_listed_remove(r, id);
  } else if (!FH_SMALL && links[FH_PREV] != FH_NONE) {
    fh_good_unlink(&hole_access, r, &hole_links(r, links[FH_PREV])[FH_NEXT], links[FH_PREV], links[FH_NEXT]);
  } else if (!FH_SMALL && length < FH_GOOD_BITS && fh_likely(length < r->good.lists)) {
    fh_good_pop(&hole_access, r, length, links[FH_NEXT]);
  } else {
    fh_long_remove(r, id, length);
  }
}

/* A hole of at least that many cells, as the policy wants it; still in the index. */
fh_inline uint32_t index_find(fh_region *r, int fit, uint32_t cells) {
  uint32_t length = (cells >> r->fold) + (cells & ((1u << r->fold) - 1));
  return is_list(fit) ? fh_listed_find(r, length) : fh_long_find(r, length);
}

/* The same, for GOOD and for whole units: taken out of the index. */
fh_inline uint32_t index_take(fh_region *r, uint32_t cells) {
  uint32_t length = cells >> r->fold;
  if (!FH_SMALL && length < FH_GOOD_BITS) {
    uint32_t id = fh_good_take_short(&hole_access, r, length);
    if (fh_likely(id != FH_NONE)) {
      return id;
    }
  }
  return fh_long_take(r, length);
}

/* The head of what is, or was, a hole. `plain`: the region is known not to be checked. */
fh_inline void hole_head(fh_region *r, bool plain, uint32_t id, uint32_t cells) {
  if (plain) {
    head_write_plain(r, id, low_of(cells, 0, 0));
  } else {
    head_write(r, id, low_of(cells, 0, 0));
  }
}

/* Writes the hole [id, id + cells). The chunk behind is told by the caller, who knows whether it knows already. */
fh_inline void hole_write(fh_region *r, int fit, bool plain, uint32_t id, uint32_t cells) {
  hole_head(r, plain, id, cells);
  *foot_before(r, id + cells) = cells;
  index_insert(r, fit, id, cells);
}

/* The same of a hole that was none. */
fh_inline void hole_add(fh_region *r, uint32_t id, uint32_t cells) {
  r->holes++;
  hole_write(r, fit_of(r), false, id, cells);
}

/* Takes a hole of that many cells out of the index. */
fh_inline void hole_take(fh_region *r, uint32_t id, uint32_t cells) {
  r->holes--;
  index_remove(r, fit_of(r), id, cells);
}

/* Whose hole ends where `id` begins; only when its head says BEFORE_FREE. */
fh_inline uint32_t hole_before(const fh_region *r, uint32_t id) { return id - *foot_before(r, id); }

/* Gives cells back, joined to both neighbours. What is left of the head in the middle says: given back. */
fh_inline void hole_join(fh_region *r, int fit, bool plain, uint32_t id, uint32_t cells) {
  uint32_t behind = id + cells;
  fh_head low = head_low(r, behind), own = *head_of(r, id);
  if ((low & HEAD_USED) == 0) {
    uint32_t more = low_cells(low);
    index_remove(r, fit, behind, more);
    r->holes--;
    cells += more;
  } else if (plain) {
    *head_of(r, behind) |= HEAD_BEFORE_FREE;
  } else {
    head_write(r, behind, low | HEAD_BEFORE_FREE);
  }
  if ((own & HEAD_BEFORE_FREE) != 0) {
    uint32_t before = hole_before(r, id), more = id - before;
    hole_head(r, plain, id, cells);
    index_remove(r, fit, before, more);
    id = before;
    cells += more;
  } else {
    r->holes++;
  }
  hole_write(r, fit, plain, id, cells);
}

void fh_hole_join(fh_region *r, uint32_t id, uint32_t cells);
void fh_buddy_give(fh_region *r, uint32_t id, uint32_t cells); /* a piece, joined to its buddy as often as it goes */
void fh_buddy_fill(fh_region *r, uint32_t from, uint32_t to);  /* gives back a stretch as pieces */
void fh_buddy_cut(fh_region *r, uint32_t id, uint32_t cells,
                  uint32_t keep);                             /* a taken piece, halved until it is `keep` */
void fh_hole_give(fh_region *r, uint32_t id, uint32_t cells); /* by policy */
uint32_t fh_hole_most(fh_region *r);                          /* cells of the largest hole */

#endif
