/* Policy "good": a smallest hole that fits, in a bounded number of steps.
 *
 *   bin 0..31        one length each; its holes are a list, the last given back first
 *   then             16 bins for each doubling, until a bin is 2^shift lengths wide; from there on all are that wide
 *   the last three   lengths from `big`, 2 big and 4 big on
 *
 *   top:    bit w set  <=>  words[w] != 0
 *   words:  bit b set  <=>  heads[b] != 0
 *
 * A bin of more than one length is a trie over the low bits of the length, highest bit first. Each node of it is a
 * hole, anywhere in the part of the trie that its bits lead to; holes of a node's length hang on it as a list:
 *
 *                    [h]                    a path has at most shift + 1 nodes; in the last three bins
 *                 0 /   \ 1                 at most as many as there can be holes of that length:
 *               [h]      [h] - h - h        `big` is chosen so that this is no more
 *                 \ 1
 *                  [h]
 *
 * Steps: one search in the request's own bin, two bit searches, one path to the smallest hole of the next bin. None of
 * them depends on how many holes there are. (Bins of bins are TLSF's: Masmano, Ripoll, Crespo, Real, 2004; tries whose
 * nodes are the holes themselves are Doug Lea's.) With `flat` set, every bin is a list and none is searched: a request
 * takes the head of its own bin if that fits, and goes on to the next bin otherwise. */
#ifndef FH_FIT_GOOD_H
#define FH_FIT_GOOD_H

#include "fit/space.h"

enum {
  FH_GOOD_SPLIT = 4, /* log2 of the bins for each doubling */
  FH_GOOD_EXACT = 2 << FH_GOOD_SPLIT,
  FH_GOOD_BITS = sizeof(size_t) * 8,
  FH_GOOD_PATH = 8, /* nodes in a path while shift is FH_GOOD_SHIFT */
  FH_GOOD_SHIFT = FH_GOOD_PATH - 1,
  FH_GOOD_LAST = 3
};

typedef struct fh_good {
  fh_fit_word big; /* 0: lengths have no limit that would make it useful */
  uint16_t shift;
  uint16_t flat;
  uint32_t last; /* index of the first of the last three bins */
  uint32_t bins;
  size_t top;
} fh_good;

/* The two tables of an index, wherever their owner keeps them: fh_good_words(g) words and g->bins heads, all 0. */
typedef struct fh_good_tables {
  size_t *words;
  uint32_t *heads;
} fh_good_tables;

fh_inline unsigned fh_good_lowest(size_t word) {
  return sizeof word == 4 ? fh_lowest_bit_32((uint32_t)word) : fh_lowest_bit(word);
}

fh_inline unsigned fh_good_highest(size_t word) {
  return sizeof word == 4 ? fh_highest_bit_32((uint32_t)word) : fh_highest_bit(word);
}

/* How far a length's bits are shifted to find its bin. */
fh_inline unsigned fh_good_shift(const fh_good *g, fh_fit_word length) {
  if (length < FH_GOOD_EXACT) {
    return 0;
  }
  unsigned shift = fh_fit_highest(length) - FH_GOOD_SPLIT;
  return shift < g->shift ? shift : g->shift;
}

fh_inline uint32_t fh_good_bin(const fh_good *g, fh_fit_word length) {
  if (fh_unlikely(g->big != 0 && length >= g->big)) {
    return g->last + (length / 2 >= g->big) + (length / 4 >= g->big);
  }
  unsigned shift = fh_good_shift(g, length);
  return (uint32_t)((shift << FH_GOOD_SPLIT) + fh_fit_right(length, shift));
}

/* The first bit that tells the lengths of a bin apart; 0: they are all the same. */
fh_inline fh_fit_word fh_good_bit(const fh_good *g, fh_fit_word length) {
  if (fh_unlikely(g->big != 0 && length >= g->big)) {
    return (fh_fit_word)1 << (sizeof(fh_fit_word) * 8 - 1);
  }
  return fh_fit_left(1, fh_good_shift(g, length)) >> 1;
}

fh_inline uint32_t fh_good_words(const fh_good *g) { return (g->bins + FH_GOOD_BITS - 1) / FH_GOOD_BITS; }

