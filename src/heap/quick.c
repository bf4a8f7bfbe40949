/* The hand: which of the chunks that wait in quick lists is to be coalesced next. It goes round the lists and retires
 * one after the other. */
#include "heap/quick.h"

#include "base/fatal.h"

/* Takes a list off its class, as it is. */
static void *quick_detach(fh_chunks *h, unsigned class) {
  void *first = h->quick[class];
  h->quick[class] = NULL;
  h->quick_some[class / 64] &= ~((uint64_t)1 << class % 64);
  return first;
}

/* The first class from `class` on whose list is not empty; FH_QUICK_LISTS: there is none. */
static unsigned quick_next(const fh_chunks *h, unsigned class) {
  uint64_t mask = ~UINT64_C(0) << class % 64;
  for (unsigned word = class / 64; word < sizeof h->quick_some / sizeof h->quick_some[0]; word++) {
    uint64_t some = h->quick_some[word] & mask;
    if (some != 0) {
      return word * 64 + fh_lowest_bit(some);
    }
    mask = ~UINT64_C(0);
  }
  return FH_QUICK_LISTS;
}

/* The hand moves on to the next list that is not empty, and retires it. */
static void quick_retire(fh_chunks *h) {
  unsigned class = quick_next(h, h->quick_hand + 1);
  if (class == FH_QUICK_LISTS) {
    class = quick_next(h, 0);
  }
  if (class != FH_QUICK_LISTS) {
    h->quick_hand = class;
    h->quick_retired = quick_detach(h, class);
  }
}

/* What waits was last touched long ago, and each line that coalescing reads would be waited for in a call of the
 * program's. So the chunk that comes next is looked at one step ahead, and the one behind it in the list two. */
static void quick_look_ahead(fh_chunks *h) {
  if (h->quick_retired == NULL) {
    quick_retire(h);
  }
  void *user = h->quick_due = h->quick_retired;
  if (user == NULL) {
    return;
  }
  fh_chunk *c = chunk_of(user);
  __builtin_prefetch(chunk_next(c), 1);
  if ((chunk_flags(c) & CHUNK_BEFORE_FREE) != 0) {
    __builtin_prefetch(chunk_before(c), 1);
  }
  h->quick_retired = *(void **)user;
  if (h->quick_retired == NULL) {
    quick_retire(h);
  }
  __builtin_prefetch(chunk_of(h->quick_retired));
}

fh_chunk *fh_quick_due(fh_chunks *h) {
  if (h->quick_due == NULL) {
    quick_look_ahead(h);
  }
  void *user = h->quick_due;
  if (user == NULL) {
    return NULL;
  }
  fh_chunk *c = chunk_of(user);
  if (fh_unlikely(!chunk_is_checked(c, chunk_head(c)))) {
    fh_fatal("free", user, "its header was overwritten after it was freed");
  }
  quick_look_ahead(h); /* follows the link of this chunk: after the check */
  return c;
}
