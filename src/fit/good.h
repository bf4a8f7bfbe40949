/* Policy "good": a smallest hole that fits, in a bounded number of steps.
 *
 *   bin 0..31        one length each; its holes are a ring
 *   then             16 bins for each doubling, until a bin is 2^shift lengths wide; from there on all are that wide
 *   the last three   lengths from `big`, 2 big and 4 big on
 *
 *   top:    bit w set  <=>  words[w] != 0
 *   words:  bit b set  <=>  heads[b] != 0
 *
 * A bin of more than one length is a trie over the low bits of the length, highest bit first. Each node of it is a
 * hole, anywhere in the part of the trie that its bits lead to; holes of a node's length hang on it as a ring:
 *
 *                    [h]                    a path has at most shift + 1 nodes; in the last three bins
 *                 0 /   \ 1                 at most as many as there can be holes of that length:
 *               [h]      [h] = h = h        `big` is chosen so that this is no more
 *                 \ 1
 *                  [h]
 *
 * Steps: one search in the request's own bin, two bit searches, one path to the smallest hole of the next bin. None of
 * them depends on how many holes there are. (Bins of bins are TLSF's: Masmano, Ripoll, Crespo, Real, 2004; tries whose
 * nodes are the holes themselves are Doug Lea's.) With `flat` set, every bin is a ring and none is searched: a request
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

/* In the first child of a hole that hangs on a node. */
#define FH_GOOD_HANGS UINT32_MAX

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
  return (uint32_t)((shift << FH_GOOD_SPLIT) + (length >> shift));
}

/* The first bit that tells the lengths of a bin apart; 0: they are all the same. */
fh_inline fh_fit_word fh_good_bit(const fh_good *g, fh_fit_word length) {
  if (fh_unlikely(g->big != 0 && length >= g->big)) {
    return (fh_fit_word)1 << (sizeof(fh_fit_word) * 8 - 1);
  }
  return ((fh_fit_word)1 << fh_good_shift(g, length)) >> 1;
}

fh_inline uint32_t fh_good_words(const fh_good *g) { return (g->bins + FH_GOOD_BITS - 1) / FH_GOOD_BITS; }

/* For lengths up to `most`. The bins get wider until there are few enough for two levels of bits. */
fh_inline void fh_good_shape(fh_good *g, fh_fit_word most, bool flat) {
  fh_fit_word ninth = (most >> 3) - (most >> 6) + (most >> 9); /* hardly more; a division may need a library */
  *g = (fh_good){.big = ninth + 2, .shift = FH_GOOD_SHIFT - 1, .flat = flat};
  do {
    g->shift++;
    unsigned shift = fh_good_shift(g, g->big);
    g->last = (uint32_t)((shift << FH_GOOD_SPLIT) + (g->big >> shift)) + 1;
    g->bins = g->last + FH_GOOD_LAST;
  } while (g->big >> g->shift > UINT32_MAX / 2 || g->bins > FH_GOOD_BITS * FH_GOOD_BITS);
}

/* Rings. */

fh_inline void fh_good_ring_alone(const fh_fit_access *a, void *space, uint32_t hole) {
  uint32_t *links = a->links(space, hole);
  links[FH_NEXT] = links[FH_PREV] = hole;
}

fh_inline void fh_good_ring_join(const fh_fit_access *a, void *space, uint32_t hole, uint32_t behind) {
  uint32_t *links = a->links(space, hole), *at = a->links(space, behind);
  uint32_t next = at[FH_NEXT];
  links[FH_NEXT] = next;
  links[FH_PREV] = behind;
  at[FH_NEXT] = hole;
  a->links(space, next)[FH_PREV] = hole;
}

fh_inline void fh_good_ring_leave(const fh_fit_access *a, void *space, uint32_t hole) {
  uint32_t *links = a->links(space, hole);
  a->links(space, links[FH_PREV])[FH_NEXT] = links[FH_NEXT];
  a->links(space, links[FH_NEXT])[FH_PREV] = links[FH_PREV];
}

/* Tries. */