/* For lengths up to `most`. The bins get wider until there are few enough for two levels of bits. */
fh_inline void fh_good_shape(fh_good *g, fh_fit_word most, bool flat) {
  fh_fit_word ninth = (most >> 3) - (most >> 6) + (most >> 9); /* hardly more; a division may need a library */
  fh_fit_word big = ninth + 2 > FH_GOOD_EXACT ? ninth + 2 : FH_GOOD_EXACT;
  *g = (fh_good){.big = big, .shift = FH_GOOD_SHIFT - 1, .flat = flat};
  do {
    g->shift++;
    unsigned shift = fh_good_shift(g, g->big);
    g->last = (uint32_t)((shift << FH_GOOD_SPLIT) + fh_fit_right(g->big, shift)) + 1;
    g->bins = g->last + FH_GOOD_LAST;
  } while (fh_fit_right(g->big, g->shift) > UINT32_MAX / 2 || g->bins > FH_GOOD_BITS * FH_GOOD_BITS);
}

/* Lists: `prev` of the first is FH_NONE. In a trie the first is the node itself. */

fh_inline void fh_good_push(const fh_fit_access *a, void *space, uint32_t *first, uint32_t hole) {
  uint32_t *links = a->links(space, hole), next = *first;
  links[FH_NEXT] = next;
  links[FH_PREV] = FH_NONE;
  *first = hole;
  if (next != FH_NONE) {
    a->links(space, next)[FH_PREV] = hole;
  }
}

fh_inline void fh_good_hang(const fh_fit_access *a, void *space, uint32_t hole, uint32_t node) {
  uint32_t *links = a->links(space, hole), *at = a->links(space, node), next = at[FH_NEXT];
  links[FH_NEXT] = next;
  links[FH_PREV] = node;
  at[FH_NEXT] = hole;
  if (next != FH_NONE) {
    a->links(space, next)[FH_PREV] = hole;
  }
}

/* Takes a hole out from between its neighbours, of which the first may be missing. */
fh_inline void fh_good_unlink(const fh_fit_access *a, void *space, const uint32_t *links) {
  uint32_t next = links[FH_NEXT], prev = links[FH_PREV];
  if (next != FH_NONE) {
    a->links(space, next)[FH_PREV] = prev;
  }
  if (prev != FH_NONE) {
    a->links(space, prev)[FH_NEXT] = next;
  }
}

/* Tries. */

static inline void fh_good_trie_insert(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word bit,
                                       uint32_t hole, fh_fit_word length) {
  for (uint32_t node; (node = *slot) != FH_NONE; bit >>= 1) {
    if (a->length(space, node) == length) {
      fh_good_hang(a, space, hole, node);
      return;
    }
    slot = &a->children(space, node)[(length & bit) != 0];
  }
  uint32_t *children = a->children(space, hole), *links = a->links(space, hole);
  *slot = hole;
  children[0] = children[1] = links[FH_NEXT] = links[FH_PREV] = FH_NONE;
}

/* A leaf below `node`, taken off. */
static inline uint32_t fh_good_trie_leaf(const fh_fit_access *a, void *space, uint32_t node) {
  uint32_t leaf = FH_NONE, *slot = NULL;
  for (;;) {
    uint32_t *children = a->children(space, node);
    uint32_t *down = children[1] != FH_NONE ? &children[1] : &children[0];
    if (*down == FH_NONE) {
      break;
    }
    slot = down;
    node = leaf = *down;
  }
  if (slot != NULL) {
    *slot = FH_NONE;
  }
  return leaf;
}

/* Takes the node in `slot` off, for which `heir` steps in: what hangs on it, or a leaf. */
static inline void fh_good_trie_take(const fh_fit_access *a, void *space, uint32_t *slot) {
  uint32_t node = *slot, heir = a->links(space, node)[FH_NEXT];
  if (heir != FH_NONE) {
    a->links(space, heir)[FH_PREV] = FH_NONE;
  } else {
    heir = fh_good_trie_leaf(a, space, node);
  }
  *slot = heir;
  if (heir != FH_NONE) {
    const uint32_t *children = a->children(space, node);
    uint32_t *inherited = a->children(space, heir);
    inherited[0] = children[0];
    inherited[1] = children[1];
  }
}

static inline void fh_good_trie_remove(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word bit,
                                       uint32_t hole, fh_fit_word length) {
  const uint32_t *links = a->links(space, hole);
  if (links[FH_PREV] != FH_NONE) {
    fh_good_unlink(a, space, links);
    return;
  }
  for (; *slot != hole; bit >>= 1) {
    slot = &a->children(space, *slot)[(length & bit) != 0];
  }
  fh_good_trie_take(a, space, slot);
}

