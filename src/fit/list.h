/* Policies "first", "next", "best" and "worst": a list of holes in some order, and a search along it. Steps in
 * proportion to the holes: for teaching, and for spaces with few holes. */
#ifndef FH_FIT_LIST_H
#define FH_FIT_LIST_H

#include "fit/space.h"

typedef enum fh_list_order {
  FH_LIST_ADDRESS,
  FH_LIST_SIZE_UP,
  FH_LIST_SIZE_DOWN,
  FH_LIST_FRONT,
  FH_LIST_BACK
} fh_list_order;

typedef enum fh_list_policy { FH_LIST_FIRST, FH_LIST_NEXT, FH_LIST_BEST, FH_LIST_WORST } fh_list_policy;

typedef struct fh_list {
  uint32_t first, last;
  uint32_t rover;    /* where the next search of "next" begins; FH_NONE: at the first */
  uint32_t searched; /* entries that the last search looked at */
} fh_list;

/* Whether `hole` stands before `other`. Equals stand in the order they came. */
fh_inline bool fh_list_before(const fh_fit_access *a, void *space, fh_list_order order, uint32_t hole, uint32_t other) {
  switch (order) {
    case FH_LIST_ADDRESS: return a->address(space, hole) < a->address(space, other);
    case FH_LIST_SIZE_UP: return a->length(space, hole) < a->length(space, other);
    case FH_LIST_SIZE_DOWN: return a->length(space, hole) > a->length(space, other);
    case FH_LIST_FRONT: return true;
    default: return false;
  }
}

/* Links `hole` behind `prev`; FH_NONE: to the front. */
static inline void fh_list_link(fh_list *list, const fh_fit_access *a, void *space, uint32_t hole, uint32_t prev) {
  uint32_t next = prev == FH_NONE ? list->first : a->links(space, prev)[FH_NEXT];
  uint32_t *links = a->links(space, hole);
  links[FH_NEXT] = next;
  links[FH_PREV] = prev;
  *(prev == FH_NONE ? &list->first : &a->links(space, prev)[FH_NEXT]) = hole;
  *(next == FH_NONE ? &list->last : &a->links(space, next)[FH_PREV]) = hole;
}

static inline void fh_list_insert(fh_list *list, const fh_fit_access *a, void *space, fh_list_order order,
                                  uint32_t hole) {
  uint32_t prev = FH_NONE;
  if (order == FH_LIST_BACK) {
    prev = list->last;
  } else {
    uint32_t at = list->first;
    while (at != FH_NONE && !fh_list_before(a, space, order, hole, at)) {
      prev = at;
      at = a->links(space, at)[FH_NEXT];
    }
  }
  fh_list_link(list, a, space, hole, prev);
}

static inline void fh_list_remove(fh_list *list, const fh_fit_access *a, void *space, uint32_t hole) {
  uint32_t *links = a->links(space, hole), next = links[FH_NEXT], prev = links[FH_PREV];
  *(prev == FH_NONE ? &list->first : &a->links(space, prev)[FH_NEXT]) = next;
  *(next == FH_NONE ? &list->last : &a->links(space, next)[FH_PREV]) = prev;
  if (list->rover == hole) {
    list->rover = next;
  }
}

/* `hole` stands where `old` stood. */
static inline void fh_list_replace(fh_list *list, const fh_fit_access *a, void *space, uint32_t old, uint32_t hole) {
  uint32_t prev = a->links(space, old)[FH_PREV];
  bool rover = list->rover == old;
  fh_list_remove(list, a, space, old);
  fh_list_link(list, a, space, hole, prev);
  if (rover) {
    list->rover = hole;
  }
}

/* A hole of at least `need` as the policy wants it, still in the list; FH_NONE: there is none. Equals: the first met.
 */
static inline uint32_t fh_list_find(fh_list *list, const fh_fit_access *a, void *space, fh_list_policy policy,
                                    fh_fit_word need) {
  uint32_t start = policy == FH_LIST_NEXT && list->rover != FH_NONE ? list->rover : list->first, best = FH_NONE;
  fh_fit_word best_length = 0;
  list->searched = 0;
  for (uint32_t at = start; at != FH_NONE;) {
    fh_fit_word length = a->length(space, at);
    list->searched++;
    if (length >= need && (best == FH_NONE || (policy == FH_LIST_BEST ? length < best_length : length > best_length))) {
      best = at;
      best_length = length;
      if (policy == FH_LIST_FIRST || policy == FH_LIST_NEXT) {
        break;
      }
    }
    at = a->links(space, at)[FH_NEXT];
    if (at == FH_NONE && policy == FH_LIST_NEXT) {
      at = list->first;
    }
    if (policy == FH_LIST_NEXT && at == start) {
      break;
    }
  }
  if (policy == FH_LIST_NEXT && best != FH_NONE) {
    list->rover = best;
  }
  return best;
}

#endif
