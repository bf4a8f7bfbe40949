#include "range/index.h"

enum {
  FIRST_TRIES = 4, /* smallest holes that are looked at for one that lies right, before a larger one is cut */
  MORE_TRIES = 64, /* when there is no larger one */
  SAME_TRIES = 16  /* of one length */
};

/* What the policies see. */

static fh_fit_word see_length(void *space, uint32_t hole) { return node_at(space, hole)->length; }

static uint64_t see_address(void *space, uint32_t hole) { return node_at(space, hole)->at.address; }

static uint32_t *see_links(void *space, uint32_t hole) { return node_at(space, hole)->links; }

static uint32_t *see_children(void *space, uint32_t hole) { return node_at(space, hole)->at.children; }

static fh_good *see_good(void *range) { return &((fh_range *)range)->good; }

static size_t *see_words(void *range) { return ((fh_range *)range)->words; }

static uint32_t *see_heads(void *range) { return ((fh_range *)range)->heads; }

static const fh_fit_access see = {see_length, see_address, see_links, see_children,
                                  see_good,   see_words,   see_heads, false};

/* A request with its alignment. */
typedef struct fh_search {
  fh_range *r;
  uint64_t need, alignment;
} fh_search;

/* Where a request would lie in a stretch: the first address that fits. False: none does. */
static bool lies(const fh_search *s, uint64_t start, uint64_t length, fh_place *place) {
  uint64_t pad = -(start + s->r->header) & (s->alignment - 1);
  place->start = start;
  place->charge = (fh_stretch){start + pad, s->need};
  place->address = start + pad + s->r->header;
  return pad <= length && length - pad >= s->need;
}

static bool lies_in(const fh_search *s, uint32_t hole, fh_place *place) {
  place->hole = hole;
  return lies(s, start_of(s->r, hole), node_at(s->r, hole)->length, place);
}

/* Lists. */

bool fh_index_before(const fh_range *r, uint32_t hole, uint32_t other) {
  return fh_list_before(&see, (void *)(uintptr_t)r, (fh_list_order)r->order, hole, other);
}

/* Moves an entry towards the front until the one before it does not come later. The rover stays on its entry. */
static void list_settle(fh_range *r, uint32_t hole) {
  uint32_t prev = hole_links(r, hole)[FH_PREV], rover = r->list.rover;
  if (prev == FH_NONE || !fh_index_before(r, hole, prev)) {
    return;
  }
  fh_list_remove(&r->list, &see, r, hole);
  while (prev != FH_NONE && fh_index_before(r, hole, prev)) {
    prev = hole_links(r, prev)[FH_PREV];
  }
  fh_list_link(&r->list, &see, r, hole, prev);
  r->list.rover = rover;
}

/* Lists in order of size get unsorted when an entry is cut where it stands. They are sorted before the next one comes;
 * equals stay as they are. */
static void list_sort(fh_range *r) {
  uint32_t next = FH_NONE;
  for (uint32_t hole = r->list.first; hole != FH_NONE; hole = next) {
    next = hole_links(r, hole)[FH_NEXT];
    list_settle(r, hole);
  }
  r->unsorted = false;
}

static void list_insert(fh_range *r, uint32_t hole) {
  if (r->unsorted) {
    list_sort(r);
  }
  fh_list_insert(&r->list, &see, r, (fh_list_order)r->order, hole);
}

static void list_changed(fh_range *r) { r->unsorted = r->order == FH_ORDER_SIZE_UP || r->order == FH_ORDER_SIZE_DOWN; }

static fh_list_policy list_policy(const fh_range *r) {
  switch (r->fit) {
    case FH_FIT_NEXT: return FH_LIST_NEXT;
    case FH_FIT_BEST: return FH_LIST_BEST;
    case FH_FIT_WORST: return FH_LIST_WORST;
    default: return FH_LIST_FIRST;
  }
}

/* A list is searched for holes in which the request lies right: the others seem to have no length. */

static fh_fit_word fitting_length(void *space, uint32_t hole) {
  const fh_search *s = space;
  fh_place place;
  return lies_in(s, hole, &place) ? node_at(s->r, hole)->length : 0;
}

static uint32_t *fitting_links(void *space, uint32_t hole) { return node_at(((fh_search *)space)->r, hole)->links; }

static const fh_fit_access see_fitting = {.length = fitting_length, .links = fitting_links};

static void list_find(fh_search *s, fh_place *place) {
  fh_range *r = s->r;
  uint32_t hole = s->alignment == 1 ? fh_list_find(&r->list, &see, r, list_policy(r), s->need)
                                    : fh_list_find(&r->list, &see_fitting, s, list_policy(r), s->need);
  place->hole = hole;
  if (hole != FH_NONE) {
    lies_in(s, hole, place);
  }
}

/* Good. */

static uint32_t good_find(fh_range *r, uint64_t need) { return fh_good_find(&see, r, need); }

/* Along the holes of one length, then those of the next, until one lies right or `tries` have been looked at. */
static bool good_try(const fh_search *s, unsigned tries, fh_place *place) {
  fh_range *r = s->r;
  uint64_t need = s->need;
  while (tries != 0) {
    uint32_t first = good_find(r, need), hole = first;
    if (first == FH_NONE) {
      return false;
    }
    for (unsigned same = SAME_TRIES; hole != FH_NONE && same != 0 && tries != 0; same--, tries--) {
      if (lies_in(s, hole, place)) {
        return true;
      }
      hole = hole_links(r, hole)[FH_NEXT];
    }
    need = node_at(r, first)->length + 1;
  }
  return false;
}

/* Aligned: a smallest hole may happen to lie right, as all do when every length is a multiple of the alignment. Else a
 * hole in which the request fits wherever it begins. Without one, some more of those that are too small for that. */