/* Where the smallest node of at least `need` is linked; NULL: there is none. Down the path of need's bits; `right` is
 * the last branch not taken, whose lengths are all above need: what is smallest in there lies on its left edge. */
static inline uint32_t *fh_good_trie_find(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word bit,
                                          fh_fit_word need) {
  uint32_t *best = NULL, *right = NULL;
  fh_fit_word best_length = (fh_fit_word)-1;
  for (; *slot != FH_NONE; bit >>= 1) {
    fh_fit_word length = a->length(space, *slot);
    if (length >= need && length <= best_length) {
      best_length = length;
      best = slot;
      if (length == need) {
        return best;
      }
    }
    uint32_t *children = a->children(space, *slot);
    bool one = (need & bit) != 0;
    right = !one && children[1] != FH_NONE ? &children[1] : right;
    slot = &children[one];
  }
  for (slot = right; slot != NULL && *slot != FH_NONE;) {
    fh_fit_word length = a->length(space, *slot);
    if (length <= best_length) {
      best_length = length;
      best = slot;
    }
    uint32_t *children = a->children(space, *slot);
    slot = &children[children[0] == FH_NONE];
  }
  return best;
}

/* The index. */

fh_inline bool fh_good_is_list(const fh_good *g, uint32_t bin) { return bin < FH_GOOD_EXACT || g->flat; }

fh_inline void fh_good_insert(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space, uint32_t hole,
                              fh_fit_word length) {
  uint32_t bin = fh_good_bin(g, length), word = bin / FH_GOOD_BITS;
  t.words[word] |= (size_t)1 << bin % FH_GOOD_BITS;
  g->top |= (size_t)1 << word;
  if (fh_good_is_list(g, bin)) {
    fh_good_push(a, space, &t.heads[bin], hole);
  } else {
    fh_good_trie_insert(a, space, &t.heads[bin], fh_good_bit(g, length), hole, length);
  }
}

/* Nothing is left in the bin. */
fh_inline void fh_good_clear(fh_good *g, fh_good_tables t, uint32_t bin) {
  uint32_t word = bin / FH_GOOD_BITS;
  t.words[word] &= ~((size_t)1 << bin % FH_GOOD_BITS);
  if (t.words[word] == 0) {
    g->top &= ~((size_t)1 << word);
  }
}

fh_inline void fh_good_remove(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space, uint32_t hole,
                              fh_fit_word length) {
  uint32_t bin = fh_good_bin(g, length), *slot = &t.heads[bin];
  if (fh_good_is_list(g, bin)) {
    const uint32_t *links = a->links(space, hole);
    fh_good_unlink(a, space, links);
    if (links[FH_PREV] != FH_NONE) {
      return;
    }
    *slot = links[FH_NEXT];
  } else {
    fh_good_trie_remove(a, space, slot, fh_good_bit(g, length), hole, length);
  }
  if (*slot == FH_NONE) {
    fh_good_clear(g, t, bin);
  }
}

/* The same for lengths below FH_GOOD_EXACT, in fewer instructions: their bins are the first, in the first word. */

fh_inline void fh_good_insert_exact(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space, uint32_t hole,
                                    fh_fit_word length) {
  t.words[0] |= (size_t)1 << length;
  g->top |= 1;
  fh_good_push(a, space, &t.heads[length], hole);
}

fh_inline void fh_good_remove_exact(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space, uint32_t hole,
                                    fh_fit_word length) {
  const uint32_t *links = a->links(space, hole);
  uint32_t next = links[FH_NEXT], prev = links[FH_PREV];
  if (next != FH_NONE) {
    a->links(space, next)[FH_PREV] = prev;
  }
  if (prev != FH_NONE) {
    a->links(space, prev)[FH_NEXT] = next;
    return;
  }
  t.heads[length] = next;
  if (next == FH_NONE) {
    fh_good_clear(g, t, (uint32_t)length);
  }
}

/* The same as fh_good_take when it ends among them; FH_NONE: it does not. */
fh_inline uint32_t fh_good_take_exact(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space,
                                      fh_fit_word need) {
  const size_t exact = ((size_t)1 << (FH_GOOD_EXACT - 1)) * 2 - 1;
  size_t found = need < FH_GOOD_EXACT ? t.words[0] & exact & ~(size_t)0 << need : 0;
  if (found == 0) {
    return FH_NONE;
  }
  unsigned bin = fh_good_lowest(found);
  uint32_t hole = t.heads[bin], next = a->links(space, hole)[FH_NEXT];
  t.heads[bin] = next;
  if (next != FH_NONE) {
    a->links(space, next)[FH_PREV] = FH_NONE;
  } else {
    fh_good_clear(g, t, bin);
  }
  return hole;
}