static inline void fh_good_trie_insert(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word bit,
                                       uint32_t hole, fh_fit_word length) {
  uint32_t *children = a->children(space, hole);
  for (uint32_t node; (node = *slot) != FH_NONE; bit >>= 1) {
    if (a->length(space, node) == length) {
      fh_good_ring_join(a, space, hole, node);
      children[0] = FH_GOOD_HANGS;
      return;
    }
    slot = &a->children(space, node)[(length & bit) != 0];
  }
  *slot = hole;
  children[0] = children[1] = FH_NONE;
  fh_good_ring_alone(a, space, hole);
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

static inline void fh_good_trie_remove(const fh_fit_access *a, void *space, uint32_t *slot, fh_fit_word bit,
                                       uint32_t hole, fh_fit_word length) {
  uint32_t *children = a->children(space, hole), heir = a->links(space, hole)[FH_NEXT];
  if (heir != hole) {
    fh_good_ring_leave(a, space, hole);
    if (children[0] == FH_GOOD_HANGS) {
      return;
    }
  } else {
    heir = fh_good_trie_leaf(a, space, hole);
  }
  for (; *slot != hole; bit >>= 1) {
    slot = &a->children(space, *slot)[(length & bit) != 0];
  }
  *slot = heir;
  if (heir != FH_NONE) {
    uint32_t *inherited = a->children(space, heir);
    inherited[0] = children[0];
    inherited[1] = children[1];
  }
}

/* The smaller of two nodes that both may be none or too short. */
fh_inline uint32_t fh_good_better(const fh_fit_access *a, void *space, uint32_t best, fh_fit_word *best_length,
                                  uint32_t node, fh_fit_word need) {
  fh_fit_word length = a->length(space, node);
  if (length >= need && length < *best_length) {
    *best_length = length;
    return node;
  }
  return best;
}

/* The smallest node of at least `need`. Down the path of need's bits; `right` is the last branch not taken whose
 * lengths are all above need, and what is smallest in there lies on its left edge. */
static inline uint32_t fh_good_trie_find(const fh_fit_access *a, void *space, uint32_t node, fh_fit_word bit,
                                         fh_fit_word need) {
  uint32_t best = FH_NONE, right = FH_NONE;
  fh_fit_word best_length = (fh_fit_word)-1;
  for (; node != FH_NONE; bit >>= 1) {
    best = fh_good_better(a, space, best, &best_length, node, need);
    if (best_length == need) {
      return best;
    }
    uint32_t *children = a->children(space, node);
    bool one = (need & bit) != 0;
    if (!one && children[1] != FH_NONE) {
      right = children[1];
    }
    node = children[one];
  }
  for (node = right; node != FH_NONE;) {
    best = fh_good_better(a, space, best, &best_length, node, need);
    uint32_t *children = a->children(space, node);
    node = children[children[0] == FH_NONE];
  }
  return best;
}

/* The index. */

fh_inline void fh_good_insert(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space, uint32_t hole,
                              fh_fit_word length) {
  uint32_t bin = fh_good_bin(g, length), *slot = &t.heads[bin];
  fh_fit_word bit = fh_good_bit(g, length);
  size_t word = bin / FH_GOOD_BITS;
  t.words[word] |= (size_t)1 << bin % FH_GOOD_BITS;
  g->top |= (size_t)1 << word;
  if (bit != 0 && !g->flat) {
    fh_good_trie_insert(a, space, slot, bit, hole, length);
  } else if (*slot == FH_NONE) {
    fh_good_ring_alone(a, space, hole);
    *slot = hole;
  } else {
    fh_good_ring_join(a, space, hole, *slot);
  }
}

fh_inline void fh_good_remove(fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space, uint32_t hole,
                              fh_fit_word length) {
  uint32_t bin = fh_good_bin(g, length), *slot = &t.heads[bin];
  fh_fit_word bit = fh_good_bit(g, length);
  if (bit != 0 && !g->flat) {
    fh_good_trie_remove(a, space, slot, bit, hole, length);
  } else {
    uint32_t next = a->links(space, hole)[FH_NEXT];
    fh_good_ring_leave(a, space, hole);
    *slot = next == hole ? FH_NONE : *slot == hole ? next : *slot;
  }
  if (*slot == FH_NONE) {
    size_t word = bin / FH_GOOD_BITS;
    t.words[word] &= ~((size_t)1 << bin % FH_GOOD_BITS);
    if (t.words[word] == 0) {
      g->top &= ~((size_t)1 << word);
    }
  }
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

/* Of those that hang on a node, one; it leaves with less work than the node. */
fh_inline uint32_t fh_good_of_node(const fh_fit_access *a, void *space, uint32_t node) {
  return a->links(space, node)[FH_NEXT];
}

/* A smallest hole of at least `need`, still in the index; FH_NONE: there is none (with `flat`: none was found). */
fh_inline uint32_t fh_good_find(const fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space,
                                fh_fit_word need) {
  uint32_t bin = fh_good_bin(g, need);
  fh_fit_word bit = fh_good_bit(g, need);
  if (fh_unlikely(bin >= g->bins)) {
    return FH_NONE;
  }
  uint32_t head = t.heads[bin];
  if (head != FH_NONE) {
    if (bit == 0) {
      return head;
    }
    if (g->flat && a->length(space, head) >= need) {
      return head;
    }
    uint32_t found = g->flat ? FH_NONE : fh_good_trie_find(a, space, head, bit, need);
    if (found != FH_NONE) {
      return fh_good_of_node(a, space, found);
    }
  }
  if (bin + 1 == g->bins || (bin = fh_good_next(g, t, bin + 1)) == g->bins) {
    return FH_NONE;
  }
  head = t.heads[bin];
  if (bin < FH_GOOD_EXACT || g->flat) {
    return head;
  }
  return fh_good_of_node(a, space, fh_good_trie_find(a, space, head, 0, 0));
}

/* A hole of the largest length, or with `flat` of the largest that a request finds; FH_NONE: the index is empty. */
fh_inline uint32_t fh_good_largest(const fh_good *g, fh_good_tables t, const fh_fit_access *a, void *space) {
  if (g->top == 0) {
    return FH_NONE;
  }
  uint32_t word = fh_good_highest(g->top), bin = word * FH_GOOD_BITS + fh_good_highest(t.words[word]);
  uint32_t node = t.heads[bin], best = node;
  if (bin < FH_GOOD_EXACT || g->flat) {
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