static void good_find_aligned(const fh_search *s, fh_place *place) {
  uint64_t sure = 0;
  if (good_try(s, FIRST_TRIES, place)) {
    return;
  }
  uint32_t hole = __builtin_add_overflow(s->need, s->alignment - 1, &sure) ? FH_NONE : good_find(s->r, sure);
  if (hole != FH_NONE) {
    lies_in(s, hole, place);
  } else if (!good_try(s, MORE_TRIES, place)) {
    place->hole = FH_NONE;
  }
}

static void good_place(const fh_search *s, fh_place *place) {
  if (s->alignment != 1) {
    good_find_aligned(s, place);
    return;
  }
  place->hole = good_find(s->r, s->need);
  if (place->hole != FH_NONE) {
    lies_in(s, place->hole, place);
  }
}

/* Buddies: a list for each power of two. */

static unsigned power_of(const fh_range *r, uint32_t hole) { return fh_highest_bit(node_at(r, hole)->length); }

static void buddy_insert(fh_range *r, uint32_t hole) {
  unsigned power = power_of(r, hole);
  uint32_t *links = hole_links(r, hole), *first = &r->heads[power];
  links[FH_NEXT] = *first;
  links[FH_PREV] = FH_NONE;
  if (*first != FH_NONE) {
    hole_links(r, *first)[FH_PREV] = hole;
  }
  *first = hole;
  r->powers |= fh_left(1, power);
}

static void buddy_remove(fh_range *r, uint32_t hole) {
  unsigned power = power_of(r, hole);
  uint32_t next = hole_links(r, hole)[FH_NEXT], prev = hole_links(r, hole)[FH_PREV];
  *(prev != FH_NONE ? &hole_links(r, prev)[FH_NEXT] : &r->heads[power]) = next;
  if (next != FH_NONE) {
    hole_links(r, next)[FH_PREV] = prev;
  }
  if (r->heads[power] == FH_NONE) {
    r->powers &= ~fh_left(1, power);
  }
}

/* Whether a piece holds the request; then what is charged is the smallest piece in it that does. A stretch that crosses
 * the middle of a piece needs all of it. */
static bool buddy_lies(const fh_search *s, uint32_t hole, fh_place *place) {
  if (!lies_in(s, hole, place)) {
    return false;
  }
  uint64_t base = s->r->base, offset = place->charge.start - base;
  unsigned power = power_around(offset, s->need);
  place->charge = (fh_stretch){base + fh_left(fh_right(offset, power), power), fh_left(1, power)};
  return true;
}

/* The smallest pieces first. Every piece of need + alignment - 1 holds it, so the search ends there at the latest. */
static void buddy_find(const fh_search *s, fh_place *place) {
  const fh_range *r = s->r;
  unsigned least = fh_highest_bit(s->need) + ((s->need & (s->need - 1)) != 0);
  uint64_t left = least < POWERS ? fh_left(fh_right(r->powers, least), least) : 0;
  for (; left != 0; left &= left - 1) {
    uint32_t hole = r->heads[fh_lowest_bit(left)];
    for (unsigned tries = SAME_TRIES; hole != FH_NONE && tries != 0; tries--) {
      if (buddy_lies(s, hole, place)) {
        return;
      }
      hole = hole_links(r, hole)[FH_NEXT];
    }
  }
  place->hole = FH_NONE;
}

/* All of them. */

void fh_index_insert(fh_range *r, uint32_t hole) {
  if (fh_likely(uses_good(r))) {
    fh_good_insert(&see, r, hole, node_at(r, hole)->length);
  } else if (uses_buddy(r)) {
    buddy_insert(r, hole);
  } else {
    list_insert(r, hole);
  }
}

void fh_index_remove(fh_range *r, uint32_t hole) {
  if (fh_likely(uses_good(r))) {
    fh_good_remove(&see, r, hole, node_at(r, hole)->length);
  } else if (uses_buddy(r)) {
    buddy_remove(r, hole);
  } else {
    fh_list_remove(&r->list, &see, r, hole);
  }
}

void fh_index_change(fh_range *r, uint32_t hole, uint64_t start, uint64_t length) {
  if (uses_list(r)) {
    node_at(r, hole)->at.address = start;
    node_at(r, hole)->length = length;
    list_changed(r);
  } else {
    fh_index_remove(r, hole);
    hole_write(r, hole, start, length);
    fh_index_insert(r, hole);
  }
}

void fh_index_insert_behind(fh_range *r, uint32_t hole, uint32_t other) {
  if (uses_list(r)) {
    fh_list_link(&r->list, &see, r, hole, other);
    list_changed(r);
  } else {
    fh_index_insert(r, hole);
  }
}

void fh_index_find(fh_range *r, uint64_t need, uint64_t alignment, fh_place *place) {
  fh_search search = {r, need, alignment};
  if (fh_likely(uses_good(r))) {
    good_place(&search, place);
  } else if (uses_buddy(r)) {
    buddy_find(&search, place);
  } else {
    list_find(&search, place);
  }
}

static uint64_t list_largest(const fh_range *r) {
  uint64_t largest = 0;
  for (uint32_t hole = r->list.first; hole != FH_NONE; hole = hole_links(r, hole)[FH_NEXT]) {
    uint64_t length = node_at(r, hole)->length;
    largest = length > largest ? length : largest;
  }
  return largest;
}

uint64_t fh_index_largest(const fh_range *r) {
  if (uses_buddy(r)) {
    return r->powers == 0 ? 0 : fh_left(1, fh_highest_bit(r->powers));
  }
  if (uses_list(r)) {
    return list_largest(r);
  }
  uint32_t hole = fh_good_largest(&see, (void *)(uintptr_t)r);
  return hole == FH_NONE ? 0 : node_at(r, hole)->length;
}