/* The first bin from `bin` on that holds something; g->bins: none does. */
fh_inline uint32_t fh_good_next(const fh_good *g, fh_good_tables t, uint32_t bin) {
  uint32_t word = bin / FH_GOOD_BITS;
  size_t found = t.words[word] & ~(size_t)0 << bin % FH_GOOD_BITS;
  if (found == 0) {
    size_t later = g->top & ~(size_t)1 << word;
    if (later == 0) {
      return g->bins;
    }
    word = fh_good_lowest(later);
    found = t.words[word];
  }
  return word * FH_GOOD_BITS + fh_good_lowest(found);
}

/* In a bin of several lengths: where the smallest that fits is linked, or with `flat` the first if it fits. */
fh_inline uint32_t *fh_good_find_in(const fh_good *g, const fh_fit_access *a, void *space, uint32_t *slot,
                                    fh_fit_word bit, fh_fit_word need) {
  if (g->flat) {
    return a->length(space, *slot) >= need ? slot : NULL;
  }
  return fh_good_trie_find(a, space, slot, bit, need);
}

/* Where a smallest hole of at least `need` is linked, and its bin; NULL: there is none (with `flat`: none was found).
 */
fh_inline uint32_t *fh_good_search(const fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space,
                                   fh_fit_word need, uint32_t *in) {
  uint32_t bin = fh_good_bin(g, need);
  if (bin >= FH_GOOD_EXACT) {
    if (fh_unlikely(bin >= g->bins)) {
      return NULL;
    }
    uint32_t *slot = &t.heads[bin];
    uint32_t *found = *slot == FH_NONE ? NULL : fh_good_find_in(g, a, space, slot, fh_good_bit(g, need), need);
    if (found != NULL) {
      *in = bin;
      return found;
    }
    if (++bin == g->bins) {
      return NULL;
    }
  }
  bin = fh_good_next(g, t, bin);
  if (fh_unlikely(bin == g->bins)) {
    return NULL;
  }
  *in = bin;
  return fh_good_is_list(g, bin) ? &t.heads[bin] : fh_good_find_in(g, a, space, &t.heads[bin], 0, 0);
}

/* A smallest hole of at least `need`, still in the index; FH_NONE: there is none, or none was found. */
fh_inline uint32_t fh_good_find(const fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space,
                                fh_fit_word need) {
  uint32_t bin, *slot = fh_good_search(g, t, a, space, need, &bin);
  return slot == NULL ? FH_NONE : *slot;
}

/* The same hole, or one of its length, taken out of the index: what hangs on a node goes before the node. */
fh_inline uint32_t fh_good_take(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space, fh_fit_word need) {
  uint32_t bin, *slot = fh_good_search(g, t, a, space, need, &bin);
  if (fh_unlikely(slot == NULL)) {
    return FH_NONE;
  }
  uint32_t hole = *slot, next = a->links(space, hole)[FH_NEXT];
  if (fh_good_is_list(g, bin)) {
    *slot = next;
    if (next != FH_NONE) {
      a->links(space, next)[FH_PREV] = FH_NONE;
      return hole;
    }
  } else if (next != FH_NONE) {
    fh_good_unlink(a, space, a->links(space, next));
    return next;
  } else {
    fh_good_trie_take(a, space, slot);
  }
  if (t.heads[bin] == FH_NONE) {
    fh_good_clear(g, t, bin);
  }
  return hole;
}

/* A hole of the largest length, or with `flat` of the largest that a request finds; FH_NONE: the index is empty. */
fh_inline uint32_t fh_good_largest(const fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space) {
  if (g->top == 0) {
    return FH_NONE;
  }
  uint32_t word = fh_good_highest(g->top), bin = word * FH_GOOD_BITS + fh_good_highest(t.words[word]);
  uint32_t node = t.heads[bin], best = node;
  if (fh_good_is_list(g, bin)) {
    return node;
  }
  while (node != FH_NONE) {
    best = a->length(space, node) > a->length(space, best) ? node : best;
    uint32_t *children = a->children(space, node);
    node = children[children[1] != FH_NONE];
  }
  return best;
}

#endif
